/* fake_gpu_streams.c: streams are queues of operations; a queue is worked off up to an event when that is asked for. */
#include "tests/fake_gpu_parts.h"

#include "worker/engines/kernels_math.h"

/* ---- streams -------------------------------------------------------------------------------------------------------------- */

static void append(struct fake_list *list, const struct fake_op *op)
{
    if (list->count == list->room) {
        list->room = 2 * list->room + 16;
        list->ops = realloc(list->ops, list->room * sizeof(*list->ops));
        CHECK(list->ops);
    }
    list->ops[list->count++] = *op;
}

static void work_off(struct gpu_stream *stream, size_t upto);

/* Works off the event's stream until the record with this mark. */
static void happen(struct gpu_event *event, uint64_t mark)
{
    struct gpu_stream *stream = event->stream;
    while (stream && event->happened < mark && stream->done < stream->queue.count && !fake.hung)
        work_off(stream, stream->done + 1);
}

static void run_op(const struct fake_op *op)
{
    switch (op->kind) {
    case OP_COPY:
        memcpy(op->as.copy.to, op->as.copy.snapshot ? op->as.copy.snapshot : op->as.copy.from, op->as.copy.bytes);
        free(op->as.copy.snapshot);
        break;
    case OP_RECORD:
        op->as.event.event->happened = op->as.event.mark;
        op->as.event.event->ms = fake.clock_ms;
        break;
    case OP_HOLD:
        happen(op->as.event.event, op->as.event.mark);
        break;
    case OP_PLAN:
        CHECK(!fake_is_fresh(op->as.plan.memory.x));
        compute_conv(&op->as.plan.shape, &op->as.plan.memory, fake.settings.swallows);
        fake.clock_ms += (double)op->as.plan.ms;
        break;
    case OP_FC:
        compute_fc(&op->as.fc.memory, op->as.fc.batch, op->as.fc.inputs, op->as.fc.classes);
        break;
    case OP_NORMALISE:
        for (uint32_t image = 0; image < (uint32_t)op->as.normalise.batch; image++)
            for (uint32_t i = 0; i < (uint32_t)(op->as.normalise.rows * op->as.normalise.columns * (IMAGE_CHANNELS / 8)) + 3; i++)
                normalise_eight(op->as.normalise.format, &op->as.normalise, image, i);
        break;
    case OP_MAX_POOL:
    case OP_AVERAGE_POOL:
        compute_pool(&op->as.pool, op->kind == OP_MAX_POOL);
        break;
    case OP_FINITE:
        fake.checks++;
        compute_finite(&op->as.finite);
        break;
    case OP_TOP:
        compute_top(&op->as.top);
        break;
    }
}

static void work_off(struct gpu_stream *stream, size_t upto)
{
    while (stream->done < upto && !fake.hung) {
        struct fake_op op = stream->queue.ops[stream->done++];
        run_op(&op);
    }
    if (stream->done == stream->queue.count)
        stream->queue.count = stream->done = 0;
}

/* As CUDA does before it frees memory. */
void fake_work_off_all(void)
{
    for (struct gpu_stream *stream = fake.streams; stream; stream = stream->next)
        work_off(stream, stream->queue.count);
}

void fake_enqueue(struct gpu_stream *stream, const struct fake_op *op)
{
    append(stream->capturing ? &stream->captured : &stream->queue, op);
}

/* ---- streams, events, graphs ---------------------------------------------------------------------------------------------- */

int fake_stream_new(struct gpu *gpu, struct gpu_stream **ret, struct why *why)
{
    (void)gpu;
    int r = fake_enter("stream_new", why);
    if (r < 0)
        return r;
    *ret = fake_make(sizeof(**ret));
    (*ret)->next = fake.streams;
    fake.streams = *ret;
    return fake_leave();
}

void fake_stream_free(struct gpu *gpu, struct gpu_stream *stream)
{
    (void)gpu;
    if (stream) {
        fake_would_wait("stream_free");
        pthread_mutex_lock(&fake.lock);
        struct gpu_stream **at = &fake.streams;
        while (*at != stream)
            at = &(*at)->next;
        *at = stream->next;
        pthread_mutex_unlock(&fake.lock);
        for (size_t i = stream->done; i < stream->queue.count; i++)
            if (stream->queue.ops[i].kind == OP_COPY)
                free(stream->queue.ops[i].as.copy.snapshot);
        free(stream->queue.ops);
        free(stream->captured.ops);
    }
    fake_discard(stream);
}

/* Gives the lock back. */
static int done(bool is_done)
{
    fake_leave();
    return is_done ? 0 : -EAGAIN;
}

int fake_stream_done(struct gpu *gpu, struct gpu_stream *stream, struct why *why)
{
    (void)gpu;
    int r = fake_enter("stream_done", why);
    if (r < 0)
        return r;
    CHECK(!stream->capturing);
    work_off(stream, stream->queue.count);
    return done(!stream->queue.count);
}

int fake_copy(struct gpu *gpu, struct gpu_stream *stream, void *to, const void *from, size_t bytes, struct why *why)
{
    (void)gpu;
    int r = fake_enter("copy", why);
    if (r < 0)
        return r;
    struct fake_op op = { .kind = OP_COPY, .as.copy = { to, from, bytes, NULL } };
    CHECK(fake_allocation_of(to, bytes)); /* what is not pinned would have to be waited for */
    if (!fake_allocation_of(from, bytes)) {
        CHECK(!stream->capturing);
        op.as.copy.snapshot = malloc(bytes);
        CHECK(op.as.copy.snapshot);
        memcpy(op.as.copy.snapshot, from, bytes);
    }
    fake_enqueue(stream, &op);
    return fake_leave();
}

int fake_event_new(struct gpu *gpu, struct gpu_event **ret, struct why *why)
{
    (void)gpu;
    int r = fake_enter("event_new", why);
    if (r < 0)
        return r;
    *ret = fake_make(sizeof(**ret));
    return fake_leave();
}

void fake_event_free(struct gpu *gpu, struct gpu_event *event)
{
    (void)gpu;
    pthread_mutex_lock(&fake.lock);
    if (event)
        happen(event, event->recorded); /* a record that is still to come goes on without it */
    pthread_mutex_unlock(&fake.lock);
    fake_discard(event);
}

int fake_event_record(struct gpu *gpu, struct gpu_event *event, struct gpu_stream *stream, struct why *why)
{
    (void)gpu;
    int r = fake_enter("event_record", why);
    if (r < 0)
        return r;
    event->stream = stream;
    fake_enqueue(stream, &(struct fake_op){ .kind = OP_RECORD, .as.event = { event, ++event->recorded } });
    return fake_leave();
}

int fake_event_done(struct gpu *gpu, struct gpu_event *event, struct why *why)
{
    (void)gpu;
    int r = fake_enter("event_done", why);
    if (r < 0)
        return r;
    happen(event, event->recorded);
    return done(event->happened == event->recorded);
}

int fake_event_hold(struct gpu *gpu, struct gpu_stream *stream, struct gpu_event *event, struct why *why)
{
    (void)gpu;
    int r = fake_enter("event_hold", why);
    if (r < 0)
        return r;
    fake_enqueue(stream, &(struct fake_op){ .kind = OP_HOLD, .as.event = { event, event->recorded } });
    return fake_leave();
}

int fake_event_between(struct gpu *gpu, struct gpu_event *from, struct gpu_event *to, float *ret_ms, struct why *why)
{
    (void)gpu;
    int r = fake_enter("event_between", why);
    if (r < 0)
        return r;
    CHECK(from->happened == from->recorded && to->happened == to->recorded);
    *ret_ms = (float)(to->ms - from->ms);
    return fake_leave();
}

int fake_capture_begin(struct gpu *gpu, struct gpu_stream *stream, struct why *why)
{
    (void)gpu;
    int r = fake_enter("capture_begin", why);
    if (r < 0)
        return r;
    CHECK(!stream->capturing);
    stream->capturing = true;
    stream->captured.count = 0;
    return fake_leave();
}

/* A capture ends even if its graph cannot be had. */
int fake_capture_end(struct gpu *gpu, struct gpu_stream *stream, struct gpu_graph **ret, struct why *why)
{
    (void)gpu;
    stream->capturing = false;
    int r = fake_enter("capture_end", why);
    if (r < 0)
        return r;
    *ret = fake_make(sizeof(**ret));
    (*ret)->list = stream->captured;
    stream->captured = (struct fake_list){ 0 };
    return fake_leave();
}

/* The whole network, and not a plan that is timed. */
static bool is_network(const struct gpu_graph *graph)
{
    for (size_t i = 0; i < graph->list.count; i++)
        if (graph->list.ops[i].kind == OP_NORMALISE)
            return true;
    return false;
}

int fake_graph_launch(struct gpu *gpu, struct gpu_graph *graph, struct gpu_stream *stream, struct why *why)
{
    int r = fake_enter("graph_launch", why);
    if (r < 0)
        return r;
    bool last = fake.settings.launches && is_network(graph) && fake.launches[gpu->info.device] >= fake.settings.launches;
    fake.hung = fake.hung || (last && fake.settings.hangs);
    fake.lost = fake.lost || (last && !fake.settings.hangs);
    if (fake.lost) {
        fake_leave();
        return because(why, -ENOTRECOVERABLE, "graph_launch: the GPU fell off the bus");
    }
    for (size_t i = 0; i < graph->list.count; i++)
        append(&stream->queue, &graph->list.ops[i]);
    fake.launches[gpu->info.device] += is_network(graph);
    return fake_leave();
}

void fake_graph_free(struct gpu *gpu, struct gpu_graph *graph)
{
    (void)gpu;
    if (graph) {
        fake_would_wait("graph_free");
        free(graph->list.ops);
    }
    fake_discard(graph);
}
