/* gpu_product_plan.c: a convolution of 1x1 without a stride is a product, and here a plan of gpu.h. An algorithm of cublasLt is plain memory, which
 * the same version takes back [cublasLt.h: cublasLtMatmulAlgo_t "can be trivially serialized"]; a plan's text is that in hex digits. */
#include "worker/engines/gpu_product.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_WORD   "product "
#define PRODUCTS_MAX 16
#define DIGITS       (2 * sizeof(cublasLtMatmulAlgo_t))

struct product_plan {
    struct gpu_plan plan; /* comes first */
    struct product product;
};

bool product_fits(const struct conv_shape *shape)
{
    return shape->kernel_height == 1 && shape->kernel_width == 1 && shape->stride == 1 && shape->padding == 0 && shape->groups == 1 && shape->format != NUMBER_S8;
}

bool product_is_text(const char *text)
{
    return !strncmp(text, FIRST_WORD, strlen(FIRST_WORD));
}

static void write_text(const cublasLtMatmulAlgo_t *algorithm, char text[sizeof(FIRST_WORD) + DIGITS])
{
    const unsigned char *bytes = (const unsigned char *)algorithm;
    char *at = text + sprintf(text, FIRST_WORD);
    for (size_t i = 0; i < sizeof(*algorithm); i++)
        at += sprintf(at, "%02x", bytes[i]);
}

static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_text(const char *text, cublasLtMatmulAlgo_t *algorithm)
{
    unsigned char *bytes = (unsigned char *)algorithm;
    const char *digits = text + strlen(FIRST_WORD);
    if (strlen(digits) != DIGITS)
        return false;
    for (size_t i = 0; i < sizeof(*algorithm); i++) {
        int high = digit(digits[2 * i]), low = digit(digits[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        bytes[i] = (unsigned char)(high << 4 | low);
    }
    return true;
}

void product_plan_free(struct gpu_plan *plan)
{
    struct product_plan *it = (struct product_plan *)plan;
    product_done(&it->product);
    free(it->plan.text);
    free(it);
}

static int plan_new(const struct conv_shape *shape, struct product_plan **ret, struct why *why)
{
    struct product_shape product = {
        .rows = (uint64_t)shape->batch * (uint64_t)shape->height * (uint64_t)shape->width, .inputs = (uint64_t)shape->inputs,
        .outputs = (uint64_t)shape->outputs, .format = shape->format, .adds = shape->residual, .relu = shape->relu,
    };
    struct product_plan *plan = calloc(1, sizeof(*plan));
    if (!plan)
        return because(why, -ENOMEM, "out of memory");
    int r = product_init(&plan->product, &product, why);
    if (r == 0)
        *ret = plan;
    else
        product_plan_free(&plan->plan);
    return r;
}

/* The plan of this algorithm. */
static int make_plan(struct gpu *gpu, const struct conv_shape *shape, const cublasLtMatmulAlgo_t *algorithm, struct gpu_plan **ret, struct why *why)
{
    struct product_plan *plan;
    char text[sizeof(FIRST_WORD) + DIGITS];
    int r = plan_new(shape, &plan, why);
    if (r < 0)
        return r;
    r = product_take(&plan->product, ((struct cuda_gpu *)gpu)->cublaslt, algorithm, why);
    write_text(algorithm, text);
    plan->plan.workspace = plan->product.workspace;
    if (r == 0 && !(plan->plan.text = strdup(text)))
        r = because(why, -ENOMEM, "out of memory");
    if (r == 0)
        *ret = &plan->plan;
    else
        product_plan_free(&plan->plan);
    return r;
}

int product_plans(struct gpu *gpu, const struct conv_shape *shape, size_t workspace, struct gpu_plan **ret, int most, int *ret_count,
                  struct why *why)
{
    struct product_plan *any;
    cublasLtMatmulAlgo_t algorithms[PRODUCTS_MAX];
    *ret_count = 0;
    int r = plan_new(shape, &any, why);
    if (r < 0)
        return r;
    int found = product_search(&any->product, ((struct cuda_gpu *)gpu)->cublaslt, workspace, algorithms, PRODUCTS_MAX, why);
    product_plan_free(&any->plan);
    for (int i = 0; i < found && *ret_count < most; i++)
        if (make_plan(gpu, shape, &algorithms[i], &ret[*ret_count], why) == 0)
            ++*ret_count;
    return found < 0 ? found : *ret_count ? 0 : -ENOTSUP;
}

int product_plan_load(struct gpu *gpu, const struct conv_shape *shape, const char *text, struct gpu_plan **ret, struct why *why)
{
    cublasLtMatmulAlgo_t algorithm;
    if (!product_fits(shape) || !read_text(text, &algorithm))
        return because(why, -ENOTSUP, "\"%.40s\" is not a plan of this shape", text);
    return make_plan(gpu, shape, &algorithm, ret, why);
}

int product_plan_run(struct gpu *gpu, cudaStream_t stream, struct gpu_plan *plan, const struct conv_memory *memory, struct why *why)
{
    return product_run(&((struct product_plan *)plan)->product, ((struct cuda_gpu *)gpu)->cublaslt, stream, memory, why);
}
