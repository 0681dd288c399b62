/* fake_cuda_blas.c: cublasLt. */
#include "tests/gpu/fake_cuda_parts.h"

#include <cublasLt.h>
#include <string.h>

// NOLINTBEGIN(misc-unused-parameters,misc-misplaced-const): it stands for a library, whose functions take what they take
static cublasStatus_t blas(const char *call)
{
    cudaError_t error = fake_cuda_step(call);
    return !error ? CUBLAS_STATUS_SUCCESS : fake_cuda_settings.no_support ? CUBLAS_STATUS_NOT_SUPPORTED : CUBLAS_STATUS_EXECUTION_FAILED;
}

static cublasStatus_t blas_make(const char *call, void **ret)
{
    cublasStatus_t status = blas(call);
    if (!status)
        *ret = fake_cuda_make();
    return status;
}

const char *cublasLtGetStatusName(cublasStatus_t status)
{
    return status == CUBLAS_STATUS_NOT_SUPPORTED ? "NOT_SUPPORTED" : "EXECUTION_FAILED";
}

size_t cublasLtGetVersion(void)
{
    return 130000;
}

cublasStatus_t cublasLtCreate(cublasLtHandle_t *handle)
{
    return blas_make("cublasLtCreate", (void **)handle);
}

cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle)
{
    fake_cuda_discard(handle);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t *product, cublasComputeType_t compute, cudaDataType_t scale)
{
    (void)compute;
    (void)scale;
    return blas_make("cublasLtMatmulDescCreate", (void **)product);
}

cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t product)
{
    fake_cuda_discard(product);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t product, cublasLtMatmulDescAttributes_t name, const void *value, size_t size)
{
    (void)product;
    (void)name;
    (void)value;
    (void)size;
    return blas("cublasLtMatmulDescSetAttribute");
}

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t *layout, cudaDataType type, uint64_t rows, uint64_t columns, int64_t leading)
{
    (void)type;
    (void)rows;
    (void)columns;
    (void)leading;
    return blas_make("cublasLtMatrixLayoutCreate", (void **)layout);
}

cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout)
{
    fake_cuda_discard(layout);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t *preference)
{
    return blas_make("cublasLtMatmulPreferenceCreate", (void **)preference);
}

cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference)
{
    fake_cuda_discard(preference);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t preference, cublasLtMatmulPreferenceAttributes_t name,
                                                    const void *value, size_t size)
{
    (void)preference;
    (void)name;
    (void)value;
    (void)size;
    return blas("cublasLtMatmulPreferenceSetAttribute");
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t handle, cublasLtMatmulDesc_t product, cublasLtMatrixLayout_t a,
                                              cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                              cublasLtMatmulPreference_t preference, int wanted, cublasLtMatmulHeuristicResult_t results[],
                                              int *found)
{
    (void)handle;
    (void)product;
    (void)a;
    (void)b;
    (void)c;
    (void)d;
    (void)preference;
    memset(results, 0, (size_t)wanted * sizeof(results[0]));
    *found = wanted < 3 ? wanted : 3;
    for (int i = 0; i < *found; i++)
        results[i].algo.data[0] = (uint64_t)i;
    return blas("cublasLtMatmulAlgoGetHeuristic");
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t product, const void *alpha, const void *a, cublasLtMatrixLayout_t a_layout,
                              const void *b, cublasLtMatrixLayout_t b_layout, const void *beta, const void *c, cublasLtMatrixLayout_t c_layout,
                              void *d, cublasLtMatrixLayout_t d_layout, const cublasLtMatmulAlgo_t *algorithm, void *workspace, size_t bytes,
                              cudaStream_t stream)
{
    const void *const unused[] = { handle, product, alpha, a, a_layout, b, b_layout, beta, c, c_layout, d, d_layout, algorithm, workspace, stream };
    (void)unused;
    (void)bytes;
    return blas("cublasLtMatmul");
}
// NOLINTEND(misc-unused-parameters,misc-misplaced-const)
