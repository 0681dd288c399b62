/* gpu_plan.c: the plans of gpu.h: cuDNN's on a handle (gpu_search.c), and for convolutions of 1x1 the products of cublasLt as well. */
#include "worker/engines/gpu_product.h"

#include <errno.h>

static struct conv_target target_of(const struct gpu *gpu)
{
    return (struct conv_target){ .handle = ((const struct cuda_gpu *)gpu)->cudnn };
}

static int list_convolutions(struct gpu *gpu, const struct conv_shape *shape, const struct plan_wish *wish, struct gpu_plan **ret, int *ret_count,
                             struct why *why)
{
    struct conv_graph graph;
    struct conv_search search = { .wish = *wish };
    int r = cuda_blame(gpu, conv_graph_init(&graph, shape, target_of(gpu), why), why);
    if (r < 0)
        return r;
    r = conv_graph_plans(&graph, &search, (struct conv_plan **)ret, why); /* a conv_plan begins with its gpu_plan */
    conv_graph_done(&graph);
    *ret_count = search.plans;
    return cuda_blame(gpu, r, why);
}

/* Behind the `count` that there are. What one library has nothing for, the other one may have something for. */
static int add_products(struct gpu *gpu, const struct conv_shape *shape, const struct plan_wish *wish, struct gpu_plan **ret, int *count,
                        struct why *why)
{
    struct plan_wish rest = { .most = wish->most - *count, .workspace = wish->workspace };
    struct why unheard;
    int more = 0, before = *count;
    if (!product_fits(shape) || rest.most <= 0)
        return before ? 0 : -ENOTSUP;
    int r = cuda_blame(gpu, product_plans(gpu, shape, &rest, ret + before, &more, &unheard), &unheard);
    *count += more;
    if (r == -ENOTRECOVERABLE || r == -ENOMEM)
        *why = unheard;
    else if (before)
        r = 0;
    return r;
}

int cuda_plan_list(struct gpu *gpu, const struct conv_shape *shape, const struct plan_wish *wish, struct gpu_plan **ret, int *ret_count,
                   struct why *why)
{
    *ret_count = 0;
    int r = cuda_enter(gpu, why);
    if (r == 0)
        r = list_convolutions(gpu, shape, wish, ret, ret_count, why);
    if (r == 0 || r == -ENOTSUP)
        r = add_products(gpu, shape, wish, ret, ret_count, why);
    while (r < 0 && *ret_count > 0)
        cuda_plan_free(gpu, ret[--*ret_count]);
    return r;
}

static int load_convolution(struct gpu *gpu, const struct conv_shape *shape, const char *text, struct gpu_plan **ret, struct why *why)
{
    struct conv_graph graph;
    struct conv_plan *plan = NULL;
    int r = conv_graph_init(&graph, shape, target_of(gpu), why);
    if (r < 0)
        return r;
    r = conv_graph_load(&graph, text, &plan, why);
    conv_graph_done(&graph);
    if (r == 0)
        *ret = &plan->plan;
    return r;
}

int cuda_plan_load(struct gpu *gpu, const struct conv_shape *shape, const char *text, struct gpu_plan **ret, struct why *why)
{
    int r = cuda_enter(gpu, why);
    if (r == 0)
        r = cuda_blame(gpu, (product_is_text(text) ? product_plan_load : load_convolution)(gpu, shape, text, ret, why), why);
    return r;
}

int cuda_plan_run(struct gpu *gpu, struct gpu_stream *stream, struct gpu_plan *plan, const struct conv_memory *memory, struct why *why)
{
    struct cuda_gpu *cuda = (struct cuda_gpu *)gpu;
    int r = cuda_enter(gpu, why);
    if (r < 0)
        return r;
    if (product_is_text(plan->text))
        return cuda_blame(gpu, product_plan_run(gpu, (cudaStream_t)(void *)stream, plan, memory, why), why);
    cudnnStatus_t status = cudnnSetStream(cuda->cudnn, (cudaStream_t)(void *)stream);
    if (status)
        return cuda_blame(gpu, cudnn_failed(status, "cudnnSetStream", why), why);
    return cuda_blame(gpu, conv_plan_run((struct conv_plan *)plan, cuda->cudnn, memory, why), why);
}

void cuda_plan_free(struct gpu *gpu, struct gpu_plan *plan)
{
    if (!plan)
        return;
    cuda_enter(gpu, NULL);
    if (product_is_text(plan->text))
        product_plan_free(plan);
    else
        conv_plan_free((struct conv_plan *)plan);
}
