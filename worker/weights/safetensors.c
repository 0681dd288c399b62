/* safetensors.c: the safetensors format [jansson.h].
 *
 *     u64 little-endian N | N bytes of JSON, "{...}" padded with spaces | data
 *     "name": {"dtype": "F32", "shape": [64, 3, 7, 7], "data_offsets": [begin, end)}   offsets are relative to the data
 *     "__metadata__": {"key": "text"}
 *
 * Data are little-endian, C order, packed: sorted by offset they must cover the rest of the file without holes or overlaps.
 * Source: https://github.com/huggingface/safetensors (README, "Format"). */
#include "worker/weights/reader.h"

#include "common/json.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

/* The format allows 100 MB; the header of a ResNet-152 has 0.2 MB, and a parsed one takes many times its size. */
#define HEADER_MAX (8u << 20)

/* Where a tensor lies in the data. */
struct extent {
    uint64_t begin, end;
    struct tensor *tensor;
};

static uint64_t header_size(const uint8_t *bytes)
{
    uint64_t size = 0;
    for (int i = 7; i >= 0; i--)
        size = size << 8 | bytes[i];
    return size;
}

static bool recognise(const uint8_t *bytes, size_t size)
{
    return size > 8 && bytes[8] == '{';
}

static int parse_dtype(const char *text, enum dtype *ret)
{
    for (enum dtype dtype = DTYPE_F32; dtype <= DTYPE_I64; dtype++)
        if (!strcmp(text, dtype_name(dtype))) {
            *ret = dtype;
            return 0;
        }
    return -EINVAL;
}

static int parse_shape(const struct weights *weights, struct tensor *tensor, const json_t *shape, struct why *why)
{
    size_t dims = json_array_size(shape);
    if (!json_is_array(shape) || dims > TENSOR_DIMS_MAX)
        return because(why, -EINVAL, "%s: tensor %s: \"shape\" is not a list of at most %d numbers", weights->path, tensor->name,
                       TENSOR_DIMS_MAX);
    tensor->dims = (int)dims;
    tensor->count = 1;
    for (size_t i = 0; i < dims; i++) {
        const json_t *size = json_array_get(shape, i);
        json_int_t value = json_integer_value(size);
        if (!json_is_integer(size) || value < 0 || __builtin_mul_overflow(tensor->count, (size_t)value, &tensor->count))
            return because(why, -EINVAL, "%s: tensor %s: impossible \"shape\"", weights->path, tensor->name);
        tensor->shape[i] = (size_t)value;
    }
    return 0;
}

static int parse_offsets(const struct weights *weights, struct tensor *tensor, const json_t *offsets, struct extent *extent,
                         struct why *why)
{
    const json_t *begin = json_array_get(offsets, 0), *end = json_array_get(offsets, 1);
    json_int_t b = json_integer_value(begin), e = json_integer_value(end);
    if (json_array_size(offsets) != 2 || !json_is_integer(begin) || !json_is_integer(end) || b < 0 || e < b)
        return because(why, -EINVAL, "%s: tensor %s: \"data_offsets\" is not a pair of ascending numbers", weights->path,
                       tensor->name);
    size_t bytes;
    if (__builtin_mul_overflow(tensor->count, dtype_size(tensor->dtype), &bytes) || bytes != (uint64_t)(e - b))
        return because(why, -EINVAL, "%s: tensor %s: %lld bytes of data do not fit its shape and type %s", weights->path,
                       tensor->name, (long long)(e - b), dtype_name(tensor->dtype));
    *extent = (struct extent){ (uint64_t)b, (uint64_t)e, tensor };
    return 0;
}

static int parse_tensor(const struct weights *weights, struct tensor *tensor, const json_t *entry, struct extent *extent,
                        struct why *why)
{
    const char *dtype = json_string_value(json_object_get(entry, "dtype"));
    if (!json_is_object(entry) || json_object_size(entry) != 3 || !dtype)
        return because(why, -EINVAL, "%s: tensor %s: its entry needs \"dtype\", \"shape\", \"data_offsets\" and nothing else",
                       weights->path, tensor->name);
    if (parse_dtype(dtype, &tensor->dtype) < 0)
        return because(why, -EINVAL, "%s: tensor %s has type %.16s; only F32, F16, BF16, F64 and I64 are read", weights->path,
                       tensor->name, dtype);
    int r = parse_shape(weights, tensor, json_object_get(entry, "shape"), why);
    if (r < 0)
        return r;
    return parse_offsets(weights, tensor, json_object_get(entry, "data_offsets"), extent, why);
}

static int by_offset(const void *a, const void *b)
{
    const struct extent *x = a, *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return x->end < y->end ? -1 : x->end > y->end;
}

/* Gives every tensor its data. Packed: no holes, no overlaps, nothing left over. */
static int place_tensors(const struct weights *weights, struct extent *extents, const uint8_t *data, uint64_t size,
                         struct why *why)
{
    uint64_t at = 0;
    if (weights->count)
        qsort(extents, weights->count, sizeof(extents[0]), by_offset);
    for (size_t i = 0; i < weights->count; i++) {
        const char *name = extents[i].tensor->name;
        if (extents[i].begin != at)
            return because(why, -EINVAL, "%s: tensor %s begins at byte %" PRIu64 " of the data, expected %" PRIu64 " (%s)",
                           weights->path, name, extents[i].begin, at,
                           extents[i].begin < at ? "tensors overlap" : "there is a hole");
        if (extents[i].end > size)
            return because(why, -EINVAL, "%s: tensor %s ends at byte %" PRIu64 " of the data, and there are only %" PRIu64
                           "; is the file complete?", weights->path, name, extents[i].end, size);
        extents[i].tensor->data = data + at;
        at = extents[i].end;
    }
    if (at != size)
        return because(why, -EINVAL, "%s: %" PRIu64 " bytes after the last tensor; is it one file?", weights->path, size - at);
    return 0;
}

static int parse_entries(struct weights *weights, json_t *header, struct extent *extents, struct why *why)
{
    const char *name;
    json_t *entry;
    json_object_foreach(header, name, entry) {
        if (!strcmp(name, "__metadata__"))
            continue;
        if (strlen(name) >= TENSOR_NAME_MAX)
            return because(why, -EINVAL, "%s: a tensor's name is longer than %d bytes", weights->path, TENSOR_NAME_MAX - 1);
        struct tensor *tensor = &weights->tensors[weights->count];
        tensor->name = strdup(name);
        if (!tensor->name)
            return because(why, -ENOMEM, "%s: no memory", weights->path);
        int r = parse_tensor(weights, tensor, entry, &extents[weights->count++], why);
        if (r < 0)
            return r;
    }
    return 0;
}

static int parse_header(const struct weights *weights, uint64_t size, json_t **ret, struct why *why)
{
    if (size > HEADER_MAX || size > weights->size - 8)
        return because(why, -EINVAL, "%s: a header of %" PRIu64 " bytes in a file of %zu; is it complete, and is it "
                       "safetensors?", weights->path, size, weights->size);
    json_error_t error;
    json_t *header = json_read((const char *)weights->bytes + 8, (size_t)size, JSON_REJECT_DUPLICATES, &error);
    if (json_refused()) {
        json_decref(header);
        return because(why, -ENOMEM, "%s: no memory for its header", weights->path);
    }
    if (!header)
        return because(why, -EINVAL, "%s: its header is not valid JSON: %s", weights->path, error.text);
    *ret = header;
    return 0;
}

static int safetensors_read(struct weights *weights, struct why *why)
{
    uint64_t size = header_size(weights->bytes);
    CLEANUP(json_decrefp) json_t *header = NULL;
    int r = parse_header(weights, size, &header, why);
    if (r < 0)
        return r;
    size_t entries = json_object_size(header);
    if (entries > WEIGHTS_TENSORS_MAX)
        return because(why, -EINVAL, "%s: %zu tensors; at most %d are read", weights->path, entries, WEIGHTS_TENSORS_MAX);
    weights->tensors = calloc(entries + 1, sizeof(weights->tensors[0]));
    CLEANUP(freep) struct extent *extents = calloc(entries + 1, sizeof(*extents));
    if (!weights->tensors || !extents)
        return because(why, -ENOMEM, "%s: no memory for %zu tensors", weights->path, entries);
    r = parse_entries(weights, header, extents, why);
    if (r < 0)
        return r;
    return place_tensors(weights, extents, weights->bytes + 8 + size, weights->size - 8 - size, why);
}

const struct weights_reader safetensors_reader = { "safetensors", recognise, safetensors_read };
