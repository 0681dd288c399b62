#include "coordinator/needless.h"

#include "common/bytes.h"
#include "common/cleanup.h"
#include "common/log.h"
#include "common/redact.h"
#include "coordinator/objectstore.h"

#include <errno.h>
#include <string.h>

static bool has_list(char *const *sources, int count)
{
    for (int i = 0; i < count; i++)
        if (sources[i][0] == '@')
            return true;
    return false;
}

int needless_check(const struct run_options *options, char *const *sources, int count, struct why *why)
{
    if (options->null_separated && !has_list(sources, count))
        return because(why, -EINVAL, "--null is for the entries of a list, and no SOURCE is one; leave it out, or give @LIST");
    return 0;
}

static bool is_given(const struct run_options *options, const struct option_row *row)
{
    const void *at = (const char *)options + row->offset;
    return row->type == OPTION_FLAG ? *(const bool *)at : *(const char *const *)at != NULL;
}

/* A list may have any addresses. */
static void tell_store(const struct run_options *options, const struct spec *spec)
{
    static const struct option_row rows[] = { S3_ROWS(struct run_options, tuning.s3) };
    CLEANUP(bytes_done) struct bytes names;
    int count = 0;
    bytes_init(&names, 1024);
    if (objectstore_is_needed(spec) || has_list(spec->sources, spec->source_count))
        return;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (is_given(options, &rows[i]))
            bytes_printf(&names, "%s--%s", count++ ? ", " : "", rows[i].name);
    if (count && !bytes_error(&names))
        log_warning("%s: neither sources nor output nor weights of this job are in an S3 store, so %s nothing; leave %s out", names.data,
                    count == 1 ? "it changes" : "they change", count == 1 ? "it" : "them");
}

static void tell_weights(const struct run_options *options, const struct spec *spec)
{
    char shown[512];
    if (!*spec->weights || options->nodes || strcmp(options->tuning.engine, "sim"))
        return;
    uri_show(shown, sizeof(shown), spec->weights, strlen(spec->weights), "");
    log_warning("--weights %s: engine sim looks at no weights, its answers are made up; leave --weights out, or --engine sim", shown);
}

void needless_tell(const struct run_options *options, const struct spec *spec)
{
    tell_store(options, spec);
    tell_weights(options, spec);
}
