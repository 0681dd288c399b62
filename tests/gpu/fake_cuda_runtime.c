/* fake_cuda_runtime.c: the CUDA runtime, and our own kernels. */
#include "tests/gpu/fake_cuda_parts.h"

#include "worker/engines/kernels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// NOLINTBEGIN(misc-unused-parameters,misc-misplaced-const): it stands for a library, whose functions take what they take
/* Nothing computes with more, and a device is opened a thousand times. */
#define COPIED (1u << 16)

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
    return fake_cuda_step("cudaGetDeviceCount");
}

cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *properties, int device)
{
    (void)device;
    memset(properties, 0, sizeof(*properties));
    snprintf(properties->name, sizeof(properties->name), "Fake CUDA");
    properties->major = 9;
    return fake_cuda_step("cudaGetDeviceProperties");
}

cudaError_t cudaSetDevice(int device)
{
    (void)device;
    return fake_cuda_step("cudaSetDevice");
}

cudaError_t cudaSetDeviceFlags(unsigned int flags)
{
    (void)flags;
    return fake_cuda_step("cudaSetDeviceFlags");
}

cudaError_t cudaMemGetInfo(size_t *unused, size_t *total)
{
    *unused = *total = 0;
    return fake_cuda_step("cudaMemGetInfo");
}

/* Large and mostly untouched. */
cudaError_t cudaMalloc(void **memory, size_t bytes)
{
    cudaError_t error = fake_cuda_step("cudaMalloc");
    if (error)
        return error;
    fake_cuda_count(1);
    *memory = calloc(1, bytes);
    return cudaSuccess;
}

cudaError_t cudaFree(void *memory)
{
    fake_cuda_discard(memory);
    return fake_cuda_step("cudaFree");
}

cudaError_t cudaHostRegister(void *memory, size_t bytes, unsigned int flags)
{
    (void)memory;
    (void)bytes;
    (void)flags;
    cudaError_t error = fake_cuda_step("cudaHostRegister");
    fake_cuda_count(!error);
    return error;
}

cudaError_t cudaHostUnregister(void *memory)
{
    (void)memory;
    fake_cuda_count(-1);
    return fake_cuda_step("cudaHostUnregister");
}

cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind, cudaStream_t stream)
{
    (void)kind;
    (void)stream;
    cudaError_t error = fake_cuda_step("cudaMemcpyAsync");
    if (!error && bytes <= COPIED)
        memcpy(to, from, bytes);
    return error;
}

/* Makes a thing unless the call fails. */
#define MAKES(call, ret)                \
    do {                                \
        cudaError_t error_ = fake_cuda_step(call); \
        if (!error_)                    \
            *(ret) = fake_cuda_make();            \
        return error_;                  \
    } while (0)

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned int flags)
{
    (void)flags;
    MAKES("cudaStreamCreateWithFlags", stream);
}

cudaError_t cudaStreamDestroy(cudaStream_t stream)
{
    fake_cuda_discard(stream);
    return fake_cuda_step("cudaStreamDestroy");
}

cudaError_t cudaStreamQuery(cudaStream_t stream)
{
    (void)stream;
    return fake_cuda_ready("cudaStreamQuery");
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned int flags)
{
    (void)stream;
    (void)event;
    (void)flags;
    return fake_cuda_step("cudaStreamWaitEvent");
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned int flags)
{
    (void)flags;
    MAKES("cudaEventCreateWithFlags", event);
}

cudaError_t cudaEventDestroy(cudaEvent_t event)
{
    fake_cuda_discard(event);
    return fake_cuda_step("cudaEventDestroy");
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream)
{
    (void)event;
    (void)stream;
    return fake_cuda_step("cudaEventRecord");
}

cudaError_t cudaEventQuery(cudaEvent_t event)
{
    (void)event;
    return fake_cuda_ready("cudaEventQuery");
}

cudaError_t cudaEventElapsedTime(float *ms, cudaEvent_t from, cudaEvent_t to)
{
    (void)from;
    (void)to;
    *ms = 1;
    return fake_cuda_step("cudaEventElapsedTime");
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, enum cudaStreamCaptureMode mode)
{
    (void)stream;
    (void)mode;
    return fake_cuda_step("cudaStreamBeginCapture");
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
    fake_cuda_discard(graph);
    return fake_cuda_step("cudaGraphDestroy");
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t graph)
{
    fake_cuda_discard(graph);
    return fake_cuda_step("cudaGraphExecDestroy");
}

cudaError_t cudaGraphUpload(cudaGraphExec_t graph, cudaStream_t stream)
{
    (void)graph;
    (void)stream;
    return fake_cuda_step("cudaGraphUpload");
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t graph, cudaStream_t stream)
{
    (void)graph;
    (void)stream;
    return fake_cuda_step("cudaGraphLaunch");
}

#define KERNEL(name)                                                       \
    int kernels_##name(const struct KERNEL_ARGS_##name *args, void *stream) \
    {                                                                      \
        (void)args;                                                        \
        (void)stream;                                                      \
        return (int)fake_cuda_step("kernel " #name);                                 \
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
// NOLINTEND(misc-unused-parameters,misc-misplaced-const)
