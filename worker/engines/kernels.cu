/* kernels.cu: which thread computes what; the arithmetic is in kernels_math.h.
 *
 * Every kernel is bound by memory, so threads read and write 16 bytes at a time, next to their neighbours'. */
#include "worker/engines/kernels_math.h"

#include <cuda_runtime.h>

#define THREADS 256

__device__ static size_t thread_index()
{
    return (size_t)blockIdx.x * THREADS + threadIdx.x;
}

template <number_format FORMAT>
__global__ static void __launch_bounds__(THREADS) normalise(normalise_args args)
{
    normalise_four(FORMAT, &args, thread_index());
}

template <number_format FORMAT>
__global__ static void __launch_bounds__(THREADS) max_pool(pool_args args)
{
    max_pool_eight(FORMAT, &args, thread_index());
}

template <number_format FORMAT>
__global__ static void __launch_bounds__(THREADS) average_pool(pool_args args)
{
    average_pool_eight(FORMAT, &args, thread_index());
}

template <number_format FORMAT>
__global__ static void __launch_bounds__(THREADS) finite(finite_args args)
{
    finite_eight(FORMAT, &args, thread_index());
}

/* ---- softmax and top-k: a block a row ----------------------------------------------------------------------------------- */

/* Every thread returns the result; all must call. */
__device__ static best reduce_best(best mine, best *shared)
{
    shared[threadIdx.x] = mine;
    for (int half = TOP_THREADS / 2; half; half /= 2) {
        __syncthreads();
        if (threadIdx.x < half)
            shared[threadIdx.x] = best_of(shared[threadIdx.x], shared[threadIdx.x + half]);
    }
    __syncthreads();
    best all = shared[0];
    __syncthreads();
    return all;
}

__device__ static float reduce_sum(float mine, float *shared)
{
    shared[threadIdx.x] = mine;
    for (int half = TOP_THREADS / 2; half; half /= 2) {
        __syncthreads();
        if (threadIdx.x < half)
            shared[threadIdx.x] += shared[threadIdx.x + half];
    }
    __syncthreads();
    float all = shared[0];
    __syncthreads();
    return all;
}

__global__ static void __launch_bounds__(TOP_THREADS) top(top_args args)
{
    __shared__ best bests[TOP_THREADS];
    __shared__ float sums[TOP_THREADS];
    const float *row = args.logits + (size_t)blockIdx.x * args.classes;
    best it = reduce_best(best_after(row, args.classes, threadIdx.x, best_first()), bests);
    float max = it.value, sum = reduce_sum(softmax_share(row, args.classes, threadIdx.x, max), sums);
    for (int k = 0; k < args.top; k++) {
        if (threadIdx.x == 0)
            args.predictions[(size_t)blockIdx.x * args.top + k] = prediction_of(it, max, sum);
        it = reduce_best(best_after(row, args.classes, threadIdx.x, it), bests);
    }
}

/* ---- launches ----------------------------------------------------------------------------------------------------------- */

static unsigned int blocks(size_t threads)
{
    return (unsigned int)((threads + THREADS - 1) / THREADS);
}

#define LAUNCH(kernel, format, threads, args, stream)                                                         \
    do {                                                                                                      \
        if ((format) == NUMBER_F16)                                                                           \
            kernel<NUMBER_F16><<<blocks(threads), THREADS, 0, (cudaStream_t)(stream)>>>(*(args));             \
        else if ((format) == NUMBER_BF16)                                                                     \
            kernel<NUMBER_BF16><<<blocks(threads), THREADS, 0, (cudaStream_t)(stream)>>>(*(args));            \
        else if ((format) == NUMBER_S8)                                                                       \
            kernel<NUMBER_S8><<<blocks(threads), THREADS, 0, (cudaStream_t)(stream)>>>(*(args));              \
        else                                                                                                  \
            kernel<NUMBER_F32><<<blocks(threads), THREADS, 0, (cudaStream_t)(stream)>>>(*(args));             \
    } while (0)

extern "C" int kernels_normalise(const normalise_args *args, void *stream)
{
    LAUNCH(normalise, args->format, (args->count + NORMALISE_STEP - 1) / NORMALISE_STEP, args, stream);
    return (int)cudaGetLastError();
}

extern "C" int kernels_max_pool(const pool_args *args, void *stream)
{
    size_t eights = (size_t)args->batch * args->out_height * args->out_width * (args->channels / CHANNELS_STEP);
    LAUNCH(max_pool, args->format, eights, args, stream);
    return (int)cudaGetLastError();
}

extern "C" int kernels_average_pool(const pool_args *args, void *stream)
{
    LAUNCH(average_pool, args->format, (size_t)args->batch * (args->channels / CHANNELS_STEP), args, stream);
    return (int)cudaGetLastError();
}

extern "C" int kernels_finite(const finite_args *args, void *stream)
{
    LAUNCH(finite, args->format, (size_t)args->batch * (args->numbers / CHANNELS_STEP), args, stream);
    return (int)cudaGetLastError();
}

extern "C" int kernels_top(const top_args *args, void *stream)
{
    top<<<(unsigned int)args->batch, TOP_THREADS, 0, (cudaStream_t)stream>>>(*args);
    return (int)cudaGetLastError();
}
