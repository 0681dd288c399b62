#include "coordinator/summary_preset.h"

#include "common/cleanup.h"
#include "coordinator/lines.h"
#include "coordinator/value.h"
#include "proto/preset.h"

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

void summary_triple(struct bytes *out, const json_t *values)
{
    for (size_t i = 0; i < 3; i++)
        bytes_printf(out, "%s%g", i ? "," : "", json_number_value(json_array_get(values, i)));
}

/* As summary.json has them, rounded to what a person types. */
static bool is_triple(const json_t *values, const float *wanted)
{
    for (size_t i = 0; i < 3; i++)
        if (fabs(json_number_value(json_array_get(values, i)) - (double)wanted[i]) > 1e-6 * (1 + fabs((double)wanted[i])))
            return false;
    return true;
}

/* What options changed in the preset of that name. */
static void put_changes(struct bytes *out, const json_t *preset, const struct preset *named)
{
    const char *comma = ", but ";
    static const char *const sides[] = { "resize", "crop" };
    const uint64_t usual[] = { (uint64_t)named->resize, (uint64_t)named->crop };
    for (int i = 0; i < 2; i++)
        if (count_at(preset, sides[i]) != usual[i]) {
            bytes_printf(out, "%s%s %" PRIu64, comma, sides[i], count_at(preset, sides[i]));
            comma = ", ";
        }
    static const char *const triples[] = { "mean", "std" };
    const float *const numbers[] = { named->mean, named->std };
    for (int i = 0; i < 2; i++)
        if (!is_triple(json_object_get(preset, triples[i]), numbers[i])) {
            bytes_printf(out, "%s%s ", comma, triples[i]);
            summary_triple(out, json_object_get(preset, triples[i]));
            comma = ", ";
        }
    if (strcmp(text_at(preset, "interpolation"), interpolation_name(named->interpolation))) {
        bytes_printf(out, "%s%s", comma, text_at(preset, "interpolation"));
        comma = ", ";
    }
    if (json_is_true(json_object_get(preset, "exif_orient")))
        bytes_printf(out, "%sturned as EXIF says", comma);
}

void summary_preset(struct bytes *out, const json_t *preset)
{
    static const float zero[] = { 0, 0, 0 }, one[] = { 1, 1, 1 };
    const struct preset *named = preset_find(text_at(preset, "name"));
    bytes_append_text(out, text_at(preset, "name"));
    size_t before = out->size;
    if (named && json_object_get(preset, "interpolation"))
        put_changes(out, preset, named);
    if (out->size > before)
        return;
    bytes_printf(out, ", resize %" PRIu64 ", crop %" PRIu64, count_at(preset, "resize"), count_at(preset, "crop"));
    if (is_triple(json_object_get(preset, "mean"), zero) && is_triple(json_object_get(preset, "std"), one))
        bytes_append_text(out, ", not normalised");
}

static bool is_among_first(const json_t *nodes, size_t count, const char *precision)
{
    for (size_t i = 0; i < count; i++)
        if (!strcmp(text_at(json_array_get(nodes, i), "precision"), precision))
            return true;
    return false;
}

void summary_precision(struct bytes *out, const json_t *nodes)
{
    size_t i, shown = 0;
    json_t *node;
    json_array_foreach(nodes, i, node) {
        const char *precision = text_at(node, "precision");
        if (!*precision || !strcmp(precision, "none") || is_among_first(nodes, i, precision))
            continue;
        bytes_append_text(out, shown++ ? ", " : "");
        line_text(out, precision);
    }
}
