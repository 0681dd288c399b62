/* bench_engine.c: times an engine on noise, as told line by line, so that a script can alternate it with something else.
 *
 *     bench_engine WEIGHTS NETWORK SIZE      stdin: "f32|int8 BATCH IMAGES" a line      stdout: "WALL CPU" seconds a line
 *
 * One single-threaded stream. "-" for WEIGHTS makes random ones. Engines stay open, one a precision and batch size. The ranges of int8 are made up:
 * speed does not depend on them. The first line of output says what the CPU is for oneDNN. */
#include "common/cleanup.h"
#include "tests/random_weights.h"
#include "tests/temporary.h"
#include "worker/engines.h"
#include "worker/weights/check.h"
#include "worker/weights/ranges.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#define OPEN_MAX 16

static struct engines_opened opened[OPEN_MAX];
static int opened_count;

static double seconds(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static int find_weights(const char *path, const char *network, struct weights **ret, struct why *why)
{
    if (strcmp(path, "-"))
        return weights_open(path, ret, why);
    char random[TEMPORARY_NAME];
    int fd = mkstemp(temporary_name(random, "bench-engine"));
    if (fd < 0)
        return because(why, -errno, "%s: %s", random, strerror(errno));
    close(fd);
    int r = random_weights_write(random, network_find(network), 1000, DTYPE_F32, 1, why);
    if (r == 0)
        r = weights_open(random, ret, why);
    unlink(random);
    return r;
}

static struct engines_opened *engine_for(struct engine_spec *spec, const char *precision, int batch, struct why *why)
{
    for (int i = 0; i < opened_count; i++) {
        const struct engine_info *info = opened[i].ops->info(opened[i].engine);
        if (info->batch == batch && !strcmp(info->precision, precision))
            return &opened[i];
    }
    spec->batch = batch;
    spec->precision = strcmp(precision, "int8") ? PRECISION_F32 : PRECISION_INT8;
    if (opened_count == OPEN_MAX || engines_open("onednn", spec, &opened[opened_count], why) < 0)
        return NULL;
    return &opened[opened_count++];
}

static int run(struct engines_opened *it, int images, struct why *why)
{
    const struct engine_info *info = it->ops->info(it->engine);
    double cpu = 0, wall = seconds(CLOCK_MONOTONIC);
    for (int done = 0; done < images; done += info->batch) {
        struct engine_slot *slot;
        int r;
        if ((r = it->ops->slot_acquire(it->engine, &slot)) < 0 ||
            (r = it->ops->submit(it->engine, slot, info->batch, why)) < 0 ||
            (r = it->ops->wait(it->engine, &slot, why)) < 0)
            return r;
        cpu += 1e-9 * (double)slot->busy_ns;
        it->ops->slot_release(it->engine, slot);
    }
    printf("%.6f %.6f\n", seconds(CLOCK_MONOTONIC) - wall, cpu);
    fflush(stdout);
    return 0;
}

static int serve(struct engine_spec *spec, struct why *why)
{
    char line[64];
    while (fgets(line, sizeof(line), stdin)) {
        int batch, images;
        char precision[8];
        if (sscanf(line, "%7s %d %d", precision, &batch, &images) != 3 || batch < 1)
            return because(why, -EINVAL, "bench_engine: not \"f32|int8 BATCH IMAGES\": %s", line);
        struct engines_opened *it = engine_for(spec, precision, batch, why);
        int r = it ? run(it, images, why) : -EIO;
        if (r < 0)
            return r;
    }
    return 0;
}

static int make_ranges(const struct network *network, struct ranges *ranges, struct why *why)
{
    ranges->of[NETWORK_IMAGE] = (struct range){ -2.2f, 2.7f };
    for (int i = 0; i < network->count; i++)
        ranges->of[i + 1] = (struct range){ network->layers[i].relu ? 0 : -4, 4 };
    return ranges_finish(ranges, network, why);
}

static int print_cpu(struct why *why)
{
    const struct engine_ops *ops;
    char text[256];
    int r = engines_find("onednn", &ops, why);
    if (r == 0 && (r = ops->probe(text, sizeof(text), why)) == 0)
        printf("%s\n", text);
    fflush(stdout);
    return r;
}

int main(int argc, char **argv)
{
    struct why why = { "usage: bench_engine WEIGHTS|- NETWORK SIZE" };
    CLEANUP(weights_closep) struct weights *weights = NULL;
    struct ranges ranges = { .images = 1 };
    int r = -EINVAL;
    if (argc == 4 && network_find(argv[2]) && (r = find_weights(argv[1], argv[2], &weights, &why)) == 0 &&
        (r = make_ranges(network_find(argv[2]), &ranges, &why)) == 0 && (r = print_cpu(&why)) == 0) {
        struct engine_spec spec = {
            .network = network_find(argv[2]), .weights = weights, .height = atoi(argv[3]), .width = atoi(argv[3]),
            .mean = { 0.485f, 0.456f, 0.406f }, .std = { 0.229f, 0.224f, 0.225f }, .top = 5, .threads = 1, .ranges = &ranges,
        };
        r = serve(&spec, &why);
    }
    if (r < 0)
        fprintf(stderr, "%s\n", why.text);
    for (int i = 0; i < opened_count; i++)
        opened[i].ops->close(opened[i].engine);
    return r < 0;
}
