#include "coordinator/run_options.h"

#include "common/cache.h"
#include "common/cache_limit.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/s3/uri.h"
#include "common/sha256.h"
#include "coordinator/destination.h"
#include "coordinator/export/export.h"
#include "coordinator/objectstore.h"
#include "coordinator/truth_file.h"
#include "proto/link.h"
#include "proto/preset.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>

#define OPTION(member) offsetof(struct run_options, member)

/* Only for nodes of a list; see TUNING_OWN_ROWS for what is only for workers started here. */
#define LIST_ROWS                                                                                                                       \
    { 0, "group", OPTION_TEXTS, OPTION(group), "NAME", "only the nodes of this [group] of the list; may be given again", 0, 0, NULL }, \
    TRUST_ROWS(struct run_options, trust)

#define NODE_ROWS                                                                                                                       \
    { 'n', "nodes", OPTION_TEXT, OPTION(nodes), "FILE", "node list: one host[:port] a line, # comments", 0, 0, NULL },                \
    LIST_ROWS,                                                                                                                         \
    { 0, "local", OPTION_INT, OPTION(local), "N", "start N workers on this machine; 1 if there is no --nodes", 0, 256, NULL },        \
    { 0, "min-nodes", OPTION_INT, OPTION(min_nodes), "N", "start when N nodes are ready, 1 by default", 1, 4096, NULL },              \
    { 0, "node-timeout", OPTION_INT, OPTION(node_timeout), "S", "give up when there are fewer, ready or loading, for S seconds, or none once it has started; 60 by default", 1, 86400, NULL }, \
    { 0, "expiry", OPTION_INT, OPTION(expiry), "S", "a worker silent for S seconds is lost, 10 by default", 1, 3600, NULL },           \
    { 0, "stall-timeout", OPTION_INT, OPTION(stall_timeout), "S",                                                                     \
      "a worker is lost that says it is alive, but has images and stands still for S seconds, 10 by default", 1, 86400, NULL }

static const struct option_row rows[] = {
    NODE_ROWS,
    { 'b', "batch", OPTION_INT, OPTION(batch), "N", "images a batch, the unit of dispatch, 60 by default", 1, LIMIT_BATCH, NULL },
    { 0, "job", OPTION_TEXT, OPTION(job), "DIR", "job directory, sleddog-job-TIME by default", 0, 0, NULL },
    { 'o', "output", OPTION_TEXT, OPTION(output), "DIR|URI", "where exports go: a folder or s3://BUCKET/PREFIX/; the job directory by default", 0, 0, NULL },
    { 0, "format", OPTION_TEXT, OPTION(format), "LIST", "tables to write, of jsonl,csv; jsonl by default", 0, 0, NULL },
    { 0, "per-image", OPTION_FLAG, OPTION(per_image), NULL, "also write one JSON file an image", 0, 0, NULL },
    { 0, "top", OPTION_INT, OPTION(top), "K", "classes a result carries, 5 by default", 1, LIMIT_CLASSES, NULL },
    { 0, "emit", OPTION_CHOICE, OPTION(emit), "KIND", "what comes out for an image", 0, 0, "topk|logits|features" },
    PRESET_ROWS(struct run_options, preset),
    { 0, "weights", OPTION_TEXT, OPTION(weights), "FILE|URL", "the model: .pth or .safetensors; the workers' own by default", 0, 0, NULL },
    { 0, "labels", OPTION_TEXT, OPTION(labels), "FILE", "class names, one a line; ImageNet's by default", 0, 0, NULL },
    { 0, "truth", OPTION_TEXT, OPTION(truth), "REGEX|@FILE",
      "what images show: the first group of this POSIX extended expression in the URI, or a CSV file of names and truths", 0, 0, NULL },
    { 0, "include", OPTION_TEXTS, OPTION(include), "PATTERN", "take only what matches, below its source; may be given again", 0, 0, NULL },
    { 0, "exclude", OPTION_TEXTS, OPTION(exclude), "PATTERN", "leave out what matches, below its source; may be given again", 0, 0, NULL },
    { 0, "sample", OPTION_INT, OPTION(sample), "N", "take about one image in N, chosen by its name: the same ones every time", 1, UINT32_MAX, NULL },
    { 0, "limit", OPTION_INT, OPTION(limit), "N", "take the first N images of the list and no more", 1, INT64_MAX, NULL },
    { 0, "null", OPTION_FLAG, OPTION(null_separated), NULL, "entries of @lists end with NUL, not with a line", 0, 0, NULL },
    { 0, "mixed", OPTION_FLAG, OPTION(mixed), NULL, "allow workers whose numbers may differ in the last digits", 0, 0, NULL },
    { 0, "max-errors", OPTION_INT, OPTION(max_errors), "N", "stop when more than N images have failed in this run, never by default", 0, INT64_MAX, NULL },
    { 0, "strict", OPTION_FLAG, OPTION(strict), NULL, "exit with 3 if any image failed", 0, 0, NULL },
    TUNING_ROWS(struct run_options, tuning),
    { 'h', "help", OPTION_FLAG, OPTION(help), NULL, "print this help", 0, 0, NULL },
    { 0 },
};

static const struct option_row rows_of_resume[] = {
    NODE_ROWS,
    { 0, "mixed", OPTION_FLAG, OPTION(mixed), NULL, "allow workers whose numbers may differ in the last digits", 0, 0, NULL },
    { 0, "max-errors", OPTION_INT, OPTION(max_errors), "N", "stop when more than N images have failed in this run, never by default", 0, INT64_MAX, NULL },
    { 0, "strict", OPTION_FLAG, OPTION(strict), NULL, "exit with 3 if any image failed", 0, 0, NULL },
    TUNING_ROWS(struct run_options, tuning),
    { 'h', "help", OPTION_FLAG, OPTION(help), NULL, "print this help", 0, 0, NULL },
    { 0 },
};

const struct option_row *run_rows(void)
{
    return rows;
}

const struct option_row *resume_rows(void)
{
    return rows_of_resume;
}

/* ---- what goes with what ---- */

static bool is_for_list(const char *name)
{
    static const struct option_row list[] = { LIST_ROWS };
    for (size_t i = 0; i < ARRAY_SIZE(list); i++)
        if (!strcmp(list[i].name, name))
            return true;
    return false;
}

int run_options_parse(const struct option_row *rows_of_command, struct run_options *ret, int argc, char **argv, int *ret_first, struct why *why)
{
    int r = options_parse(rows_of_command, ret, argc, argv, ret_first, why);
    if (r < 0)
        return r;
    ret->for_local = ret->for_list = NULL;
    ret->local_given = options_given(rows_of_command, argc, argv, "local");
    for (const struct option_row *row = rows_of_command; row->name; row++) {
        if (!ret->for_local && tuning_is_own(row->name) && options_given(rows_of_command, argc, argv, row->name))
            ret->for_local = row->name;
        if (!ret->for_list && is_for_list(row->name) && options_given(rows_of_command, argc, argv, row->name))
            ret->for_list = row->name;
    }
    return 0;
}

int run_options_check(const struct run_options *options, struct why *why)
{
    if (!options->nodes && options->local_given && !options->local)
        return because(why, -EINVAL, "--local 0: nobody would do the work; give --local N with N from 1, or --nodes FILE");
    if (options->nodes && !options->local && options->for_local)
        return because(why, -EINVAL, "--%s is for workers started here, and --nodes starts none: give it to the workers themselves, as an option or in their "
                       "configuration; or add --local N", options->for_local);
    if (!options->nodes && options->for_list)
        return because(why, -EINVAL, "--%s is for the nodes of a list: give --nodes FILE too", options->for_list);
    return tuning_check(&options->tuning, why);
}

bool run_options_mean(const struct run_options *options, const struct option_row *row)
{
    return options->nodes ? options->local || !tuning_is_own(row->name) : !is_for_list(row->name);
}

/* ---- the spec ---- */

static int absolute(const char *path, char **ret, struct why *why)
{
    char here[PATH_MAX] = "";
    if (*path && *path != '/' && !getcwd(here, sizeof(here)))
        return because(why, -errno, "the current folder: %s", strerror(errno));
    if (asprintf(ret, "%s%s%s", here, *here ? "/" : "", path) < 0)
        return because(why, -ENOMEM, "out of memory");
    return 0;
}

static enum row_emit emit_of(const char *name)
{
    return !strcmp(name, "features") ? ROW_FEATURES : !strcmp(name, "logits") ? ROW_LOGITS : ROW_TOPK;
}

static int copy_list(const char *const *texts, int count, char ***ret, int *ret_count, struct why *why)
{
    *ret = calloc((size_t)count + 1, sizeof(char *));
    if (!*ret)
        return because(why, -ENOMEM, "out of memory");
    for (; *ret_count < count; (*ret_count)++) {
        (*ret)[*ret_count] = strdup(texts[*ret_count]);
        if (!(*ret)[*ret_count])
            return because(why, -ENOMEM, "out of memory");
    }
    return 0;
}

static int copy_lists(struct spec *spec, const struct run_options *options, char **sources, int count, struct why *why)
{
    int r = copy_list((const char *const *)sources, count, &spec->sources, &spec->source_count, why);
    if (r == 0)
        r = copy_list(options->include.text, options->include.count, &spec->include, &spec->include_count, why);
    if (r == 0)
        r = copy_list(options->exclude.text, options->exclude.count, &spec->exclude, &spec->exclude_count, why);
    return r;
}

static void tell_download(const char *url)
{
    log_info("downloading %s", url);
}

/* An address stays one, because every node must understand it; the hash of what is there now makes all of them take the same. */
static int locate_weights(struct spec *spec, const struct run_options *options, char hex[SHA256_HEX], struct why *why)
{
    const char *given = options->weights;
    *hex = '\0';
    if (!cache_is_url(given)) {
        if (*given && cache_check_given(given, why) < 0)
            return because_in(why, -EINVAL, "--weights");
        int r = absolute(given, &spec->weights, why);
        if (r < 0 || !*given)
            return r;
        r = sha256_file(spec->weights, hex, why);
        if (r < 0)
            return because_in(why, r, "--weights");
        return sha256_check_name(given, hex, why) < 0 ? -EBADMSG : 0;
    }
    struct cached file;
    int r = cache_get(options->tuning.cache, given, "", &options->tuning.s3, tell_download, &file, why);
    if (r < 0)
        return r;
    cache_make_room(options->tuning.cache, (uint64_t)options->tuning.cache_limit, 0, NULL); /* a limit that it does not keep is said by workers */
    snprintf(hex, SHA256_HEX, "%s", file.sha256);
    spec->weights = strdup(given);
    return spec->weights ? 0 : because(why, -ENOMEM, "out of memory");
}

static int set_weights(struct spec *spec, const struct run_options *options, struct why *why)
{
    char hex[SHA256_HEX];
    int r = locate_weights(spec, options, hex, why);
    if (r == 0 && strlen(spec->weights) > LIMIT_URI)
        r = because(why, -ENAMETOOLONG, "--weights: the path is too long");
    if (r < 0)
        return r;
    spec->weights_sha256 = strdup(hex);
    return spec->weights_sha256 ? 0 : because(why, -ENOMEM, "out of memory");
}

static int set_labels(struct spec *spec, const struct run_options *options, struct why *why)
{
    char hex[SHA256_HEX] = "";
    int r = absolute(options->labels, &spec->labels, why);
    if (r == 0 && *options->labels)
        r = sha256_file(spec->labels, hex, why);
    if (r < 0)
        return because_in(why, r, "--labels");
    spec->labels_sha256 = strdup(hex);
    return spec->labels_sha256 ? 0 : because(why, -ENOMEM, "out of memory");
}

static int locate_output(const char *given, char **ret, struct why *why)
{
    CLEANUP(freep) char *place = NULL;
    int r = destination_locate(given, &place, why);
    if (r == 0 && !s3_uri_is(place, strlen(place)))
        return absolute(place, ret, why);
    *ret = take(place);
    return r;
}

static int set_texts(struct spec *spec, const struct run_options *options, const char *job_dir, struct why *why)
{
    int r = set_labels(spec, options, why);
    spec->output_inside = !options->output;
    if (r == 0)
        r = locate_output(options->output ? options->output : job_dir, &spec->output, why);
    if (r == 0)
        r = absolute(".", &spec->folder, why);
    if (r == 0)
        r = truth_describe(options->truth, &spec->truth, &spec->truth_sha256, why);
    if (r < 0)
        return r;
    if (asprintf(&spec->job, "%016" PRIx64, link_random_id()) < 0)
        spec->job = NULL;
    spec->version = strdup(SLEDDOG_VERSION);
    spec->preset = strdup(options->preset.preset);
    spec->formats = strdup(options->format);
    spec->precision = strdup(options->tuning.precision);
    return spec->precision && spec->job && spec->version && spec->preset && spec->formats ? 0 : because(why, -ENOMEM, "out of memory");
}

static int set_preset(struct spec *spec, const struct run_options *options, struct why *why)
{
    struct preset preset;
    int r = preset_from_options(&options->preset, &preset, why);
    if (r < 0)
        return r;
    spec->resize = preset.resize;
    spec->crop = preset.crop;
    spec->interpolation = preset.interpolation;
    spec->exif_orient = preset.exif_orient;
    memcpy(spec->mean, preset.mean, sizeof(spec->mean));
    memcpy(spec->std, preset.std, sizeof(spec->std));
    return 0;
}

static void set_numbers(struct spec *spec, const struct run_options *options)
{
    spec->emit = emit_of(options->emit);
    spec->top = (int)options->top;
    spec->batch = (int)options->batch;
    spec->recheck = (int)options->tuning.recheck;
    spec->sample = options->sample > 1 ? options->sample : 0;
    spec->limit = options->limit;
    spec->null_separated = options->null_separated;
    spec->per_image = options->per_image;
    spec->mixed = options->mixed;
    spec->created = clock_wall_s();
}

int spec_from_options(const struct run_options *options, char **sources, int source_count, const char *job_dir, struct spec **ret,
                      struct why *why)
{
    CLEANUP(spec_freep) struct spec *spec = calloc(1, sizeof(*spec));
    unsigned formats;
    if (!spec)
        return because(why, -ENOMEM, "out of memory");
    int r = export_formats(options->format, &formats, why);
    if (r == 0)
        r = set_preset(spec, options, why);
    if (r == 0)
        r = copy_lists(spec, options, sources, source_count, why);
    if (r == 0)
        r = set_texts(spec, options, job_dir, why);
    if (r == 0)
        r = set_weights(spec, options, why);
    if (r == 0)
        r = objectstore_describe(&options->tuning.s3, spec, why);
    if (r < 0)
        return r;
    set_numbers(spec, options);
    *ret = take(spec);
    return 0;
}
