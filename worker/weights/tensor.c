/* tensor.c: tensors by name, and as f32; the part of weights.h that reads no file. */
#include "worker/weights/weights.h"

#include <string.h>
#include <sys/mman.h>

static const struct {
    const char *name;
    size_t size;
} dtypes[] = {
    [DTYPE_F32] = { "F32", 4 },
    [DTYPE_F16] = { "F16", 2 },
    [DTYPE_BF16] = { "BF16", 2 },
    [DTYPE_F64] = { "F64", 8 },
    [DTYPE_I64] = { "I64", 8 },
};

const char *dtype_name(enum dtype dtype)
{
    return dtypes[dtype].name;
}

size_t dtype_size(enum dtype dtype)
{
    return dtypes[dtype].size;
}

int tensor_by_name(const void *a, const void *b)
{
    return strcmp(((const struct tensor *)a)->name, ((const struct tensor *)b)->name);
}

const struct tensor *weights_find(const struct weights *weights, const char *name)
{
    struct tensor key = { .name = name };
    return weights->count ? bsearch(&key, weights->tensors, weights->count, sizeof(key), tensor_by_name) : NULL;
}

void weights_close(struct weights *weights)
{
    if (!weights)
        return;
    for (size_t i = 0; i < weights->count; i++)
        free((char *)weights->tensors[i].name);
    free(weights->tensors);
    if (weights->mapped)
        munmap((void *)weights->bytes, weights->size);
    free(weights->path);
    free(weights);
}

static float f32_of_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

/* IEEE 754 binary16: 1 sign, 5 exponent (bias 15), 10 mantissa bits. */
static float f32_of_f16(uint16_t half)
{
    uint32_t sign = (uint32_t)(half >> 15) << 31, exponent = half >> 10 & 31, mantissa = half & 1023;
    if (exponent == 0) { /* zero and subnormals: mantissa * 2^-24, exact in f32 */
        float value = (float)mantissa * 0x1p-24f;
        return sign ? -value : value;
    }
    uint32_t wide = exponent == 31 ? 255 : exponent - 15 + 127;
    return f32_of_bits(sign | wide << 23 | mantissa << 13);
}

void tensor_to_f32(const struct tensor *tensor, float *out)
{
    if (tensor->dtype == DTYPE_F32) {
        if (tensor->count)
            memcpy(out, tensor->data, tensor->count * sizeof(float));
        return;
    }
    const uint8_t *bytes = tensor->data;
    if (tensor->dtype == DTYPE_F64) {
        for (size_t i = 0; i < tensor->count; i++) {
            double value;
            memcpy(&value, bytes + 8 * i, sizeof(value));
            out[i] = (float)value;
        }
        return;
    }
    for (size_t i = 0; i < tensor->count; i++) {
        uint16_t bits = (uint16_t)(bytes[2 * i] | bytes[2 * i + 1] << 8);
        out[i] = tensor->dtype == DTYPE_BF16 ? f32_of_bits((uint32_t)bits << 16) : f32_of_f16(bits);
    }
}
