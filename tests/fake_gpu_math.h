/* fake_gpu_math.h: what a GPU computes, in the plain way: convolutions and `fc` in f64, rounded once; our kernels thread by thread.
 *
 * Threads: no state. Ownership: the caller's memory. Errors: fail the test when there is no memory. */
#pragma once

#include "worker/engines/gpu.h"

/* With `swallows` the ReLU makes 0 of what is not a number, as max() does. */
void compute_conv(const struct conv_shape *shape, const struct conv_memory *memory, bool swallows);
void compute_fc(const struct fc_memory *memory, int batch, int inputs, int classes);
void compute_pool(const struct pool_args *args, bool max);
void compute_finite(const struct finite_args *args);
void compute_top(const struct top_args *args);
