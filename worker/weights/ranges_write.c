/* ranges_write.c: puts a set of activation ranges into a file; the part of ranges.h that writes [jansson.h]. */
#include "common/json.h"
#include "worker/weights/ranges_json.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <string.h>

#define DIGITS 9 /* of a number: each f32 comes back as it was */

static json_t *triple(const float values[3])
{
    return json_pack("[f, f, f]", (double)values[0], (double)values[1], (double)values[2]);
}

static void put(json_t *tensors, const char *name, struct range range)
{
    if (json_object_set_new(tensors, name, json_pack("[f, f]", (double)range.low, (double)range.high)) < 0)
        json_refuse();
}

/* Four digits say enough of a mean. */
static float rounded(float value)
{
    char text[32];
    snprintf(text, sizeof(text), "%.3e", (double)value);
    return strtof(text, NULL);
}

static json_t *list(const float *values, size_t count)
{
    json_t *all = json_array();
    for (size_t i = 0; i < count; i++)
        if (json_array_append_new(all, json_real((double)values[i])) < 0)
            json_refuse();
    return all;
}

static json_t *means(const struct ranges *ranges, const struct network *network)
{
    json_t *all = json_object();
    for (int a = 0; a <= network->count; a++) {
        const float *values = ranges_means(ranges, network, a);
        if (values && json_object_set_new(all, ranges_tensor_name(network, a), list(values, ranges_means_count(network, a))) < 0)
            json_refuse();
    }
    return all;
}

void ranges_round_means(struct ranges *ranges, const struct network *network)
{
    size_t count = ranges_means_offset(network, network->count + 1);
    for (size_t i = 0; i < count; i++)
        ranges->means[i] = rounded(ranges->means[i]);
}

static json_t *describe(const struct ranges *ranges, const struct network *network)
{
    json_t *tensors = json_object();
    put(tensors, RANGES_IMAGE, ranges->of[NETWORK_IMAGE]);
    for (int i = 0; i < network->count; i++)
        if (ranges_has_pair(network, i))
            put(tensors, network->layers[i].name, ranges->of[i + 1]);
    return json_pack("{s:o, s:o, s:i, s:i, s:i, s:s, s:f, s:o, s:o*}", "mean", triple(ranges->mean), "std", triple(ranges->std), "resize", ranges->resize,
                     "crop", ranges->crop, "images", ranges->images, "clipping", ranges->clipping, "agreement", ranges->agreement, "tensors", tensors,
                     "means", ranges->means ? means(ranges, network) : NULL);
}

/* A ranges file, NULL for none. A file that is none of ours is not written over. */
static int read_target(const char *path, json_t **ret, struct why *why)
{
    CLEANUP(freep) char *text = NULL;
    size_t size;
    int r = ranges_json_read(path, &text, &size, why);
    if (r == -ENOENT) {
        *ret = NULL;
        return 0;
    }
    if (r == 0)
        r = ranges_json_parse(path, text, size, ret, why);
    return r < 0 ? because_in(why, r, "not written over, remove it or choose another file with --output") : 0;
}

/* The sets that stay: of the same weights, for another normalisation. The oldest make room. */
static int keep_others(const char *path, const struct ranges *ranges, const struct weights *weights, const struct network *network,
                       json_t *sets, struct why *why)
{
    CLEANUP(json_decrefp) json_t *file = NULL;
    int r = read_target(path, &file, why);
    if (r < 0 || !file)
        return r;
    const json_t *old = json_object_get(file, "sets");
    if (ranges_json_check(path, file, weights, network, NULL) < 0)
        return 0;
    for (size_t i = 0; i < json_array_size(old); i++) {
        json_t *set = json_array_get(old, i);
        float mean[3], std[3];
        if (ranges_json_triple(json_object_get(set, "mean"), mean) < 0 || ranges_json_triple(json_object_get(set, "std"), std) < 0 ||
            (ranges_same_triple(mean, ranges->mean) && ranges_same_triple(std, ranges->std)))
            continue;
        if (json_array_append(sets, set) < 0)
            json_refuse();
    }
    while (json_array_size(sets) > RANGES_SETS_MAX - 1)
        json_array_remove(sets, 0);
    return 0;
}

/* Leaves nothing at `temporary` unless it returns 0. */
static int write_temporary(const char *temporary, const char *text)
{
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0)
        return -errno;
    FILE *file = fdopen(fd, "w");
    if (!file) {
        close(fd);
        unlink(temporary);
        return -ENOMEM;
    }
    bool good = fputs(text, file) >= 0 && fputc('\n', file) != EOF && fflush(file) == 0 && fsync(fd) == 0;
    int r = good ? 0 : -errno;
    if (fclose(file) && r == 0)
        r = -errno;
    if (r < 0)
        unlink(temporary);
    return r;
}

static int cannot_write(const char *path, int r, struct why *why)
{
    return because(why, r, "%s: cannot write the activation ranges: %s; choose another place with --output", path, strerror(-r));
}

static int write_file(const char *path, const char *text, struct why *why)
{
    CLEANUP(freep) char *temporary = NULL;
    if (asprintf(&temporary, "%s.%d.tmp", path, (int)getpid()) < 0)
        return because(why, -ENOMEM, "%s: no memory", path);
    int r = write_temporary(temporary, text);
    if (r == 0 && rename(temporary, path) < 0) {
        r = -errno;
        unlink(temporary);
    }
    return r < 0 ? cannot_write(path, r, why) : 0;
}

int ranges_check_target(const char *path, struct why *why)
{
    CLEANUP(json_decrefp) json_t *file = NULL;
    CLEANUP(freep) char *copy = strdup(path);
    int r = read_target(path, &file, why);
    if (r < 0)
        return r;
    if (!copy)
        return because(why, -ENOMEM, "%s: no memory", path);
    return access(dirname(copy), W_OK) < 0 ? cannot_write(path, -errno, why) : 0;
}

int ranges_save(const char *path, const struct ranges *ranges, const struct weights *weights, const struct network *network, struct why *why)
{
    json_watch();
    CLEANUP(json_decrefp) json_t *sets = json_array();
    int r = keep_others(path, ranges, weights, network, sets, why);
    if (r < 0)
        return r;
    json_watch();
    if (json_array_append_new(sets, describe(ranges, network)) < 0)
        json_refuse();
    CLEANUP(json_decrefp) json_t *file = json_pack("{s:s, s:s, s:s, s:O}", "format", RANGES_FORMAT, "network", network->name, "weights",
                                                            weights->sha256, "sets", sets);
    CLEANUP(freep) char *text = json_write(file, JSON_INDENT(1) | JSON_REAL_PRECISION(DIGITS));
    if (!text || json_refused())
        return because(why, -ENOMEM, "%s: no memory for the ranges", path);
    return write_file(path, text, why);
}
