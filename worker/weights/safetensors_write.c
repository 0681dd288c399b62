#include "worker/weights/safetensors_write.h"

#include "common/json.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <string.h>

static size_t tensor_bytes(const struct tensor *tensor)
{
    size_t bytes = dtype_size(tensor->dtype);
    for (int i = 0; i < tensor->dims; i++)
        bytes *= tensor->shape[i];
    return bytes;
}

static json_t *describe(const struct tensor *tensor, size_t begin)
{
    json_t *shape = json_array();
    for (int i = 0; i < tensor->dims; i++)
        json_array_append_new(shape, json_integer((json_int_t)tensor->shape[i]));
    return json_pack("{s:s, s:o, s:[I,I]}", "dtype", dtype_name(tensor->dtype), "shape", shape, "data_offsets",
                     (json_int_t)begin, (json_int_t)begin + (json_int_t)tensor_bytes(tensor));
}

/* The header as text, padded with spaces so that the data are aligned to 8 bytes. */
static char *header_text(const struct tensor *tensors, size_t count)
{
    CLEANUP(json_decrefp) json_t *header = json_object();
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        if (json_object_set_new(header, tensors[i].name, describe(&tensors[i], at)) < 0)
            return NULL;
        at += tensor_bytes(&tensors[i]);
    }
    CLEANUP(freep) char *text = json_write(header, JSON_COMPACT);
    char *padded = NULL;
    if (!text || asprintf(&padded, "%-*s", (int)((strlen(text) + 7) / 8 * 8), text) < 0)
        return NULL;
    return padded;
}

static int write_all(FILE *file, const char *header, const struct tensor *tensors, size_t count)
{
    unsigned char size[8];
    for (int i = 0; i < 8; i++)
        size[i] = (unsigned char)((uint64_t)strlen(header) >> 8 * i);
    errno = EIO;
    if (fwrite(size, sizeof(size), 1, file) != 1 || fputs(header, file) < 0)
        return -errno;
    for (size_t i = 0; i < count; i++) {
        size_t bytes = tensor_bytes(&tensors[i]);
        if (bytes && fwrite(tensors[i].data, bytes, 1, file) != 1)
            return -errno;
    }
    return fflush(file) || fsync(fileno(file)) < 0 ? -errno : 0;
}

/* Leaves nothing at `temporary` unless it returns 0. */
static int write_temporary(const char *temporary, const char *header, const struct tensor *tensors, size_t count)
{
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0)
        return -errno;
    CLEANUP(fclosep) FILE *file = fdopen(fd, "wb");
    int r = file ? write_all(file, header, tensors, count) : -ENOMEM;
    if (!file)
        close(fd);
    if (r < 0)
        unlink(temporary);
    return r;
}

int safetensors_write(const char *path, const struct tensor *tensors, size_t count, struct why *why)
{
    CLEANUP(freep) char *header = header_text(tensors, count);
    if (!header)
        return because(why, -EINVAL, "%s: a tensor's name is not UTF-8, or there is no memory", path);
    CLEANUP(freep) char *temporary = NULL;
    if (asprintf(&temporary, "%s.%d.tmp", path, (int)getpid()) < 0)
        return because(why, -ENOMEM, "%s: no memory", path);
    int r = write_temporary(temporary, header, tensors, count);
    if (r == 0 && rename(temporary, path) < 0) {
        r = -errno;
        unlink(temporary);
    }
    return r < 0 ? because(why, r, "%s: cannot write: %s", path, strerror(-r)) : 0;
}
