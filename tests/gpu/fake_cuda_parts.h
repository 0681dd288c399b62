/* fake_cuda_parts.h: what the parts of fake_cuda share: the count of calls, and of what they make.
 *
 * fake_cuda_runtime.c is CUDA, fake_cuda_dnn.c is cuDNN, fake_cuda_blas.c is cublasLt.
 *
 * Threads:   any, but for fake_cuda_settings, which only fake_cuda_set() changes.
 * Ownership: what fake_cuda_make() gives ends with fake_cuda_discard().
 * Errors:    the settings' one. */
#pragma once

#include "tests/gpu/fake_cuda.h"

extern struct fake_cuda fake_cuda_settings;

/* A call: is it the one that fails, or after one whose error sticks? */
cudaError_t fake_cuda_step(const char *call);

/* The same for a question; cudaErrorNotReady if the device hangs. */
cudaError_t fake_cuda_ready(const char *call);

void *fake_cuda_make(void);
void fake_cuda_discard(const void *it); /* accepts NULL */
void fake_cuda_count(int things);       /* made or, below 0, freed in another way */
