/* gpu_product_plan.c: a convolution of 1x1 without a stride is a product, and here a plan of gpu.h. */
#include "worker/engines/gpu_product.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct product_plan {
    struct gpu_plan plan; /* comes first */
    struct product product;
};

bool product_fits(const struct conv_shape *shape)
{
    return shape->kernel_height == 1 && shape->kernel_width == 1 && shape->stride == 1 && shape->padding == 0 && shape->groups == 1 &&
           shape->format != NUMBER_S8;
}

bool product_is_text(const char *text)
{
    return !strncmp(text, PRODUCT_WORD, strlen(PRODUCT_WORD));
}

static cublasLtHandle_t handle_of(const struct gpu *gpu)
{
    return ((const struct cuda_gpu *)gpu)->cublaslt;
}

void product_plan_free(struct gpu_plan *plan)
{
    struct product_plan *it = (struct product_plan *)plan;
    product_done(&it->product);
    free(it->plan.text);
    free(it);
}

/* The plan of this way. */
static int make_plan(const struct product_shape *shape, const struct product_way *way, struct gpu_plan **ret, struct why *why)
{
    char text[PRODUCT_TEXT];
    struct product_plan *plan = calloc(1, sizeof(*plan));
    if (!plan)
        return because(why, -ENOMEM, "out of memory");
    int r = product_init(&plan->product, shape, why);
    product_text(way, text);
    if (r == 0 && !(plan->plan.text = strdup(text)))
        r = because(why, -ENOMEM, "out of memory");
    plan->product.way = *way;
    plan->plan.workspace = way->workspace;
    if (r == 0)
        *ret = &plan->plan;
    else
        product_plan_free(&plan->plan);
    return r;
}

static struct product_shape shape_of(const struct conv_shape *shape)
{
    return (struct product_shape){
        .rows = (uint64_t)shape->batch * (uint64_t)shape->height * (uint64_t)shape->width, .inputs = (uint64_t)shape->inputs,
        .outputs = (uint64_t)shape->outputs, .format = shape->format, .adds = shape->residual, .relu = shape->relu,
    };
}

static int search(struct gpu *gpu, const struct product_shape *shape, size_t workspace, struct product_way ways[PRODUCT_WAYS], struct why *why)
{
    struct product product;
    int found = 0, r = product_init(&product, shape, why);
    if (r == 0)
        found = product_search(&product, handle_of(gpu), workspace, ways, why);
    product_done(&product);
    return r < 0 ? r : found;
}

int product_plans(struct gpu *gpu, const struct conv_shape *shape, const struct plan_wish *wish, struct gpu_plan **ret, int *ret_count,
                  struct why *why)
{
    struct product_shape product = shape_of(shape);
    struct product_way ways[PRODUCT_WAYS];
    int found = search(gpu, &product, wish->workspace, ways, why), r = found < 0 ? found : 0;
    *ret_count = 0;
    for (int i = 0; i < found && *ret_count < wish->most && r == 0; i++)
        if ((r = make_plan(&product, &ways[i], &ret[*ret_count], why)) == 0)
            ++*ret_count;
    while (r < 0 && *ret_count > 0)
        product_plan_free(ret[--*ret_count]);
    return r;
}

int product_plan_load(struct gpu *gpu, const struct conv_shape *shape, const char *text, struct gpu_plan **ret, struct why *why)
{
    struct product_shape product = shape_of(shape);
    struct product_way ways[PRODUCT_WAYS];
    char known[PRODUCT_TEXT];
    int found = product_fits(shape) ? search(gpu, &product, PLAN_WORKSPACE_MAX, ways, why) : 0;
    for (int i = 0; i < found; i++) {
        product_text(&ways[i], known);
        if (!strcmp(known, text))
            return make_plan(&product, &ways[i], ret, why);
    }
    return found < 0 ? found : because(why, -ENOTSUP, "\"%.40s\" is not a plan of this shape", text);
}

int product_plan_run(struct gpu *gpu, cudaStream_t stream, struct gpu_plan *plan, const struct conv_memory *memory, struct why *why)
{
    return product_run(&((struct product_plan *)plan)->product, handle_of(gpu), stream, memory, why);
}
