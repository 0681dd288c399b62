/* bench_gpu.h: the gpu that the bench is built for: CUDA's, or with -DBENCH_FAKE the one of the tests, to try the scripts without a card. */
#pragma once

#ifdef BENCH_FAKE
#include "tests/fake_gpu.h"
#define BENCH_GPU fake_gpu
#else
#include "worker/engines/gpu.h"
#define BENCH_GPU gpu_cuda
#endif
