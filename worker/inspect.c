/* inspect.c: the command `weights`: what weights files hold, and what is wrong with them. */
#include "common/cache.h"
#include "common/counted.h"
#include "common/log.h"
#include "common/program.h"
#include "worker/commands.h"
#include "worker/locate.h"
#include "worker/weights/check.h"
#include "worker/weights/ranges.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

/* Statistics and counters are no parameters: nobody trains them. */
static bool is_parameter(const char *name)
{
    return !strstr(name, ".running_") && !strstr(name, ".num_batches_tracked");
}

static void print_content(const struct weights *weights)
{
    uint64_t parameters = 0;
    char types[64] = "";
    for (enum dtype dtype = DTYPE_F32; dtype < DTYPE_I64; dtype++)
        for (size_t i = 0; i < weights->count; i++)
            if (weights->tensors[i].dtype == dtype) {
                snprintf(types + strlen(types), sizeof(types) - strlen(types), "%s%s", *types ? ", " : "", dtype_name(dtype));
                break;
            }
    for (size_t i = 0; i < weights->count; i++)
        if (is_parameter(weights->tensors[i].name))
            parameters += weights->tensors[i].count;
    printf("  type        %s\n", types);
    printf("  parameters  %" PRIu64 "\n", parameters);
    printf("  format      %s, %zu tensors, %zu bytes\n", weights->format, weights->count, weights->size);
    printf("  sha256      %s\n", weights->sha256);
}

struct inspect_options {
    const char *cache;
    struct s3_options s3;
    bool help;
};

static int open_weights(const char *uri, const struct inspect_options *options, struct weights **ret, struct why *why)
{
    struct cached file;
    int r = locate_weights(uri, "", options->cache, &options->s3, &file, why);
    return r < 0 ? r : weights_open(file.path, ret, why);
}

/* ---- ranges --------------------------------------------------------------------------------------------------------------- */

static void print_set(void *arg, const struct ranges *ranges)
{
    (void)arg;
    printf("  ranges      %s, from %s at %d/%d, top-1 as f32's in %.1f %%; mean %g,%g,%g std %g,%g,%g\n", ranges->clipping, COUNTED((uint64_t)ranges->images, "image", "images"), ranges->resize,
           ranges->crop, 100 * ranges->agreement, (double)ranges->mean[0], (double)ranges->mean[1], (double)ranges->mean[2], (double)ranges->std[0],
           (double)ranges->std[1], (double)ranges->std[2]);
}

/* Those that a worker would find beside the file. */
static int print_ranges(const struct weights *weights, const struct network *network, struct why *why)
{
    char path[PATH_MAX];
    int r = ranges_path(weights->path, path, sizeof(path), why);
    if (r < 0)
        return r;
    if (access(path, F_OK) < 0) {
        printf("  ranges      none beside it: a CPU computes in f32; %s calibrate makes them, for int8\n", program_called());
        return 0;
    }
    return ranges_each(path, weights, network, print_set, NULL, why);
}

static int inspect(const char *uri, const struct inspect_options *options)
{
    CLEANUP(weights_closep) struct weights *weights = NULL;
    const struct network *network;
    struct why why;
    int classes;
    printf("%s\n", uri);
    int r = open_weights(uri, options, &weights, &why);
    if (r == 0 && (r = network_detect(weights, &network, &why)) == 0 && (r = weights_check(weights, network, &classes, &why)) == 0)
        printf("  network     %s\n  classes     %d\n", network->name, classes);
    if (weights)
        print_content(weights);
    if (r == 0)
        r = print_ranges(weights, network, &why);
    if (r < 0)
        printf("  wrong       %s\n", why.text);
    return r;
}

static const struct option_row rows[] = {
    { 0, "cache", OPTION_TEXT, offsetof(struct inspect_options, cache), "DIR", "where downloaded weights are kept", 0, 0, NULL },
    S3_ROWS(struct inspect_options, s3),
    { 'h', "help", OPTION_FLAG, offsetof(struct inspect_options, help), NULL, "print this help", 0, 0, NULL },
    { 0 },
};

int command_weights(int argc, char **argv)
{
    struct inspect_options options = { 0 };
    struct why why;
    int first, wrong = 0;
    log_open("sleddog-worker weights", LOG_LEVEL_INFO);
    int r = options_parse(rows, &options, argc, argv, &first, &why);
    if (r == 0 && options.help) {
        puts("sleddog-worker weights [OPTIONS] FILE|URL...: what weights files hold, and what is wrong with them\n");
        options_print(rows, stdout);
        return 0;
    }
    if (r == 0 && first == argc)
        r = because(&why, -EINVAL, "no files given: %s weights FILE...", program_called());
    if (r == 0)
        r = s3_options_check(&options.s3, &why);
    if (r < 0) {
        log_error("%s", why.text);
        return 2;
    }
    for (int i = first; i < argc; i++)
        wrong += inspect(argv[i], &options) < 0;
    return wrong > 0;
}
