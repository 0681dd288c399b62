#include "tests/gpu/fake_cuda.h"

#include "worker/engines/kernels.h"

#include <cublasLt.h>
#include <cudnn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// NOLINTBEGIN(misc-unused-parameters,misc-misplaced-const): it stands for libraries, whose functions take what they take
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct fake_cuda settings;
static int calls, counted, left;
static const char *failed;
static cudaError_t stuck;
static _Thread_local cudaError_t last; /* of this thread's calls, as with the real one */

void fake_cuda_set(const struct fake_cuda *wanted)
{
    settings = *wanted;
    calls = counted = 0;
    failed = NULL;
    last = stuck = cudaSuccess;
}

int fake_cuda_counted(void)
{
    return counted;
}

const char *fake_cuda_failed(void)
{
    return failed;
}

int fake_cuda_left(void)
{
    return left;
}

/* A call: is it the one that fails, or after one whose error sticks? */
static cudaError_t step(const char *call)
{
    pthread_mutex_lock(&lock);
    cudaError_t error = stuck;
    counted += settings.counted && !strcmp(settings.counted, call);
    if (++calls == settings.fail_at) {
        failed = call;
        error = settings.error;
        stuck = settings.sticks ? error : cudaSuccess;
    }
    last = error ? error : last;
    pthread_mutex_unlock(&lock);
    return error;
}

static void *make(void)
{
    __atomic_fetch_add(&left, 1, __ATOMIC_SEQ_CST);
    return calloc(1, 64);
}

static void discard(const void *it)
{
    if (it)
        __atomic_fetch_sub(&left, 1, __ATOMIC_SEQ_CST);
    free((void *)it);
}

/* ---- CUDA ------------------------------------------------------------------------------------------------------------------ */

cudaError_t cudaGetLastError(void)
{
    cudaError_t error = last;
    pthread_mutex_lock(&lock);
    last = stuck;
    pthread_mutex_unlock(&lock);
    return error;
}

cudaError_t cudaPeekAtLastError(void)
{
    return last;
}

const char *cudaGetErrorName(cudaError_t error)
{
    static _Thread_local char name[32];
    snprintf(name, sizeof(name), "error %d", (int)error);
    return name;
}

const char *cudaGetErrorString(cudaError_t error)
{
    (void)error;
    return "made to fail";
}

cudaError_t cudaGetDeviceCount(int *count)
{
    *count = 1;
    return step("cudaGetDeviceCount");
}

cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *properties, int device)
{
    (void)device;
    memset(properties, 0, sizeof(*properties));
    snprintf(properties->name, sizeof(properties->name), "Fake CUDA");
    properties->major = 9;
    return step("cudaGetDeviceProperties");
}

cudaError_t cudaSetDevice(int device)
{
    (void)device;
    return step("cudaSetDevice");
}

cudaError_t cudaSetDeviceFlags(unsigned int flags)
{
    (void)flags;
    return step("cudaSetDeviceFlags");
}

cudaError_t cudaMemGetInfo(size_t *unused, size_t *total)
{
    *unused = *total = 0;
    return step("cudaMemGetInfo");
}

/* Large and mostly untouched. */
cudaError_t cudaMalloc(void **memory, size_t bytes)
{
    cudaError_t error = step("cudaMalloc");
    if (error)
        return error;
    __atomic_fetch_add(&left, 1, __ATOMIC_SEQ_CST);
    *memory = calloc(1, bytes);
    return cudaSuccess;
}

cudaError_t cudaFree(void *memory)
{
    discard(memory);
    return step("cudaFree");
}

cudaError_t cudaHostRegister(void *memory, size_t bytes, unsigned int flags)
{
    (void)memory;
    (void)bytes;
    (void)flags;
    cudaError_t error = step("cudaHostRegister");
    __atomic_fetch_add(&left, !error, __ATOMIC_SEQ_CST);
    return error;
}

cudaError_t cudaHostUnregister(void *memory)
{
    (void)memory;
    __atomic_fetch_sub(&left, 1, __ATOMIC_SEQ_CST);
    return step("cudaHostUnregister");
}

cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind, cudaStream_t stream)
{
    (void)kind;
    (void)stream;
    cudaError_t error = step("cudaMemcpyAsync");
    if (!error)
        memcpy(to, from, bytes);
    return error;
}

/* Makes a thing unless the call fails. */
#define MAKES(call, ret)                \
    do {                                \
        cudaError_t error_ = step(call); \
        if (!error_)                    \
            *(ret) = make();            \
        return error_;                  \
    } while (0)

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned int flags)
{
    (void)flags;
    MAKES("cudaStreamCreateWithFlags", stream);
}

cudaError_t cudaStreamDestroy(cudaStream_t stream)
{
    discard(stream);
    return step("cudaStreamDestroy");
}

static cudaError_t ready(const char *call)
{
    cudaError_t error = step(call);
    pthread_mutex_lock(&lock);
    bool hangs = settings.hang_at && calls >= settings.hang_at;
    pthread_mutex_unlock(&lock);
    return error ? error : hangs ? cudaErrorNotReady : cudaSuccess;
}

cudaError_t cudaStreamQuery(cudaStream_t stream)
{
    (void)stream;
    return ready("cudaStreamQuery");
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned int flags)
{
    (void)stream;
    (void)event;
    (void)flags;
    return step("cudaStreamWaitEvent");
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned int flags)
{
    (void)flags;
    MAKES("cudaEventCreateWithFlags", event);
}

cudaError_t cudaEventDestroy(cudaEvent_t event)
{
    discard(event);
    return step("cudaEventDestroy");
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream)
{
    (void)event;
    (void)stream;
    return step("cudaEventRecord");
}

cudaError_t cudaEventQuery(cudaEvent_t event)
{
    (void)event;
    return ready("cudaEventQuery");
}

cudaError_t cudaEventElapsedTime(float *ms, cudaEvent_t from, cudaEvent_t to)
{
    (void)from;
    (void)to;
    *ms = 1;
    return step("cudaEventElapsedTime");
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, enum cudaStreamCaptureMode mode)
{
    (void)stream;
    (void)mode;
    return step("cudaStreamBeginCapture");
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *graph)
{
    (void)stream;
    MAKES("cudaStreamEndCapture", graph);
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t *ready_graph, cudaGraph_t graph, unsigned long long flags)
{
    (void)graph;
    (void)flags;
    MAKES("cudaGraphInstantiate", ready_graph);
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph)
{
    discard(graph);
    return step("cudaGraphDestroy");
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t graph)
{
    discard(graph);
    return step("cudaGraphExecDestroy");
}

cudaError_t cudaGraphUpload(cudaGraphExec_t graph, cudaStream_t stream)
{
    (void)graph;
    (void)stream;
    return step("cudaGraphUpload");
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t graph, cudaStream_t stream)
{
    (void)graph;
    (void)stream;
    return step("cudaGraphLaunch");
}

#define KERNEL(name)                                                       \
    int kernels_##name(const struct KERNEL_ARGS_##name *args, void *stream) \
    {                                                                      \
        (void)args;                                                        \
        (void)stream;                                                      \
        return (int)step("kernel " #name);                                 \
    }
#define KERNEL_ARGS_normalise    normalise_args
#define KERNEL_ARGS_max_pool     pool_args
#define KERNEL_ARGS_average_pool pool_args
#define KERNEL_ARGS_finite       finite_args
#define KERNEL_ARGS_top          top_args
KERNEL(normalise)
KERNEL(max_pool)
KERNEL(average_pool)
KERNEL(finite)
KERNEL(top)

/* ---- cuDNN ------------------------------------------------------------------------------------------------------------------ */

/* What a library says, of its own failure and of a device that it cannot reach. */
static cudnnStatus_t dnn(const char *call)
{
    cudaError_t error = step(call);
    return !error ? CUDNN_STATUS_SUCCESS : settings.no_support ? CUDNN_STATUS_NOT_SUPPORTED : CUDNN_STATUS_EXECUTION_FAILED;
}

size_t cudnnGetVersion(void)
{
    return 91900;
}

const char *cudnnGetErrorString(cudnnStatus_t status)
{
    return status == CUDNN_STATUS_NOT_SUPPORTED ? "NOT_SUPPORTED" : "EXECUTION_FAILED";
}

void cudnnGetLastErrorString(char *text, size_t size)
{
    snprintf(text, size, "made to fail");
}

cudnnStatus_t cudnnCreate(cudnnHandle_t *handle)
{
    cudnnStatus_t status = dnn("cudnnCreate");
    if (!status)
        *handle = make();
    return status;
}

cudnnStatus_t cudnnDestroy(cudnnHandle_t handle)
{
    discard(handle);
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnSetStream(cudnnHandle_t handle, cudaStream_t stream)
{
    (void)handle;
    (void)stream;
    return dnn("cudnnSetStream");
}

cudnnStatus_t cudnnBackendCreateDescriptor(cudnnBackendDescriptorType_t type, cudnnBackendDescriptor_t *descriptor)
{
    (void)type;
    cudnnStatus_t status = dnn("cudnnBackendCreateDescriptor");
    if (!status)
        *descriptor = make();
    return status;
}

cudnnStatus_t cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t descriptor)
{
    discard(descriptor);
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendSetAttribute(cudnnBackendDescriptor_t descriptor, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                                       int64_t count, const void *values)
{
    (void)descriptor;
    (void)name;
    (void)type;
    (void)count;
    (void)values;
    return dnn("cudnnBackendSetAttribute");
}

/* Two configurations, of engines without notes and knobs. */
cudnnStatus_t cudnnBackendGetAttribute(cudnnBackendDescriptor_t const descriptor, cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, int64_t wanted, int64_t *count, void *values)
{
    static int64_t index;
    (void)descriptor;
    (void)type;
    (void)wanted;
    *count = name == CUDNN_ATTR_ENGINEHEUR_RESULTS ? 2 : name == CUDNN_ATTR_ENGINECFG_ENGINE ? 1 : 0;
    if (name == CUDNN_ATTR_ENGINE_GLOBAL_INDEX || name == CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE)
        *(int64_t *)values = index++ % 7;
    return dnn("cudnnBackendGetAttribute");
}

cudnnStatus_t cudnnBackendFinalize(cudnnBackendDescriptor_t descriptor)
{
    (void)descriptor;
    return dnn("cudnnBackendFinalize");
}

cudnnStatus_t cudnnBackendExecute(cudnnHandle_t handle, cudnnBackendDescriptor_t plan, cudnnBackendDescriptor_t pack)
{
    (void)handle;
    (void)plan;
    (void)pack;
    return dnn("cudnnBackendExecute");
}

/* ---- cublasLt --------------------------------------------------------------------------------------------------------------- */

static cublasStatus_t blas(const char *call)
{
    cudaError_t error = step(call);
    return !error ? CUBLAS_STATUS_SUCCESS : settings.no_support ? CUBLAS_STATUS_NOT_SUPPORTED : CUBLAS_STATUS_EXECUTION_FAILED;
}

static cublasStatus_t blas_make(const char *call, void **ret)
{
    cublasStatus_t status = blas(call);
    if (!status)
        *ret = make();
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
    discard(handle);
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
    discard(product);
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
    discard(layout);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t *preference)
{
    return blas_make("cublasLtMatmulPreferenceCreate", (void **)preference);
}

cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference)
{
    discard(preference);
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
