#include "worker/engines/gpu_product.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int failed(cublasStatus_t status, const char *call, struct why *why)
{
    int r = status == CUBLAS_STATUS_ALLOC_FAILED ? -ENOMEM : status == CUBLAS_STATUS_NOT_SUPPORTED ? -ENOTSUP : -EIO;
    return because(why, r, "%s: %s", call, cublasLtGetStatusName(status));
}

/* A call whose name is wanted if it fails. */
#define CALL(function, ...) (*ret_call = #function, function(__VA_ARGS__))

static cudaDataType_t type_of(enum number_format format)
{
    return format == NUMBER_F16 ? CUDA_R_16F : format == NUMBER_BF16 ? CUDA_R_16BF : CUDA_R_32F;
}

static cublasStatus_t describe(struct product *product, const char **ret_call)
{
    const struct product_shape *s = &product->shape;
    cublasOperation_t transposed = CUBLAS_OP_T;
    cublasLtEpilogue_t epilogue = s->relu ? CUBLASLT_EPILOGUE_RELU_BIAS : CUBLASLT_EPILOGUE_BIAS;
    cudaDataType_t type = type_of(s->format);
    cublasStatus_t status;
    if ((status = CALL(cublasLtMatmulDescCreate, &product->what, CUBLAS_COMPUTE_32F, CUDA_R_32F)) ||
        (status = CALL(cublasLtMatmulDescSetAttribute, product->what, CUBLASLT_MATMUL_DESC_TRANSA, &transposed, sizeof(transposed))) ||
        (status = CALL(cublasLtMatmulDescSetAttribute, product->what, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue, sizeof(epilogue))) ||
        (status = CALL(cublasLtMatrixLayoutCreate, &product->w, type, s->inputs, s->outputs, (int64_t)s->inputs)) ||
        (status = CALL(cublasLtMatrixLayoutCreate, &product->x, type, s->inputs, s->rows, (int64_t)s->inputs)))
        return status;
    return CALL(cublasLtMatrixLayoutCreate, &product->y, type, s->outputs, s->rows, (int64_t)s->outputs);
}

int product_init(struct product *product, const struct product_shape *shape, struct why *why)
{
    const char *call;
    memset(product, 0, sizeof(*product));
    product->shape = *shape;
    cublasStatus_t status = describe(product, &call);
    return status ? failed(status, call, why) : 0;
}

void product_done(struct product *product)
{
    if (product->y)
        cublasLtMatrixLayoutDestroy(product->y);
    if (product->x)
        cublasLtMatrixLayoutDestroy(product->x);
    if (product->w)
        cublasLtMatrixLayoutDestroy(product->w);
    if (product->what)
        cublasLtMatmulDescDestroy(product->what);
    memset(product, 0, sizeof(*product));
}

/* ---- ways ---------------------------------------------------------------------------------------------------------------- */

static cublasStatus_t ask(const struct product *product, cublasLtHandle_t handle, size_t workspace, cublasLtMatmulHeuristicResult_t *results,
                          int *found, const char **ret_call)
{
    cublasLtMatmulPreference_t preference;
    uint32_t reductions = CUBLASLT_REDUCTION_SCHEME_NONE | (product->shape.splits ? CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE : 0);
    cublasStatus_t status = CALL(cublasLtMatmulPreferenceCreate, &preference);
    if (status)
        return status;
    if (!(status = CALL(cublasLtMatmulPreferenceSetAttribute, preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace, sizeof(workspace))) &&
        !(status = CALL(cublasLtMatmulPreferenceSetAttribute, preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &reductions,
                        sizeof(reductions))))
        status = CALL(cublasLtMatmulAlgoGetHeuristic, handle, product->what, product->w, product->x, product->y, product->y, preference, PRODUCT_WAYS,
                      results, found);
    cublasLtMatmulPreferenceDestroy(preference);
    return status;
}

int product_search(const struct product *product, cublasLtHandle_t handle, size_t workspace, struct product_way ret[PRODUCT_WAYS], struct why *why)
{
    cublasLtMatmulHeuristicResult_t results[PRODUCT_WAYS] = { 0 };
    int found = 0, count = 0;
    const char *call;
    cublasStatus_t status = ask(product, handle, workspace, results, &found, &call);
    if (status)
        return failed(status, call, why);
    for (int i = 0; i < found; i++)
        if (!results[i].state && results[i].workspaceSize <= workspace)
            ret[count++] = (struct product_way){ results[i].algo, results[i].workspaceSize };
    return count ? count : because(why, -ENOTSUP, "cublasLt has no algorithm");
}

void product_text(const struct product_way *way, char text[PRODUCT_TEXT])
{
    const unsigned char *bytes = (const unsigned char *)&way->algorithm;
    char *at = text + sprintf(text, PRODUCT_WORD);
    for (size_t i = 0; i < sizeof(way->algorithm); i++)
        at += sprintf(at, "%02x", bytes[i]);
}

int product_run(struct product *product, cublasLtHandle_t handle, cudaStream_t stream, const struct conv_memory *memory, struct why *why)
{
    const float one = 1, zero = 0;
    const char *call, **ret_call = &call;
    bool adds = product->shape.adds;
    cublasStatus_t status = CALL(cublasLtMatmulDescSetAttribute, product->what, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &memory->b, sizeof(memory->b));
    if (!status)
        status = CALL(cublasLtMatmul, handle, product->what, &one, memory->w, product->w, memory->x, product->x, adds ? &one : &zero,
                      adds ? memory->z : memory->y, product->y, memory->y, product->y, &product->way.algorithm, memory->workspace, product->way.workspace, stream);
    return status ? failed(status, call, why) : 0;
}
