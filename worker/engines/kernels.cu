/* kernels.cu: which thread computes what; the arithmetic is in kernels_math.h.
 *
 * Every kernel is bound by memory, so threads write 16 bytes at a time, next to their neighbours', and read so where their data allow it. */
#include "worker/engines/kernels_math.h"

#include <cuda_runtime.h>

#define THREADS 256

__device__ static size_t thread_index()
{
    return (size_t)blockIdx.x * THREADS + threadIdx.x;
}

/* Where each image has blocks of its own. */
__device__ static uint32_t thread_of_image()
{
    return blockIdx.x * THREADS + threadIdx.x;
}

template <number_format FORMAT>
__global__ static void __launch_bounds__(THREADS) normalise(normalise_args args)
{
    normalise_eight(FORMAT, &args, blockIdx.y, thread_of_image());
}

template <number_format FORMAT>
__global__ static void __launch_bounds__(THREADS) max_pool(pool_args args)
{
    max_pool_eight(FORMAT, &args, blockIdx.y, thread_of_image());
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

static dim3 blocks(size_t threads, int images = 1)
{
    return dim3((unsigned int)((threads + THREADS - 1) / THREADS), (unsigned int)images);
}

#define LAUNCH(kernel, format, grid, args, stream)                                      \
    do {                                                                                \
        if ((format) == NUMBER_F16)                                                     \
            kernel<NUMBER_F16><<<grid, THREADS, 0, (cudaStream_t)(stream)>>>(*(args));  \
        else if ((format) == NUMBER_BF16)                                               \
            kernel<NUMBER_BF16><<<grid, THREADS, 0, (cudaStream_t)(stream)>>>(*(args)); \
        else if ((format) == NUMBER_S8)                                                 \
            kernel<NUMBER_S8><<<grid, THREADS, 0, (cudaStream_t)(stream)>>>(*(args));   \
        else                                                                            \
            kernel<NUMBER_F32><<<grid, THREADS, 0, (cudaStream_t)(stream)>>>(*(args));  \
    } while (0)

extern "C" int kernels_normalise(const normalise_args *args, void *stream)
{
    LAUNCH(normalise, args->format, blocks((size_t)args->rows * args->columns * (IMAGE_CHANNELS / 8), args->batch), args, stream);
    return (int)cudaGetLastError();
}

extern "C" int kernels_max_pool(const pool_args *args, void *stream)
{
    size_t eights = (size_t)args->out_height * args->out_width * (args->channels / CHANNELS_STEP);
    LAUNCH(max_pool, args->format, blocks(eights, args->batch), args, stream);
    return (int)cudaGetLastError();
}

extern "C" int kernels_average_pool(const pool_args *args, void *stream)
{
    LAUNCH(average_pool, args->format, blocks((size_t)args->batch * (args->channels / CHANNELS_STEP)), args, stream);
    return (int)cudaGetLastError();
}

extern "C" int kernels_finite(const finite_args *args, void *stream)
{
    LAUNCH(finite, args->format, blocks((size_t)args->batch * (args->numbers / CHANNELS_STEP)), args, stream);
    return (int)cudaGetLastError();
}

extern "C" int kernels_top(const top_args *args, void *stream)
{
    top<<<(unsigned int)args->batch, TOP_THREADS, 0, (cudaStream_t)stream>>>(*args);
    return (int)cudaGetLastError();
}
