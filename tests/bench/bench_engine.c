/* bench_engine.c: times an engine on noise, as told line by line, so that a script can alternate it with something else.
 *
 *     bench_engine WEIGHTS NETWORK SIZE      stdin: "BATCH IMAGES" a line      stdout: "WALL CPU" seconds a line
 *
 * One single-threaded stream. "-" for WEIGHTS makes random ones. Engines stay open, one a batch size. */
#include "common/cleanup.h"
#include "tests/random_weights.h"
#include "worker/engines.h"
#include "worker/weights/check.h"

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
    char random[] = "/tmp/bench-engine-XXXXXX";
    int fd = mkstemp(random);
    if (fd < 0)
        return because(why, -errno, "%s: %s", random, strerror(errno));
    close(fd);
    int r = random_weights_write(random, network_find(network), 1000, DTYPE_F32, 1, why);
    if (r == 0)
        r = weights_open(random, ret, why);
    unlink(random);
    return r;
}

static struct engines_opened *engine_for(struct engine_spec *spec, int batch, struct why *why)
{
    for (int i = 0; i < opened_count; i++)
        if (opened[i].ops->info(opened[i].engine)->batch == batch)
            return &opened[i];
    spec->batch = batch;
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
        if (sscanf(line, "%d %d", &batch, &images) != 2 || batch < 1)
            return because(why, -EINVAL, "bench_engine: not \"BATCH IMAGES\": %s", line);
        struct engines_opened *it = engine_for(spec, batch, why);
        int r = it ? run(it, images, why) : -EIO;
        if (r < 0)
            return r;
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct why why = { "usage: bench_engine WEIGHTS|- NETWORK SIZE" };
    CLEANUP(weights_closep) struct weights *weights = NULL;
    int r = -EINVAL;
    if (argc == 4 && network_find(argv[2]) && (r = find_weights(argv[1], argv[2], &weights, &why)) == 0) {
        struct engine_spec spec = {
            .network = network_find(argv[2]), .weights = weights, .height = atoi(argv[3]), .width = atoi(argv[3]),
            .mean = { 0.485f, 0.456f, 0.406f }, .std = { 0.229f, 0.224f, 0.225f }, .top = 5, .threads = 1,
        };
        r = serve(&spec, &why);
    }
    if (r < 0)
        fprintf(stderr, "%s\n", why.text);
    for (int i = 0; i < opened_count; i++)
        opened[i].ops->close(opened[i].engine);
    return r < 0;
}
