/* gpu_plan.c: the plans of gpu.h as plans of cuDNN on a handle. */
#include "worker/engines/gpu_cuda.h"

#include <errno.h>

static struct conv_target target_of(const struct gpu *gpu)
{
    return (struct conv_target){ .handle = ((const struct cuda_gpu *)gpu)->cudnn };
}

int cuda_plan_list(struct gpu *gpu, const struct conv_shape *shape, size_t workspace, struct gpu_plan **ret, int most, int *ret_count,
                   struct why *why)
{
    struct conv_graph graph;
    struct conv_search search = { .most = most, .workspace = workspace };
    int r = cuda_enter(gpu, why);
    if (r == 0)
        r = cuda_blame(gpu, conv_graph_init(&graph, shape, target_of(gpu), why), why);
    if (r < 0)
        return r;
    r = conv_graph_plans(&graph, &search, (struct conv_plan **)ret, why); /* a conv_plan begins with its gpu_plan */
    conv_graph_done(&graph);
    *ret_count = search.plans;
    return cuda_blame(gpu, r, why);
}

int cuda_plan_load(struct gpu *gpu, const struct conv_shape *shape, const char *text, struct gpu_plan **ret, struct why *why)
{
    struct conv_graph graph;
    struct conv_plan *plan = NULL;
    int r = cuda_enter(gpu, why);
    if (r == 0)
        r = cuda_blame(gpu, conv_graph_init(&graph, shape, target_of(gpu), why), why);
    if (r < 0)
        return r;
    r = conv_graph_load(&graph, text, &plan, why);
    conv_graph_done(&graph);
    if (r == 0)
        *ret = &plan->plan;
    return cuda_blame(gpu, r, why);
}

int cuda_plan_run(struct gpu *gpu, struct gpu_stream *stream, struct gpu_plan *plan, const struct conv_memory *memory, struct why *why)
{
    struct cuda_gpu *cuda = (struct cuda_gpu *)gpu;
    int r = cuda_enter(gpu, why);
    if (r < 0)
        return r;
    cudnnStatus_t status = cudnnSetStream(cuda->cudnn, (cudaStream_t)(void *)stream);
    if (status)
        return cuda_blame(gpu, cudnn_failed(status, "cudnnSetStream", why), why);
    return cuda_blame(gpu, conv_plan_run((struct conv_plan *)plan, cuda->cudnn, memory, why), why);
}

void cuda_plan_free(struct gpu *gpu, struct gpu_plan *plan)
{
    cuda_enter(gpu, NULL);
    conv_plan_free((struct conv_plan *)plan);
}
