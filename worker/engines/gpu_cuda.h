/* gpu_cuda.h: what the files of the real gpu share [CUDA runtime, cuDNN, cublasLt].
 *
 * Threads:   as in gpu.h.
 * Ownership: a struct cuda_gpu is made and freed by gpu_device.c.
 * Errors:    as in gpu.h; cuda_failed() is where CUDA's codes become ours. */
#pragma once

#include "worker/engines/gpu_chain.h"
#include "worker/engines/gpu_conv.h"

#include <cublasLt.h>
#include <cuda_runtime_api.h>

struct cuda_gpu {
    struct gpu gpu;
    cudnnHandle_t cudnn;
    cublasLtHandle_t cublaslt;
};

/* "CALL: CUDA's words", and the code for it on a device that is in use: one that is not there any more is lost. Clears an error that does not
 * stick. */
int cuda_failed(cudaError_t error, const char *call, struct why *why);

/* After a library failed with `r` and its sentence: is it the device? Then that is what is said. Libraries have one status for "not supported" and
 * for all that a lost device makes of their calls. */
int cuda_blame(const struct gpu *gpu, int r, struct why *why);

/* The calling thread's device is this one from now on. */
int cuda_enter(const struct gpu *gpu, struct why *why);

int cuda_count(int *ret, struct why *why);
int cuda_look(int device, struct gpu_info *info, struct why *why);
int cuda_open(int device, struct gpu **ret, struct why *why);
void cuda_close(struct gpu *gpu);

int cuda_plan_list(struct gpu *gpu, const struct conv_shape *shape, const struct plan_wish *wish, struct gpu_plan **ret, int *ret_count,
                   struct why *why);
int cuda_plan_load(struct gpu *gpu, const struct conv_shape *shape, const char *text, struct gpu_plan **ret, struct why *why);
int cuda_plan_run(struct gpu *gpu, struct gpu_stream *stream, struct gpu_plan *plan, const struct conv_memory *memory, struct why *why);
void cuda_plan_free(struct gpu *gpu, struct gpu_plan *plan);

int cuda_fc_new(struct gpu *gpu, int batch, int inputs, int classes, struct gpu_fc **ret, struct why *why);
int cuda_fc_run(struct gpu *gpu, struct gpu_stream *stream, struct gpu_fc *fc, const struct fc_memory *memory, struct why *why);
void cuda_fc_free(struct gpu *gpu, struct gpu_fc *fc);
