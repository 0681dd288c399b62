#include "tests/gpu/flat.h"

#include "common/cleanup.h"
#include "common/sha256.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define TENSORS_MAX 4096

static int map_numbers(struct weights *weights, const char *path)
{
    CLEANUP(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) < 0)
        return -errno;
    void *bytes = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED)
        return -errno;
    weights->bytes = bytes;
    weights->size = (size_t)status.st_size;
    weights->mapped = true;
    return 0;
}

/* One line; 1 at the end. */
static int read_tensor(struct weights *weights, FILE *index)
{
    struct tensor tensor = { .dtype = DTYPE_F32, .count = 1 };
    char name[128];
    size_t offset;
    if (fscanf(index, " %127s %d", name, &tensor.dims) != 2)
        return 1;
    if (tensor.dims < 0 || tensor.dims > 4 || weights->count == TENSORS_MAX)
        return -EINVAL;
    for (int i = 0; i < tensor.dims; i++) {
        if (fscanf(index, "%zu", &tensor.shape[i]) != 1)
            return -EINVAL;
        tensor.count *= tensor.shape[i];
    }
    if (fscanf(index, "%zu", &offset) != 1 || offset > weights->size || tensor.count > (weights->size - offset) / sizeof(float))
        return -EINVAL;
    tensor.data = weights->bytes + offset;
    tensor.name = strdup(name);
    if (!tensor.name)
        return -ENOMEM;
    weights->tensors[weights->count++] = tensor;
    return 0;
}

int flat_open(const char *index, const char *numbers, struct weights **ret, struct why *why)
{
    CLEANUP(weights_closep) struct weights *weights = calloc(1, sizeof(*weights));
    CLEANUP(fclosep) FILE *file = fopen(index, "r");
    if (!weights || !file || !(weights->path = strdup(index)) || !(weights->tensors = calloc(TENSORS_MAX, sizeof(*weights->tensors))))
        return because(why, -EIO, "%s: cannot be read", index);
    int r = map_numbers(weights, numbers);
    while (r == 0)
        r = read_tensor(weights, file);
    if (r < 0)
        return because(why, r, "%s: not what report.py writes: %s", index, strerror(-r));
    qsort(weights->tensors, weights->count, sizeof(weights->tensors[0]), tensor_by_name);
    *ret = take(weights);
    return 0;
}

/* The activation of this name; -1 if there is none. */
static int activation_of(const struct network *network, const char *name)
{
    for (int i = 0; i < network->count; i++)
        if (network->layers[i].kind == LAYER_CONV && !strcmp(network->layers[i].name, name))
            return i + 1;
    return strcmp(name, "image") ? -1 : NETWORK_IMAGE;
}

int flat_ranges(const char *path, const struct network *network, struct ranges *ret, struct why *why)
{
    CLEANUP(fclosep) FILE *file = path ? fopen(path, "r") : NULL;
    char name[128];
    struct range range;
    int found = 0, wanted = 1;
    memset(ret, 0, sizeof(*ret));
    while (file && fscanf(file, " %127s %f %f", name, &range.low, &range.high) == 3) {
        int a = activation_of(network, name);
        if (a < 0)
            return because(why, -EINVAL, "%s: %s has no layer %s", path, network->name, name);
        ret->of[a] = range;
        found++;
    }
    for (int i = 0; i < network->count; i++) {
        const struct layer *layer = &network->layers[i];
        wanted += layer->kind == LAYER_CONV;
        if (layer->kind == LAYER_MAX_POOL || layer->kind == LAYER_AVG_POOL)
            ret->of[i + 1] = ret->of[layer->input];
    }
    if (found != wanted)
        return because(why, -EINVAL, "%s: %d activation ranges, expected %d", path ? path : "no file of ranges", found, wanted);
    return sha256_memory(ret->of, sizeof(ret->of), ret->sha256);
}
