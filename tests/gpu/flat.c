#include "tests/gpu/flat.h"

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
