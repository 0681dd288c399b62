/* gpu_cuda.c: what is done with a device of the CUDA runtime: memory, streams, events, captured graphs, and the launches of our kernels; and the
 * table of calls.
 *
 * A stream of gpu.h is a cudaStream_t, an event a cudaEvent_t, a graph a cudaGraphExec_t. cudart is linked statically: the plugin wants
 * the driver, cuDNN and cublasLt of a machine and nothing else. */
#include "worker/engines/gpu_cuda.h"

#include <errno.h>

/* Returns from the calling function if `expression`, a CUDA call, fails. */
#define TRY(call, expression)                      \
    do {                                           \
        int entered_ = cuda_enter(gpu, why);       \
        if (entered_ < 0)                          \
            return entered_;                       \
        cudaError_t error_ = (expression);         \
        if (error_)                                \
            return cuda_failed(error_, call, why); \
    } while (0)

/* ---- memory ------------------------------------------------------------------------------------------------------------- */

static int cuda_allocate(struct gpu *gpu, size_t bytes, void **ret, struct why *why)
{
    char call[64];
    snprintf(call, sizeof(call), "cudaMalloc(%zu bytes)", bytes);
    TRY(call, cudaMalloc(ret, bytes ? bytes : 1));
    return 0;
}

static void cuda_release(struct gpu *gpu, void *memory)
{
    if (!memory)
        return;
    cuda_enter(gpu, NULL); /* they know their device themselves */
    if (cudaFree(memory))
        cudaGetLastError();
}

static int cuda_pin(struct gpu *gpu, void *memory, size_t bytes, struct why *why)
{
    int r = cuda_enter(gpu, why);
    cudaError_t error = r < 0 ? cudaSuccess : cudaHostRegister(memory, bytes, cudaHostRegisterPortable);
    if (r < 0 || !error)
        return r;
    /* Small memory may share a page with some that is pinned already. Left as it is, its copies wait and are right all the same. */
    if (error == cudaErrorHostMemoryAlreadyRegistered) {
        cudaGetLastError();
        return 0;
    }
    char call[64];
    snprintf(call, sizeof(call), "cudaHostRegister(%zu bytes)", bytes);
    return cuda_failed(error, call, why);
}

static void cuda_unpin(struct gpu *gpu, void *memory)
{
    if (!memory)
        return;
    cuda_enter(gpu, NULL);
    if (cudaHostUnregister(memory))
        cudaGetLastError();
}

/* ---- streams and events -------------------------------------------------------------------------------------------------- */

static cudaStream_t stream_of(struct gpu_stream *stream)
{
    return (cudaStream_t)(void *)stream;
}

static cudaEvent_t event_of(struct gpu_event *event)
{
    return (cudaEvent_t)(void *)event;
}

static int cuda_stream_new(struct gpu *gpu, struct gpu_stream **ret, struct why *why)
{
    cudaStream_t stream;
    TRY("cudaStreamCreateWithFlags", cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    *ret = (struct gpu_stream *)(void *)stream;
    return 0;
}

static void cuda_stream_free(struct gpu *gpu, struct gpu_stream *stream)
{
    if (!stream)
        return;
    cuda_enter(gpu, NULL); /* they know their device themselves */
    if (cudaStreamDestroy(stream_of(stream)))
        cudaGetLastError();
}

/* "Not ready" is no failure. */
static int done(cudaError_t error, const char *call, struct why *why)
{
    if (error != cudaErrorNotReady)
        return error ? cuda_failed(error, call, why) : 0;
    cudaGetLastError();
    return -EAGAIN;
}

static int cuda_stream_done(struct gpu *gpu, struct gpu_stream *stream, struct why *why)
{
    int r = cuda_enter(gpu, why);
    return r < 0 ? r : done(cudaStreamQuery(stream_of(stream)), "cudaStreamQuery", why);
}

static int cuda_copy(struct gpu *gpu, struct gpu_stream *stream, void *to, const void *from, size_t bytes, struct why *why)
{
    TRY("cudaMemcpyAsync", cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, stream_of(stream)));
    return 0;
}

static int cuda_event_new(struct gpu *gpu, struct gpu_event **ret, struct why *why)
{
    cudaEvent_t event;
    TRY("cudaEventCreateWithFlags", cudaEventCreateWithFlags(&event, cudaEventBlockingSync));
    *ret = (struct gpu_event *)(void *)event;
    return 0;
}

static void cuda_event_free(struct gpu *gpu, struct gpu_event *event)
{
    if (!event)
        return;
    cuda_enter(gpu, NULL); /* they know their device themselves */
    if (cudaEventDestroy(event_of(event)))
        cudaGetLastError();
}

static int cuda_event_record(struct gpu *gpu, struct gpu_event *event, struct gpu_stream *stream, struct why *why)
{
    TRY("cudaEventRecord", cudaEventRecord(event_of(event), stream_of(stream)));
    return 0;
}

static int cuda_event_done(struct gpu *gpu, struct gpu_event *event, struct why *why)
{
    int r = cuda_enter(gpu, why);
    return r < 0 ? r : done(cudaEventQuery(event_of(event)), "cudaEventQuery", why);
}

static int cuda_event_hold(struct gpu *gpu, struct gpu_stream *stream, struct gpu_event *event, struct why *why)
{
    TRY("cudaStreamWaitEvent", cudaStreamWaitEvent(stream_of(stream), event_of(event), 0));
    return 0;
}

static int cuda_event_between(struct gpu *gpu, struct gpu_event *from, struct gpu_event *to, float *ret_ms, struct why *why)
{
    TRY("cudaEventElapsedTime", cudaEventElapsedTime(ret_ms, event_of(from), event_of(to)));
    return 0;
}

/* ---- captured graphs ----------------------------------------------------------------------------------------------------- */

static int cuda_capture_begin(struct gpu *gpu, struct gpu_stream *stream, struct why *why)
{
    TRY("cudaStreamBeginCapture", cudaStreamBeginCapture(stream_of(stream), cudaStreamCaptureModeThreadLocal));
    return 0;
}

static int cuda_capture_end(struct gpu *gpu, struct gpu_stream *stream, struct gpu_graph **ret, struct why *why)
{
    cudaGraph_t graph = NULL;
    cudaGraphExec_t ready;
    TRY("cudaStreamEndCapture", cudaStreamEndCapture(stream_of(stream), &graph));
    cudaError_t error = cudaGraphInstantiate(&ready, graph, 0);
    cudaGraphDestroy(graph);
    if (error)
        return cuda_failed(error, "cudaGraphInstantiate", why);
    error = cudaGraphUpload(ready, stream_of(stream));
    if (error) {
        cudaGraphExecDestroy(ready);
        return cuda_failed(error, "cudaGraphUpload", why);
    }
    *ret = (struct gpu_graph *)(void *)ready;
    return 0;
}

static int cuda_graph_launch(struct gpu *gpu, struct gpu_graph *graph, struct gpu_stream *stream, struct why *why)
{
    TRY("cudaGraphLaunch", cudaGraphLaunch((cudaGraphExec_t)(void *)graph, stream_of(stream)));
    return 0;
}

static void cuda_graph_free(struct gpu *gpu, struct gpu_graph *graph)
{
    if (!graph)
        return;
    cuda_enter(gpu, NULL); /* they know their device themselves */
    if (cudaGraphExecDestroy((cudaGraphExec_t)(void *)graph))
        cudaGetLastError();
}

/* ---- our kernels --------------------------------------------------------------------------------------------------------- */

static int cuda_normalise(struct gpu *gpu, struct gpu_stream *stream, const struct normalise_args *args, struct why *why)
{
    TRY("kernel normalise", (cudaError_t)kernels_normalise(args, stream));
    return 0;
}

static int cuda_max_pool(struct gpu *gpu, struct gpu_stream *stream, const struct pool_args *args, struct why *why)
{
    TRY("kernel max_pool", (cudaError_t)kernels_max_pool(args, stream));
    return 0;
}

static int cuda_average_pool(struct gpu *gpu, struct gpu_stream *stream, const struct pool_args *args, struct why *why)
{
    TRY("kernel average_pool", (cudaError_t)kernels_average_pool(args, stream));
    return 0;
}

static int cuda_finite(struct gpu *gpu, struct gpu_stream *stream, const struct finite_args *args, struct why *why)
{
    TRY("kernel finite", (cudaError_t)kernels_finite(args, stream));
    return 0;
}

static int cuda_top(struct gpu *gpu, struct gpu_stream *stream, const struct top_args *args, struct why *why)
{
    TRY("kernel top", (cudaError_t)kernels_top(args, stream));
    return 0;
}

const struct gpu_ops gpu_cuda = {
    .count = cuda_count,
    .look = cuda_look,
    .open = cuda_open,
    .close = cuda_close,
    .allocate = cuda_allocate,
    .release = cuda_release,
    .pin = cuda_pin,
    .unpin = cuda_unpin,
    .stream_new = cuda_stream_new,
    .stream_free = cuda_stream_free,
    .stream_done = cuda_stream_done,
    .copy = cuda_copy,
    .event_new = cuda_event_new,
    .event_free = cuda_event_free,
    .event_record = cuda_event_record,
    .event_done = cuda_event_done,
    .event_hold = cuda_event_hold,
    .event_between = cuda_event_between,
    .capture_begin = cuda_capture_begin,
    .capture_end = cuda_capture_end,
    .graph_launch = cuda_graph_launch,
    .graph_free = cuda_graph_free,
    .plan_list = cuda_plan_list,
    .plan_load = cuda_plan_load,
    .plan_run = cuda_plan_run,
    .plan_free = cuda_plan_free,
    .fc_new = cuda_fc_new,
    .fc_run = cuda_fc_run,
    .fc_free = cuda_fc_free,
    .normalise = cuda_normalise,
    .max_pool = cuda_max_pool,
    .average_pool = cuda_average_pool,
    .finite = cuda_finite,
    .top = cuda_top,
};
