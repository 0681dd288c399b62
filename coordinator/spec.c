#include "coordinator/spec.h"

#include "common/json.h"
#include "coordinator/shown.h"
#include "proto/tuning.h"

#include <errno.h>
#include <float.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <string.h>

/* The members, said once for both directions; plain ones are written as they are. */
#define PLAIN_TEXTS(X) \
    X(job) X(version) X(folder) X(weights_sha256) X(labels) X(labels_sha256) X(truth) X(preset) X(output) X(formats) \
    X(endpoint_url) X(region) X(addressing_style) X(profile) X(ca_bundle)
#define TEXTS(X)   PLAIN_TEXTS(X) X(weights)
#define LATER_TEXTS(X) X(precision, "auto") X(truth_sha256, "") /* with what is meant where an earlier build did not write them */
#define NUMBERS(X) X(resize) X(crop) X(emit) X(top) X(batch)
#define PLAIN_LISTS(X) X(include, include_count) X(exclude, exclude_count)
#define LATER_NUMBERS(X) X(recheck) X(sample) X(limit)
#define LISTS(X)   PLAIN_LISTS(X) X(sources, source_count)
#define FLAGS(X)   X(null_separated) X(per_image) X(mixed) X(exif_orient) X(output_inside) X(no_sign_request)

static void free_list(char **texts, int count)
{
    for (int i = 0; texts && i < count; i++)
        free(texts[i]);
    free(texts);
}

void spec_free(struct spec *spec)
{
    if (!spec)
        return;
#define FREE(member) free(spec->member);
    TEXTS(FREE)
#define FREE_LATER(member, absent) free(spec->member);
    LATER_TEXTS(FREE_LATER)
    FREE(home)
#define FREE_LIST(member, count) free_list(spec->member, spec->count);
    LISTS(FREE_LIST)
    free(spec);
}

bool spec_has_list(const struct spec *spec)
{
    for (int i = 0; i < spec->source_count; i++)
        if (spec->sources[i][0] == '@')
            return true;
    return false;
}

static int set_path(char **path, const char *absolute, struct why *why)
{
    char *copy = strdup(absolute);
    if (!copy)
        return because(why, -ENOMEM, "out of memory");
    free(*path);
    *path = copy;
    return 0;
}

int spec_set_home(struct spec *spec, const char *absolute, struct why *why)
{
    return set_path(&spec->home, absolute, why);
}

int spec_set_folder(struct spec *spec, const char *absolute, struct why *why)
{
    int r = spec_set_home(spec, absolute, why);
    return r == 0 && spec->output_inside ? set_path(&spec->output, absolute, why) : r;
}

/* Paths may hold any bytes but NUL, JSON only UTF-8: those that are not are kept as an array of byte values. */
static json_t *text_to_json(const char *text)
{
    if (!text)
        return json_string("");
    json_t *json = json_string(text);
    if (json)
        return json;
    json = json_array();
    for (const unsigned char *c = (const unsigned char *)text; json && *c; c++)
        json_array_append_new(json, json_integer(*c));
    return json;
}

static int text_from_bytes(const json_t *json, char **ret)
{
    size_t size = json_array_size(json);
    CLEANUP(freep) char *text = malloc(size + 1);
    if (!text)
        return -ENOMEM;
    for (size_t i = 0; i < size; i++) {
        json_int_t byte = json_integer_value(json_array_get(json, i));
        if (byte < 1 || byte > 255)
            return -EBADMSG;
        text[i] = (char)byte;
    }
    text[size] = '\0';
    *ret = take(text);
    return 0;
}

static int text_from_json(const json_t *json, char **ret)
{
    if (!json_is_string(json))
        return json_is_array(json) ? text_from_bytes(json, ret) : -EBADMSG;
    *ret = strdup(json_string_value(json));
    return *ret ? 0 : -ENOMEM;
}

/* An address without what it hides: that is kept elsewhere (jobdir.c). */
static json_t *address_to_json(const char *text)
{
    CLEANUP(freep) char *shown = shown_text(text ? text : "");
    if (!shown)
        json_refuse();
    return text_to_json(shown);
}

static json_t *list_to_json(char *const *texts, int count, json_t *(*to_json)(const char *text))
{
    json_t *json = json_array();
    for (int i = 0; i < count; i++)
        json_array_append_new(json, to_json(texts[i]));
    return json;
}

static json_t *floats_to_json(const float *values)
{
    return json_pack("[fff]", (double)values[0], (double)values[1], (double)values[2]);
}

int spec_to_json(const struct spec *spec, char **ret, struct why *why)
{
    json_watch();
    json_t *json = json_object();
#define PUT_TEXT(member)   json_object_set_new(json, #member, text_to_json(spec->member));
#define PUT_NUMBER(member) json_object_set_new(json, #member, json_integer((json_int_t)spec->member));
#define PUT_FLAG(member)   json_object_set_new(json, #member, json_boolean(spec->member));
    PLAIN_TEXTS(PUT_TEXT)
    NUMBERS(PUT_NUMBER)
    FLAGS(PUT_FLAG)
#define PUT_LIST(member, count) json_object_set_new(json, #member, list_to_json(spec->member, spec->count, text_to_json));
    PLAIN_LISTS(PUT_LIST)
    json_object_set_new(json, "sources", list_to_json(spec->sources, spec->source_count, address_to_json));
    json_object_set_new(json, "weights", address_to_json(spec->weights));
    json_object_set_new(json, "mean", floats_to_json(spec->mean));
    json_object_set_new(json, "std", floats_to_json(spec->std));
#define PUT_LATER(member, absent) PUT_TEXT(member)
    LATER_TEXTS(PUT_LATER)
    LATER_NUMBERS(PUT_NUMBER)
    json_object_set_new(json, "interpolation", json_integer(spec->interpolation));
    json_object_set_new(json, "created", json_real(spec->created));
    *ret = json_write(json, JSON_COMPACT | JSON_REAL_PRECISION(17));
    json_decref(json);
    if (json_refused())
        freep(ret);
    return *ret ? 0 : because(why, -ENOMEM, "the job's description: out of memory");
}

static int read_floats(const json_t *json, float *values)
{
    for (size_t i = 0; i < 3; i++) {
        const json_t *value = json_array_get(json, i);
        if (!json_is_number(value) || !(fabs(json_number_value(value)) <= (double)FLT_MAX))
            return -EBADMSG;
        values[i] = (float)json_number_value(value);
    }
    return 0;
}

static int read_list(const json_t *json, char ***ret, int *ret_count)
{
    if (!json_is_array(json))
        return -EBADMSG;
    size_t count = json_array_size(json);
    *ret = calloc(count + 1, sizeof(char *));
    if (!*ret)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        int r = text_from_json(json_array_get(json, i), &(*ret)[i]);
        if (r < 0)
            return r;
        *ret_count = (int)i + 1;
    }
    return 0;
}

/* Other parts rely on these limits; they are those of the worker. */
static bool is_possible(const struct spec *spec)
{
    return spec->resize >= 1 && spec->resize <= 4096 && spec->crop >= 1 && spec->crop <= 4096 && spec->interpolation < INTERPOLATION_COUNT && spec->emit <= ROW_FEATURES &&
           spec->top >= 1 && spec->top <= (int)LIMIT_CLASSES && spec->batch >= 1 && spec->batch <= (int)LIMIT_BATCH &&
           spec->recheck >= 0 && spec->recheck <= 100 && spec->sample >= 0 && spec->sample <= UINT32_MAX && spec->limit >= 0 && tuning_knows_precision(spec->precision);
}

static int read_later_text(const json_t *json, const char *absent, char **ret)
{
    if (json)
        return text_from_json(json, ret);
    *ret = strdup(absent);
    return *ret ? 0 : -ENOMEM;
}

/* Absent in jobs that earlier builds began: 0 is what those did. */
static int read_later_members(const json_t *json, struct spec *spec)
{
    int r = 0;
    spec->interpolation = (enum interpolation)json_integer_value(json_object_get(json, "interpolation"));
#define GET_LATER_NUMBER(member)                                                                       \
    if (json_object_get(json, #member) && !json_is_integer(json_object_get(json, #member)))            \
        r = -EBADMSG;                                                                                  \
    spec->member = (__typeof__(spec->member))json_integer_value(json_object_get(json, #member));
    LATER_NUMBERS(GET_LATER_NUMBER)
#define GET_LATER_TEXT(member, absent)                                                             \
    if (r == 0)                                                                                    \
        r = read_later_text(json_object_get(json, #member), absent, &spec->member);
    LATER_TEXTS(GET_LATER_TEXT)
    return r;
}

static int read_members(const json_t *json, struct spec *spec)
{
    int r = 0;
#define GET_TEXT(member)                                                       \
    if (r == 0)                                                                \
        r = text_from_json(json_object_get(json, #member), &spec->member);
#define GET_NUMBER(member)                                                                       \
    if (!json_is_integer(json_object_get(json, #member)))                                        \
        r = -EBADMSG;                                                                            \
    spec->member = (__typeof__(spec->member))json_integer_value(json_object_get(json, #member));
#define GET_FLAG(member) spec->member = json_is_true(json_object_get(json, #member));
    TEXTS(GET_TEXT)
    NUMBERS(GET_NUMBER)
    FLAGS(GET_FLAG)
    spec->created = json_number_value(json_object_get(json, "created"));
    if (r == 0)
        r = read_later_members(json, spec);
    if (r == 0 && !is_possible(spec))
        r = -EBADMSG;
    if (r == 0)
        r = read_floats(json_object_get(json, "mean"), spec->mean);
    if (r == 0)
        r = read_floats(json_object_get(json, "std"), spec->std);
#define GET_LIST(member, count)                                                               \
    if (r == 0)                                                                               \
        r = read_list(json_object_get(json, #member), &spec->member, &spec->count);
    LISTS(GET_LIST)
    return r;
}

int spec_from_json(const char *text, struct spec **ret, struct why *why)
{
    CLEANUP(spec_freep) struct spec *spec = calloc(1, sizeof(*spec));
    json_error_t error;
    json_t *json = json_read(text, strlen(text), 0, &error);
    int r = !spec || json_refused() ? -ENOMEM : !json ? -EBADMSG : read_members(json, spec);
    json_decref(json);
    if (r == -ENOMEM)
        return because(why, r, "the job's description in job.db: out of memory");
    if (r < 0)
        return because(why, r, "the job's description in job.db is damaged%s%s; put a copy of the whole folder back, or begin a new job", json ? "" : ": ", json ? "" : error.text);
    *ret = take(spec);
    return 0;
}

/* ---- telling two jobs apart ---- */

static bool texts_differ(const char *what, const char *is_text, const char *other_text, char *ret, size_t size)
{
    CLEANUP(freep) char *is = shown_text(is_text ? is_text : ""), *other = shown_text(other_text ? other_text : "");
    if (is && other && !strcmp(is, other))
        return false;
    snprintf(ret, size, "the %s is %.120s, not %.120s", what, is && *is ? is : "the default", other && *other ? other : "the default");
    return true;
}

static bool numbers_differ(const char *what, int64_t is, int64_t other, char *ret, size_t size)
{
    if (is == other)
        return false;
    snprintf(ret, size, "the %s is %" PRId64 ", not %" PRId64, what, is, other);
    return true;
}

static bool files_differ(const char *what, const char *is, const char *other, const char *is_sha256, const char *other_sha256, char *ret, size_t size)
{
    if (strcmp(is_sha256, other_sha256) == 0)
        return !*is_sha256 && texts_differ(what, is, other, ret, size);
    snprintf(ret, size, "the %s is %.120s (sha256 %.12s...), not %.120s (sha256 %.12s...)", what, *is ? is : "the default", *is ? is_sha256 : "-",
             *other ? other : "the default", *other ? other_sha256 : "-");
    return true;
}

static bool lists_differ(const char *what, char *const *is, int is_count, char *const *other, int other_count, char *ret, size_t size)
{
    for (int i = 0; i < is_count && i < other_count; i++)
        if (texts_differ(what, is[i], other[i], ret, size))
            return true;
    if (is_count == other_count)
        return false;
    snprintf(ret, size, "of the kind \"%s\" there are %d, not %d", what, is_count, other_count);
    return true;
}

static bool sources_differ(const struct spec *is, const struct spec *other, char *ret, size_t size)
{
    return lists_differ("source", is->sources, is->source_count, other->sources, other->source_count, ret, size) ||
           lists_differ("include", is->include, is->include_count, other->include, other->include_count, ret, size) ||
           lists_differ("exclude", is->exclude, is->exclude_count, other->exclude, other->exclude_count, ret, size) ||
           numbers_differ("sample", is->sample, other->sample, ret, size) || numbers_differ("limit", is->limit, other->limit, ret, size) ||
           texts_differ("endpoint-url", is->endpoint_url, other->endpoint_url, ret, size);
}

static bool preset_differs(const struct spec *is, const struct spec *other, char *ret, size_t size)
{
    if (texts_differ("preset", is->preset, other->preset, ret, size) || numbers_differ("resize", is->resize, other->resize, ret, size) ||
        numbers_differ("crop", is->crop, other->crop, ret, size) ||
        numbers_differ("interpolation", (int)is->interpolation, (int)other->interpolation, ret, size) ||
        numbers_differ("exif-orient", is->exif_orient, other->exif_orient, ret, size))
        return true;
    for (int i = 0; i < 3; i++)
        if (is->mean[i] != other->mean[i] || is->std[i] != other->std[i]) {
            snprintf(ret, size, "in the normalisation, mean and std number %d are %g and %g, not %g and %g", i + 1, (double)is->mean[i],
                     (double)is->std[i], (double)other->mean[i], (double)other->std[i]);
            return true;
        }
    return false;
}

static bool truths_differ(const struct spec *is, const struct spec *other, char *ret, size_t size)
{
    if (is->truth_sha256 && other->truth_sha256 && *is->truth_sha256 && *other->truth_sha256) /* tables: where they lie does not matter */
        return files_differ("truth", is->truth, other->truth, is->truth_sha256, other->truth_sha256, ret, size);
    return texts_differ("truth", is->truth, other->truth, ret, size);
}

bool spec_differs(const struct spec *is, const struct spec *other, char *ret, size_t size)
{
    return texts_differ("version", is->version, other->version, ret, size) || sources_differ(is, other, ret, size) ||
           files_differ("model", is->weights, other->weights, is->weights_sha256, other->weights_sha256, ret, size) ||
           preset_differs(is, other, ret, size) || numbers_differ("kind of output", (int)is->emit, (int)other->emit, ret, size) ||
           numbers_differ("number of classes a row", is->top, other->top, ret, size) ||
           numbers_differ("size of a batch", is->batch, other->batch, ret, size) ||
           texts_differ("precision", is->precision, other->precision, ret, size) || numbers_differ("recheck", is->recheck, other->recheck, ret, size) ||
           files_differ("list of labels", is->labels, other->labels, is->labels_sha256, other->labels_sha256, ret, size) ||
           truths_differ(is, other, ret, size) || texts_differ("format", is->formats, other->formats, ret, size) ||
           (!(is->output_inside && other->output_inside) && texts_differ("output", is->output, other->output, ret, size)) ||
           numbers_differ("per-image", is->per_image, other->per_image, ret, size) ||
           numbers_differ("null", is->null_separated, other->null_separated, ret, size);
}
