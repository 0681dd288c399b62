/* gpu_device.c: what CUDA's errors mean, and devices: how many, which, and opening one.
 *
 * The same error means one thing in front of a device's first use, that there is none to be had here, and another after it, that it was lost. */
#include "worker/engines/gpu_cuda.h"

#include "common/cleanup.h"

#include <errno.h>
#include <stdatomic.h>

/* The largest batch of the largest network takes some seconds on the smallest GPU. Tools that look into every access want more (tests/gpu/run). */
#ifndef PATIENCE_NS
#define PATIENCE_NS 60000000000u
#endif

/* This process had a device: what is missing now was lost, and is not absent. */
static atomic_bool was_open;

/* Errors after which no call in this process works on the device any more (CUDA Runtime API, "cudaError": those whose text says that the
 * process must be terminated). */
static bool is_lost(cudaError_t error)
{
    static const cudaError_t lost[] = {
        cudaErrorIllegalAddress, cudaErrorLaunchTimeout, cudaErrorAssert, cudaErrorHardwareStackError, cudaErrorIllegalInstruction,
        cudaErrorMisalignedAddress, cudaErrorInvalidAddressSpace, cudaErrorInvalidPc, cudaErrorLaunchFailure, cudaErrorECCUncorrectable,
        cudaErrorNvlinkUncorrectable, cudaErrorContextIsDestroyed, cudaErrorDeviceUninitialized, cudaErrorExternalDevice,
#if CUDART_VERSION >= 13000
        cudaErrorContained,
#endif
    };
    for (size_t i = 0; i < ARRAY_SIZE(lost); i++)
        if (error == lost[i])
            return true;
    return false;
}

/* Of a device that is being opened: there is none to use, and a new process would find none either. Of one in use: it fell off the bus. */
static bool is_absent(cudaError_t error)
{
    return error == cudaErrorNoDevice || error == cudaErrorInsufficientDriver || error == cudaErrorInvalidDevice ||
           error == cudaErrorCompatNotSupportedOnDevice || error == cudaErrorSystemDriverMismatch || error == cudaErrorStubLibrary ||
           error == cudaErrorInitializationError || error == cudaErrorSystemNotReady || error == cudaErrorUnknown;
}

static int say(int r, cudaError_t error, const char *call, struct why *why)
{
    cudaGetLastError();
    return because(why, r, "%s: %s (%s)", call, cudaGetErrorString(error), cudaGetErrorName(error));
}

int cuda_failed(cudaError_t error, const char *call, struct why *why)
{
    bool lost = is_lost(error) || is_absent(error) || error == cudaErrorDevicesUnavailable;
    return say(error == cudaErrorMemoryAllocation ? -ENOMEM : lost ? -ENOTRECOVERABLE : -EIO, error, call, why);
}

/* In front of a device's first use. A card that is busy or gone is no reason to start this process anew for ever. */
static int opening_failed(cudaError_t error, const char *call, struct why *why)
{
    if (atomic_load(&was_open) || is_lost(error) || error == cudaErrorMemoryAllocation)
        return cuda_failed(error, call, why);
    int r = is_absent(error) ? -ENODEV : error == cudaErrorDevicesUnavailable ? -EBUSY : -EIO;
    say(r, error, call, why);
    return r == -EBUSY ? because_in(why, r, "another process has the GPU for itself (see nvidia-smi: its compute mode, and its processes)") : r;
}

int cuda_blame(const struct gpu *gpu, int r, struct why *why)
{
    size_t unused, total;
    if (r == 0)
        return 0;
    cudaError_t error = cudaGetLastError();
    if (!is_lost(error))
        error = cudaSetDevice(gpu->info.device);
    if (!error)
        error = cudaMemGetInfo(&unused, &total); /* asks the driver, and waits for nothing */
    if (!error || cuda_failed(error, "", NULL) != -ENOTRECOVERABLE)
        return r;
    return because_in(why, -ENOTRECOVERABLE, "%s (%s)", cudaGetErrorString(error), cudaGetErrorName(error));
}

int cuda_enter(const struct gpu *gpu, struct why *why)
{
    cudaError_t error = cudaSetDevice(gpu->info.device);
    return error ? cuda_failed(error, "cudaSetDevice", why) : 0;
}

/* ---- devices ------------------------------------------------------------------------------------------------------------ */

int cuda_count(int *ret, struct why *why)
{
    cudaError_t error = cudaGetDeviceCount(ret);
    if (error == cudaErrorInsufficientDriver) /* also what CUDA says where there is no driver */
        return because(why, -ENODEV, "no usable GPU: there is no NVIDIA driver here, or one that is too old for CUDA %d.%d",
                       CUDART_VERSION / 1000, CUDART_VERSION / 10 % 100);
    if (error)
        return opening_failed(error, "no usable GPU: cudaGetDeviceCount", why);
    return *ret > 0 ? 0 : because(why, -ENODEV, "no usable GPU: the driver knows of none");
}

int cuda_look(int device, struct gpu_info *info, struct why *why)
{
    struct cudaDeviceProp properties;
    cudaError_t error = cudaGetDeviceProperties(&properties, device);
    if (error)
        return opening_failed(error, "cudaGetDeviceProperties", why);
    snprintf(info->name, sizeof(info->name), "%.*s", (int)sizeof(info->name) - 1, properties.name);
    info->device = device;
    info->major = properties.major;
    info->minor = properties.minor;
    info->processors = properties.multiProcessorCount;
    info->memory = properties.totalGlobalMem;
    info->l2 = (size_t)properties.l2CacheSize;
    size_t cudnn = cudnnGetVersion(), cublas = cublasLtGetVersion();
    snprintf(info->libraries, sizeof(info->libraries), "cuDNN %zu.%zu.%zu, cublasLt %zu.%zu.%zu", cudnn / 10000, cudnn / 100 % 100,
             cudnn % 100, cublas / 10000, cublas / 100 % 100, cublas % 100);
    return 0;
}

void cuda_close(struct gpu *gpu)
{
    struct cuda_gpu *cuda = (struct cuda_gpu *)gpu;
    if (!cuda)
        return;
    cuda_enter(gpu, NULL);
    if (cuda->cublaslt)
        cublasLtDestroy(cuda->cublaslt);
    if (cuda->cudnn)
        cudnnDestroy(cuda->cudnn);
    free(cuda);
}
DEFINE_FREEP(cuda_close, struct gpu)

static int make_context(int device, struct why *why)
{
    cudaError_t error = cudaSetDevice(device);
    if (error)
        return opening_failed(error, "cudaSetDevice", why);
    /* What waits inside the driver sleeps: the cores belong to the decoders. Refused when somebody made the context before us: no matter. */
    if (cudaSetDeviceFlags(cudaDeviceScheduleBlockingSync))
        cudaGetLastError();
    error = cudaFree(NULL); /* makes the context, and tells what is wrong with it */
    return error ? opening_failed(error, "cudaFree", why) : 0;
}

int cuda_open(int device, struct gpu **ret, struct why *why)
{
    struct cuda_gpu *cuda = calloc(1, sizeof(*cuda));
    if (!cuda)
        return because(why, -ENOMEM, "out of memory");
    CLEANUP(cuda_closep) struct gpu *gpu = &cuda->gpu;
    gpu->ops = &gpu_cuda;
    gpu->patience_ns = PATIENCE_NS;
    int r = cuda_look(device, &gpu->info, why);
    if (r < 0)
        return r;
    r = make_context(device, why);
    if (r < 0)
        return r;
    cudnnStatus_t status = cudnnCreate(&cuda->cudnn);
    if (status)
        return cuda_blame(gpu, cudnn_failed(status, "cudnnCreate", why), why);
    cublasStatus_t made = cublasLtCreate(&cuda->cublaslt);
    if (made)
        return cuda_blame(gpu, because(why, made == CUBLAS_STATUS_ALLOC_FAILED ? -ENOMEM : -EIO, "cublasLtCreate: %s", cublasLtGetStatusName(made)),
                          why);
    atomic_store(&was_open, true);
    *ret = take(gpu);
    return 0;
}
