#include "worker/engines/cudnn_device.h"

#include "common/cleanup.h"
#include "worker/engines/cudnn_wait.h"
#include "worker/engines/rows.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

static_assert(sizeof(struct prediction) == sizeof(struct top_prediction), "what the GPU writes is what the pipeline reads");

/* ---- a slot's way through ------------------------------------------------------------------------------------------------- */

/* The lock is held, so that no other lane's work comes in between. */
static int enqueue(struct lane *lane, struct engine_slot *slot, struct why *why)
{
    struct device *device = lane->device;
    struct gpu *gpu = device->gpu;
    const struct gpu_ops *ops = gpu->ops;
    struct gpu_stream *stream = device->stream;
    size_t rows = (size_t)slot->count;
    int r;
    if ((r = ops->event_hold(gpu, stream, lane->copied, why)) < 0 || (r = ops->event_record(gpu, lane->begun, stream, why)) < 0 ||
        (r = ops->graph_launch(gpu, lane->graph, stream, why)) < 0)
        return r;
    if (slot->predictions)
        r = ops->copy(gpu, stream, slot->predictions, device->net.predictions, rows * (size_t)device->top * sizeof(*slot->predictions), why);
    if (r == 0 && slot->values)
        r = ops->copy(gpu, stream, slot->values, device->net.values, rows * device->values * sizeof(*slot->values), why);
    return r < 0 ? r : ops->event_record(gpu, lane->done, stream, why);
}

static int check_rows(const struct device *device, const struct engine_slot *slot, struct why *why)
{
    int r = slot->values ? rows_check(slot->values, (size_t)slot->count * device->values) : 0;
    for (int i = 0; slot->predictions && i < slot->count && r == 0; i++)
        r = slot->predictions[(size_t)i * (size_t)device->top].index == TOP_BROKEN ? -ERANGE : 0;
    if (r == 0)
        return 0;
    const char *way_out = device->net.format == NUMBER_F16 ? ", or too large for f16: try --precision bf16 or f32" : "";
    return because(why, r, "the network produced values that are not finite; its weights are damaged%s", way_out);
}

/* Pixels beyond the count are those of an earlier slot: their rows are computed and not looked at. */
static int run(struct lane *lane, struct engine_slot *slot, struct why *why)
{
    struct device *device = lane->device;
    struct gpu *gpu = device->gpu;
    float ms = 0;
    int r;
    if ((r = gpu->ops->copy(gpu, lane->stream, lane->pixels, slot->pixels, (size_t)slot->count * device->image_bytes, why)) < 0 ||
        (r = gpu->ops->event_record(gpu, lane->copied, lane->stream, why)) < 0)
        return r;
    pthread_mutex_lock(&device->lock);
    r = enqueue(lane, slot, why);
    pthread_mutex_unlock(&device->lock);
    if (r < 0 || (r = wait_event(gpu, lane->done, why)) < 0 ||
        (r = gpu->ops->event_between(gpu, lane->begun, lane->done, &ms, why)) < 0)
        return r;
    slot->busy_ns = (uint64_t)((double)ms * 1e6);
    return check_rows(device, slot, why);
}

static int explain(const struct device *device, int r, struct why *why)
{
    if (r == -ENOTRECOVERABLE)
        because_in(why, r, "the GPU is lost, and comes back, if at all, for a new process only");
    return because_in(why, r, "engine cudnn: device %d, %s", device->gpu->info.device, device->gpu->info.name);
}

static void *lane_main(void *argument)
{
    struct lane *lane = argument;
    struct slot *slot;
    while ((slot = slots_take(lane->device->slots))) {
        struct why why = { "" };
        int r = run(lane, &slot->slot, &why);
        if (r < 0)
            explain(lane->device, r, &why);
        slots_finish(lane->device->slots, slot, r, &why);
    }
    return NULL;
}

/* ---- open and close ------------------------------------------------------------------------------------------------------- */

/* Pixels that nobody has written yet would be noise of another process. */
static int blank(struct lane *lane, size_t bytes, struct why *why)
{
    struct gpu *gpu = lane->device->gpu;
    CLEANUP(freep) void *zeros = calloc(1, bytes);
    if (!zeros)
        return because(why, -ENOMEM, "out of memory");
    int r = gpu->ops->copy(gpu, lane->stream, lane->pixels, zeros, bytes, why);
    return r < 0 ? r : wait_stream(gpu, lane->stream, why);
}

static int capture(struct lane *lane, struct why *why)
{
    struct device *device = lane->device;
    struct gpu *gpu = device->gpu;
    int r = gpu->ops->capture_begin(gpu, device->stream, why);
    if (r < 0)
        return r;
    r = net_run(&device->net, lane->pixels, why);
    int ended = gpu->ops->capture_end(gpu, device->stream, &lane->graph, r < 0 ? NULL : why);
    return r < 0 ? r : ended;
}

static int prepare_lane(struct lane *lane, struct why *why)
{
    struct gpu *gpu = lane->device->gpu;
    const struct net *net = &lane->device->net;
    size_t bytes = (size_t)net->batch * (size_t)net->height * (size_t)net->width * 3;
    int r;
    if ((r = gpu->ops->stream_new(gpu, &lane->stream, why)) < 0 || (r = gpu->ops->event_new(gpu, &lane->copied, why)) < 0 ||
        (r = gpu->ops->event_new(gpu, &lane->begun, why)) < 0 || (r = gpu->ops->event_new(gpu, &lane->done, why)) < 0 ||
        (r = gpu->ops->allocate(gpu, bytes, &lane->pixels, why)) < 0)
        return r;
    return blank(lane, bytes, why);
}

/* The network runs once outside a graph: what libraries load on first use, they cannot load while they are recorded. */
static int warm_up(struct device *device, struct why *why)
{
    int r = net_run(&device->net, device->lanes[0].pixels, why);
    return r < 0 ? r : wait_stream(device->gpu, device->stream, why);
}

int device_open(struct device *device, const struct gpu_ops *ops, int number, const struct engine_spec *spec,
                const struct net_options *options, struct why *why)
{
    memset(device, 0, sizeof(*device));
    int r = ops->open(number, &device->gpu, why);
    if (r < 0)
        return because_in(why, r, "engine cudnn: device %d", number);
    pthread_mutex_init(&device->lock, NULL);
    r = ops->stream_new(device->gpu, &device->stream, why);
    struct net_options complete = *options;
    complete.stream = device->stream;
    if (r == 0)
        r = net_init(&device->net, device->gpu, spec, &complete, why);
    for (int i = 0; i < LANES && r == 0; i++) {
        device->lanes[i].device = device;
        r = prepare_lane(&device->lanes[i], why);
    }
    if (r == 0)
        r = warm_up(device, why);
    for (int i = 0; i < LANES && r == 0; i++)
        r = capture(&device->lanes[i], why);
    return r < 0 ? explain(device, r, why) : 0;
}

int device_start(struct device *device, struct slots *slots, const struct engine_info *info, struct why *why)
{
    device->slots = slots;
    device->image_bytes = info->image_bytes;
    device->values = info->values;
    device->top = info->top;
    for (int i = 0; i < LANES; i++) {
        struct lane *lane = &device->lanes[i];
        int r = pthread_create(&lane->thread, NULL, lane_main, lane);
        if (r)
            return because(why, -r, "engine cudnn: cannot start a thread: %s", strerror(r));
        pthread_setname_np(lane->thread, "cudnn");
        lane->started = true;
    }
    return 0;
}

static void close_lane(struct lane *lane)
{
    if (!lane->device)
        return;
    struct gpu *gpu = lane->device->gpu;
    gpu->ops->graph_free(gpu, lane->graph);
    gpu->ops->release(gpu, lane->pixels);
    gpu->ops->event_free(gpu, lane->copied);
    gpu->ops->event_free(gpu, lane->begun);
    gpu->ops->event_free(gpu, lane->done);
    gpu->ops->stream_free(gpu, lane->stream);
}

void device_stop(struct device *device)
{
    for (int i = 0; i < LANES; i++) {
        if (device->lanes[i].started)
            pthread_join(device->lanes[i].thread, NULL);
        device->lanes[i].started = false;
    }
    /* What a failure left under way still reads and writes slots. */
    for (int i = 0; i < LANES; i++)
        if (device->lanes[i].stream)
            wait_stream(device->gpu, device->lanes[i].stream, NULL);
    if (device->stream)
        wait_stream(device->gpu, device->stream, NULL);
}

bool device_hangs(const struct device *device)
{
    return device->gpu && atomic_load(&device->gpu->hung);
}

void device_close(struct device *device)
{
    struct gpu *gpu = device->gpu;
    if (!gpu)
        return;
    for (int i = 0; i < LANES; i++)
        close_lane(&device->lanes[i]);
    net_done(&device->net);
    gpu->ops->stream_free(gpu, device->stream);
    gpu->ops->close(gpu);
    pthread_mutex_destroy(&device->lock);
    memset(device, 0, sizeof(*device));
}
