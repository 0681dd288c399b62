/* gpu_fc.c: the fully connected layer with cublasLt, in f32 without TF32.
 *
 * cublasLt thinks in columns: our row-major logits (batch, classes) are its classes x batch, our weight (classes, inputs) its
 * inputs x classes, so logits = weight^T * features, and the bias runs along the columns as its epilogue wants. The algorithm is the
 * heuristic's first that needs no split sums, so that it is the same in every run. */
#include "worker/engines/gpu_cuda.h"

#include <errno.h>
#include <stdlib.h>

#define ALGORITHMS 16 /* asked for */

struct gpu_fc {
    cublasLtMatmulDesc_t product;
    cublasLtMatrixLayout_t weight, features, logits;
    cublasLtMatmulAlgo_t algorithm;
};

static int failed(cublasStatus_t status, const char *call, struct why *why)
{
    int r = status == CUBLAS_STATUS_ALLOC_FAILED ? -ENOMEM : status == CUBLAS_STATUS_NOT_SUPPORTED ? -ENOTSUP : -EIO;
    return because(why, r, "%s: %s", call, cublasLtGetStatusName(status));
}

void cuda_fc_free(struct gpu *gpu, struct gpu_fc *fc)
{
    if (!fc)
        return;
    cuda_enter(gpu, NULL);
    if (fc->logits)
        cublasLtMatrixLayoutDestroy(fc->logits);
    if (fc->features)
        cublasLtMatrixLayoutDestroy(fc->features);
    if (fc->weight)
        cublasLtMatrixLayoutDestroy(fc->weight);
    if (fc->product)
        cublasLtMatmulDescDestroy(fc->product);
    free(fc);
}

/* A call whose name is wanted if it fails. */
#define CALL(function, ...) (*ret_call = #function, function(__VA_ARGS__))

static cublasStatus_t describe(struct gpu_fc *fc, uint64_t batch, uint64_t inputs, uint64_t classes, const char **ret_call)
{
    cublasOperation_t transposed = CUBLAS_OP_T;
    cublasLtEpilogue_t epilogue = CUBLASLT_EPILOGUE_BIAS;
    cublasStatus_t status;
    if ((status = CALL(cublasLtMatmulDescCreate, &fc->product, CUBLAS_COMPUTE_32F, CUDA_R_32F)) ||
        (status = CALL(cublasLtMatmulDescSetAttribute, fc->product, CUBLASLT_MATMUL_DESC_TRANSA, &transposed, sizeof(transposed))) ||
        (status = CALL(cublasLtMatmulDescSetAttribute, fc->product, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue, sizeof(epilogue))) ||
        (status = CALL(cublasLtMatrixLayoutCreate, &fc->weight, CUDA_R_32F, inputs, classes, (int64_t)inputs)) ||
        (status = CALL(cublasLtMatrixLayoutCreate, &fc->features, CUDA_R_32F, inputs, batch, (int64_t)inputs)))
        return status;
    return CALL(cublasLtMatrixLayoutCreate, &fc->logits, CUDA_R_32F, classes, batch, (int64_t)classes);
}

static cublasStatus_t choose(struct gpu_fc *fc, cublasLtHandle_t handle, const char **ret_call)
{
    cublasLtMatmulPreference_t preference;
    cublasLtMatmulHeuristicResult_t results[ALGORITHMS];
    size_t workspace = GPU_FC_WORKSPACE;
    uint32_t reductions = CUBLASLT_REDUCTION_SCHEME_NONE;
    int found = 0;
    cublasStatus_t status = CALL(cublasLtMatmulPreferenceCreate, &preference);
    if (status)
        return status;
    if (!(status = CALL(cublasLtMatmulPreferenceSetAttribute, preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace, sizeof(workspace))) &&
        !(status = CALL(cublasLtMatmulPreferenceSetAttribute, preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &reductions,
                        sizeof(reductions))))
        status = CALL(cublasLtMatmulAlgoGetHeuristic, handle, fc->product, fc->weight, fc->features, fc->logits, fc->logits, preference, ALGORITHMS,
                      results, &found);
    cublasLtMatmulPreferenceDestroy(preference);
    if (!status && found < 1)
        return CUBLAS_STATUS_NOT_SUPPORTED;
    if (!status)
        fc->algorithm = results[0].algo;
    return status;
}

int cuda_fc_new(struct gpu *gpu, int batch, int inputs, int classes, struct gpu_fc **ret, struct why *why)
{
    int r = cuda_enter(gpu, why);
    if (r < 0)
        return r;
    struct gpu_fc *fc = calloc(1, sizeof(*fc));
    if (!fc)
        return because(why, -ENOMEM, "out of memory");
    const char *call;
    cublasStatus_t status = describe(fc, (uint64_t)batch, (uint64_t)inputs, (uint64_t)classes, &call);
    if (!status)
        status = choose(fc, ((struct cuda_gpu *)gpu)->cublaslt, &call);
    if (status) {
        cuda_fc_free(gpu, fc);
        return cuda_blame(gpu, failed(status, call, why), why);
    }
    *ret = fc;
    return 0;
}

int cuda_fc_run(struct gpu *gpu, struct gpu_stream *stream, struct gpu_fc *fc, const struct fc_memory *memory, struct why *why)
{
    const float one = 1, zero = 0;
    int r = cuda_enter(gpu, why);
    if (r < 0)
        return r;
    const char *call, **ret_call = &call;
    cublasStatus_t status = CALL(cublasLtMatmulDescSetAttribute, fc->product, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &memory->bias, sizeof(memory->bias));
    if (!status)
        status = CALL(cublasLtMatmul, ((struct cuda_gpu *)gpu)->cublaslt, fc->product, &one, memory->weight, fc->weight, memory->features, fc->features,
                                &zero, memory->logits, fc->logits, memory->logits, fc->logits, &fc->algorithm, memory->workspace,
                                GPU_FC_WORKSPACE, (cudaStream_t)(void *)stream);
    return status ? cuda_blame(gpu, failed(status, call, why), why) : 0;
}
