/* fake_cuda.h: the CUDA runtime, cuDNN and cublasLt, as far as the real gpu (gpu_*.c) calls them, without a device and without arithmetic.
 *
 * Memory is the host's and is copied at once (but not much of it), plans and kernels do nothing, everything is done when it is asked for. Calls are counted, and one of
 * them may fail. An error that sticks is given by every later call of CUDA; cuDNN and cublasLt then have the status that they have for everything.
 *
 * Threads:   one lock.
 * Ownership: what is not freed is counted.
 * Errors:    none of its own. */
#pragma once

#include <cuda_runtime_api.h>

#include <stdbool.h>

struct fake_cuda {
    int fail_at;       /* the n-th call from now on fails; 0: none */
    cudaError_t error; /* so; a call of a library fails in its own words */
    bool sticks;
    int hang_at;       /* from the n-th call on nothing is ready any more; 0: none */
    const char *counted; /* a call, or NULL */
    bool no_support;   /* the library that fails says "not supported" */
};

/* From the next call on, counted from 1. */
void fake_cuda_set(const struct fake_cuda *settings);

int fake_cuda_counted(void);        /* of that call since then */
const char *fake_cuda_failed(void); /* the call that failed, NULL if none did */
int fake_cuda_left(void);          /* things not freed */
