#include "worker/weights/weights.h"

#include "worker/weights/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

/* A new format is one more line here. */
static const struct weights_reader *const readers[] = {
    &safetensors_reader,
    &pth_zip_reader,
    &pth_legacy_reader,
    &pth_tar_reader,
};

/* What people have given instead of weights. */
static int refuse_unknown(const struct weights *weights, struct why *why)
{
    static const struct {
        const char *start, *what;
    } known[] = {
        { "version https://git-lfs", "a Git LFS pointer, not the file itself; fetch it with: git lfs pull" },
        { "<", "a web page, not weights; was it saved from a download that failed?" },
        { "\x1f\x8b", "compressed with gzip; unpack it first" },
        { "\x80", "a pickle, but none that torch.save() wrote; re-save the weights with torch.save(model.state_dict(), ...)" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
        size_t length = strlen(known[i].start);
        if (weights->size >= length && !memcmp(weights->bytes, known[i].start, length))
            return because(why, -EINVAL, "%s: %s", weights->path, known[i].what);
    }
    return because(why, -EINVAL, "%s: not a weights file: its first bytes are those of no known format; give a .safetensors or .pth file",
                   weights->path);
}

static int sort_tensors(struct weights *weights, struct why *why)
{
    if (weights->count)
        qsort(weights->tensors, weights->count, sizeof(weights->tensors[0]), tensor_by_name);
    for (size_t i = 1; i < weights->count; i++)
        if (!tensor_by_name(&weights->tensors[i - 1], &weights->tensors[i]))
            return because(why, -EINVAL, "%s: there are two tensors called %s; the file is damaged", weights->path,
                           weights->tensors[i].name);
    return 0;
}

static int read_tensors(struct weights *weights, struct why *why)
{
    for (size_t i = 0; i < ARRAY_SIZE(readers); i++) {
        if (!readers[i]->recognise(weights->bytes, weights->size))
            continue;
        int r = readers[i]->read(weights, why);
        weights->format = readers[i]->format;
        return r < 0 ? r : sort_tensors(weights, why);
    }
    return refuse_unknown(weights, why);
}

static struct weights *weights_new(const char *path)
{
    struct weights *weights = calloc(1, sizeof(*weights));
    if (weights)
        weights->path = strdup(path);
    if (weights && !weights->path) {
        free(weights);
        return NULL;
    }
    return weights;
}

static int finish(struct weights *weights, struct why *why)
{
    int r = sha256_memory(weights->bytes, weights->size, weights->sha256);
    if (r < 0)
        return because(why, r, "%s: no memory to hash it", weights->path);
    r = sha256_check_name(weights->path, weights->sha256, why);
    return r < 0 ? r : read_tensors(weights, why);
}

int weights_from_memory(const char *name, const void *data, size_t size, struct weights **ret, struct why *why)
{
    CLEANUP(weights_closep) struct weights *weights = weights_new(name);
    if (!weights)
        return because(why, -ENOMEM, "%s: no memory", name);
    weights->bytes = data;
    weights->size = size;
    int r = finish(weights, why);
    if (r < 0)
        return r;
    *ret = take(weights);
    return 0;
}

static int open_file(const char *path)
{
    return open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
}

/* Right after it was opened, or was not. */
static int check_file(const char *path, int fd, size_t *size, struct why *why)
{
    if (fd < 0)
        return because(why, -errno, "%s: cannot open the weights: %s", path, strerror(errno));
    struct stat status;
    if (fstat(fd, &status) < 0)
        return because(why, -errno, "%s: %s", path, strerror(errno));
    if (!S_ISREG(status.st_mode))
        return because(why, -EINVAL, "%s: not a regular file; give a .safetensors or .pth file", path);
    if (status.st_size == 0)
        return because(why, -EINVAL, "%s: the file is empty", path);
    if ((uint64_t)status.st_size > WEIGHTS_FILE_MAX)
        return because(why, -EFBIG, "%s: %lld bytes, and weights may have %llu at most", path, (long long)status.st_size, WEIGHTS_FILE_MAX);
    *size = (size_t)status.st_size;
    return 0;
}

int weights_look(const char *path, struct why *why)
{
    size_t size;
    CLEANUP(closep) int fd = open_file(path);
    return check_file(path, fd, &size, why);
}

static int map_file(struct weights *weights, struct why *why)
{
    size_t size;
    CLEANUP(closep) int fd = open_file(weights->path);
    int r = check_file(weights->path, fd, &size, why);
    if (r < 0)
        return r;
    void *bytes = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED)
        return because(why, -errno, "%s: cannot map: %s", weights->path, strerror(errno));
    weights->bytes = bytes;
    weights->size = size;
    weights->mapped = true;
    return 0;
}

int weights_open(const char *path, struct weights **ret, struct why *why)
{
    CLEANUP(weights_closep) struct weights *weights = weights_new(path);
    if (!weights)
        return because(why, -ENOMEM, "%s: no memory", path);
    int r = map_file(weights, why);
    if (r < 0)
        return r;
    r = finish(weights, why);
    if (r < 0)
        return r;
    *ret = take(weights);
    return 0;
}
