/* gpu_fc.c: the fully connected layer: one product of cublasLt, in f32, the heuristic's first way. */
#include "worker/engines/gpu_product.h"

#include <errno.h>
#include <stdlib.h>

struct fc {
    struct gpu_fc fc; /* comes first */
    struct product product;
    char text[PRODUCT_TEXT];
};

void cuda_fc_free(struct gpu *gpu, struct gpu_fc *fc)
{
    if (!fc)
        return;
    cuda_enter(gpu, NULL);
    product_done(&((struct fc *)fc)->product);
    free(fc);
}

static int choose(struct fc *fc, struct gpu *gpu, const struct product_shape *shape, struct why *why)
{
    struct product_way ways[PRODUCT_WAYS];
    int r = product_init(&fc->product, shape, why);
    if (r == 0)
        r = product_search(&fc->product, ((struct cuda_gpu *)gpu)->cublaslt, GPU_FC_WORKSPACE, ways, why);
    if (r < 0)
        return r;
    fc->product.way = ways[0];
    product_text(&ways[0], fc->text);
    fc->fc.text = fc->text;
    return 0;
}

int cuda_fc_new(struct gpu *gpu, int batch, int inputs, int classes, struct gpu_fc **ret, struct why *why)
{
    struct product_shape shape = { .rows = (uint64_t)batch, .inputs = (uint64_t)inputs, .outputs = (uint64_t)classes, .format = NUMBER_F32, .splits = true };
    int r = cuda_enter(gpu, why);
    if (r < 0)
        return r;
    struct fc *fc = calloc(1, sizeof(*fc));
    if (!fc)
        return because(why, -ENOMEM, "out of memory");
    r = choose(fc, gpu, &shape, why);
    if (r < 0) {
        cuda_fc_free(gpu, &fc->fc);
        return cuda_blame(gpu, r, why);
    }
    *ret = &fc->fc;
    return 0;
}

int cuda_fc_run(struct gpu *gpu, struct gpu_stream *stream, struct gpu_fc *fc, const struct fc_memory *memory, struct why *why)
{
    struct conv_memory all = { .x = memory->features, .w = memory->weight, .b = memory->bias, .y = memory->logits, .workspace = memory->workspace };
    struct product *product = &((struct fc *)fc)->product;
    int r = cuda_enter(gpu, why);
    if (r < 0)
        return r;
    return cuda_blame(gpu, product_run(product, ((struct cuda_gpu *)gpu)->cublaslt, (cudaStream_t)(void *)stream, &all, why), why);
}
