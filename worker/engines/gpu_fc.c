/* gpu_fc.c: the fully connected layer: one product of cublasLt, in f32. Its algorithm is the heuristic's first, so that it is the same in every run. */
#include "worker/engines/gpu_product.h"

#include <errno.h>
#include <stdlib.h>

struct gpu_fc {
    struct product product;
};

void cuda_fc_free(struct gpu *gpu, struct gpu_fc *fc)
{
    if (!fc)
        return;
    cuda_enter(gpu, NULL);
    product_done(&fc->product);
    free(fc);
}

int cuda_fc_new(struct gpu *gpu, int batch, int inputs, int classes, struct gpu_fc **ret, struct why *why)
{
    struct product_shape shape = { .rows = (uint64_t)batch, .inputs = (uint64_t)inputs, .outputs = (uint64_t)classes, .format = NUMBER_F32, .splits = true };
    cublasLtMatmulAlgo_t first;
    int r = cuda_enter(gpu, why);
    if (r < 0)
        return r;
    struct gpu_fc *fc = calloc(1, sizeof(*fc));
    if (!fc)
        return because(why, -ENOMEM, "out of memory");
    r = product_init(&fc->product, &shape, why);
    if (r == 0)
        r = product_search(&fc->product, ((struct cuda_gpu *)gpu)->cublaslt, GPU_FC_WORKSPACE, &first, 1, why);
    if (r < 0) {
        cuda_fc_free(gpu, fc);
        return cuda_blame(gpu, r, why);
    }
    *ret = fc;
    return 0;
}

int cuda_fc_run(struct gpu *gpu, struct gpu_stream *stream, struct gpu_fc *fc, const struct fc_memory *memory, struct why *why)
{
    struct conv_memory all = { .x = memory->features, .w = memory->weight, .b = memory->bias, .y = memory->logits, .workspace = memory->workspace };
    int r = cuda_enter(gpu, why);
    if (r < 0)
        return r;
    return cuda_blame(gpu, product_run(&fc->product, ((struct cuda_gpu *)gpu)->cublaslt, (cudaStream_t)(void *)stream, &all, why), why);
}
