/* fake_gpu.c: streams are queues of operations; a queue is worked off up to an event when that is waited for. */
#include "tests/fake_gpu.h"

#include "tests/fake_gpu_math.h"
#include "tests/test.h"
#include "worker/engines/kernels_math.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define PLANS 5 /* of any shape; the last one cannot run */

enum kind { OP_COPY, OP_RECORD, OP_HOLD, OP_PLAN, OP_FC, OP_NORMALISE, OP_MAX_POOL, OP_AVERAGE_POOL, OP_TOP };

struct op {
    enum kind kind;
    union {
        struct {
            void *to;
            const void *from;
            size_t bytes;
            void *snapshot; /* of host memory that is not pinned */
        } copy;
        struct {
            struct gpu_event *event;
            uint64_t mark; /* which record it is, or waits for */
        } event;
        struct {
            struct conv_shape shape;
            struct conv_memory memory;
            float ms;
        } plan;
        struct {
            struct fc_memory memory;
            int batch, inputs, classes;
        } fc;
        struct normalise_args normalise;
        struct pool_args pool;
        struct top_args top;
    } as;
};

struct list {
    struct op *ops;
    size_t count, room;
};

struct gpu_stream {
    struct list queue;
    size_t done;
    bool capturing;
    struct list captured;
    struct gpu_stream *next;
};

struct gpu_event {
    uint64_t recorded, happened; /* marks */
    struct gpu_stream *stream;   /* of the last record */
    double ms;
};

struct gpu_graph {
    struct list list;
};

struct fake_plan {
    struct gpu_plan plan;
    struct conv_shape shape;
    int number;
};

struct gpu_fc {
    int batch, inputs, classes;
};

/* Of a device, or pinned memory of the host. */
struct allocation {
    void *memory;
    size_t bytes;
    int device; /* -1: pinned */
    struct allocation *next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct fake_settings settings = { .devices = 1, .major = 9 };
static int calls, left, searches, launches[FAKE_DEVICES];
static size_t used[FAKE_DEVICES];
static const char *failed_call = "";
static bool lost;
static double clock_ms;
static struct allocation *allocations;
static struct gpu_stream *streams;

/* ---- the test's side ------------------------------------------------------------------------------------------------------ */

void fake_gpu_reset(const struct fake_settings *wanted)
{
    if (left)
        test_fail(__FILE__, __LINE__, "%d things of the GPU were not freed (after %s failed)", left, *failed_call ? failed_call : "nothing");
    settings = *wanted;
    if (!settings.major)
        settings.major = 9;
    calls = searches = 0;
    memset(launches, 0, sizeof(launches));
    failed_call = "";
    lost = false;
}

void fake_gpu_fail(int at, int code)
{
    pthread_mutex_lock(&lock);
    settings.fail_at = at ? calls + at : 0;
    settings.fail_code = code;
    pthread_mutex_unlock(&lock);
}

int fake_gpu_calls(void)
{
    return calls;
}

int fake_gpu_left(void)
{
    return left;
}

int fake_gpu_searches(void)
{
    return searches;
}

int fake_gpu_launches(int device)
{
    return launches[device];
}

const char *fake_gpu_failed(void)
{
    return failed_call;
}

/* The lock is held from here on, if it returns 0. */
static int enter(const char *call, struct why *why)
{
    pthread_mutex_lock(&lock);
    bool fails = ++calls == settings.fail_at;
    if (fails)
        failed_call = call;
    lost = lost || (fails && settings.fail_code == -ENOTRECOVERABLE);
    if (!fails && !lost)
        return 0;
    int r = lost ? -ENOTRECOVERABLE : settings.fail_code;
    pthread_mutex_unlock(&lock);
    return because(why, r, "%s: made to fail", call);
}

static int leave(void)
{
    pthread_mutex_unlock(&lock);
    return 0;
}

static void *make(size_t bytes)
{
    void *it = calloc(1, bytes);
    CHECK(it);
    left++;
    return it;
}

/* ---- streams -------------------------------------------------------------------------------------------------------------- */

static void append(struct list *list, const struct op *op)
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
    while (stream && event->happened < mark && stream->done < stream->queue.count)
        work_off(stream, stream->done + 1);
}

static void run_op(const struct op *op)
{
    switch (op->kind) {
    case OP_COPY:
        memcpy(op->as.copy.to, op->as.copy.snapshot ? op->as.copy.snapshot : op->as.copy.from, op->as.copy.bytes);
        free(op->as.copy.snapshot);
        break;
    case OP_RECORD:
        op->as.event.event->happened = op->as.event.mark;
        op->as.event.event->ms = clock_ms;
        break;
    case OP_HOLD:
        happen(op->as.event.event, op->as.event.mark);
        break;
    case OP_PLAN:
        compute_conv(&op->as.plan.shape, &op->as.plan.memory);
        clock_ms += (double)op->as.plan.ms;
        break;
    case OP_FC:
        compute_fc(&op->as.fc.memory, op->as.fc.batch, op->as.fc.inputs, op->as.fc.classes);
        break;
    case OP_NORMALISE:
        for (size_t i = 0; i < op->as.normalise.count / NORMALISE_STEP + 3; i++)
            normalise_four(op->as.normalise.format, &op->as.normalise, i);
        break;
    case OP_MAX_POOL:
    case OP_AVERAGE_POOL:
        compute_pool(&op->as.pool, op->kind == OP_MAX_POOL);
        break;
    case OP_TOP:
        compute_top(&op->as.top);
        break;
    }
}

static void work_off(struct gpu_stream *stream, size_t upto)
{
    while (stream->done < upto) {
        struct op op = stream->queue.ops[stream->done++];
        run_op(&op);
    }
    if (stream->done == stream->queue.count)
        stream->queue.count = stream->done = 0;
}

/* As CUDA does before it frees memory. */
static void work_off_all(void)
{
    for (struct gpu_stream *stream = streams; stream; stream = stream->next)
        work_off(stream, stream->queue.count);
}

static void enqueue(struct gpu_stream *stream, const struct op *op)
{
    append(stream->capturing ? &stream->captured : &stream->queue, op);
}

/* ---- devices and memory --------------------------------------------------------------------------------------------------- */

static int fake_count(int *ret, struct why *why)
{
    int r = enter("count", why);
    if (r < 0)
        return r;
    *ret = settings.devices;
    leave();
    return settings.devices ? 0 : because(why, -ENODEV, "no usable GPU: this one is made up, and there is none");
}

static int fake_look(int device, struct gpu_info *ret, struct why *why)
{
    int r = enter("look", why);
    if (r < 0)
        return r;
    *ret = (struct gpu_info){ .device = device, .major = settings.major, .minor = settings.minor, .processors = 7, .memory = settings.memory };
    snprintf(ret->name, sizeof(ret->name), "Fake %s", settings.odd_device > 0 && device == settings.odd_device ? "Other" : "GPU");
    snprintf(ret->libraries, sizeof(ret->libraries), "fake 1");
    return leave();
}

static int fake_open(int device, struct gpu **ret, struct why *why)
{
    struct gpu_info info;
    int r = fake_look(device, &info, why);
    if (r == 0)
        r = enter("open", why);
    if (r < 0)
        return r;
    struct gpu *gpu = make(sizeof(*gpu));
    gpu->ops = &fake_gpu;
    gpu->info = info;
    *ret = gpu;
    return leave();
}

static void discard(void *it)
{
    pthread_mutex_lock(&lock);
    if (it)
        left--;
    pthread_mutex_unlock(&lock);
    free(it);
}

static void fake_close(struct gpu *gpu)
{
    discard(gpu);
}

/* The lock is held. */
static void remember(void *memory, size_t bytes, int device)
{
    struct allocation *it = make(sizeof(*it));
    *it = (struct allocation){ memory, bytes, device, allocations };
    allocations = it;
}

static struct allocation *forget(void *memory)
{
    pthread_mutex_lock(&lock);
    struct allocation **at = &allocations, *it;
    while (*at && (*at)->memory != memory)
        at = &(*at)->next;
    it = *at;
    CHECK(it);
    *at = it->next;
    pthread_mutex_unlock(&lock);
    return it;
}

/* The lock is held. The allocation that these bytes lie in, whole. */
static const struct allocation *allocation_of(const void *memory, size_t bytes)
{
    const char *from = memory;
    for (const struct allocation *it = allocations; it; it = it->next)
        if (from >= (const char *)it->memory && from + bytes <= (const char *)it->memory + it->bytes)
            return it;
    return NULL;
}

static int fake_allocate(struct gpu *gpu, size_t bytes, void **ret, struct why *why)
{
    int r = enter("allocate", why);
    if (r < 0)
        return r;
    size_t limit = settings.memory ? settings.memory : SIZE_MAX;
    if (bytes > limit - used[gpu->info.device]) {
        leave();
        return because(why, -ENOMEM, "allocate %zu bytes: no memory", bytes);
    }
    *ret = aligned_alloc(GPU_ALIGNMENT, (bytes + GPU_ALIGNMENT) / GPU_ALIGNMENT * GPU_ALIGNMENT);
    CHECK(*ret);
    memset(*ret, 0xff, bytes < (1 << 20) ? bytes : 1 << 20);
    remember(*ret, bytes, gpu->info.device);
    used[gpu->info.device] += bytes;
    return leave();
}

static void fake_release(struct gpu *gpu, void *memory)
{
    if (!memory)
        return;
    struct allocation *it = forget(memory);
    pthread_mutex_lock(&lock);
    work_off_all();
    CHECK_INT(it->device, gpu->info.device);
    used[it->device] -= it->bytes;
    pthread_mutex_unlock(&lock);
    free(memory);
    discard(it);
}

static int fake_pin(struct gpu *gpu, void *memory, size_t bytes, struct why *why)
{
    (void)gpu;
    int r = enter("pin", why);
    if (r < 0)
        return r;
    CHECK(memory && bytes);
    remember(memory, bytes, -1);
    return leave();
}

static void fake_unpin(struct gpu *gpu, void *memory)
{
    (void)gpu;
    if (memory)
        discard(forget(memory));
}

/* ---- streams, events, graphs ---------------------------------------------------------------------------------------------- */

static int fake_stream_new(struct gpu *gpu, struct gpu_stream **ret, struct why *why)
{
    (void)gpu;
    int r = enter("stream_new", why);
    if (r < 0)
        return r;
    *ret = make(sizeof(**ret));
    (*ret)->next = streams;
    streams = *ret;
    return leave();
}

static void fake_stream_free(struct gpu *gpu, struct gpu_stream *stream)
{
    (void)gpu;
    if (stream) {
        pthread_mutex_lock(&lock);
        struct gpu_stream **at = &streams;
        while (*at != stream)
            at = &(*at)->next;
        *at = stream->next;
        pthread_mutex_unlock(&lock);
        for (size_t i = stream->done; i < stream->queue.count; i++)
            if (stream->queue.ops[i].kind == OP_COPY)
                free(stream->queue.ops[i].as.copy.snapshot);
        free(stream->queue.ops);
        free(stream->captured.ops);
    }
    discard(stream);
}

static int fake_stream_wait(struct gpu *gpu, struct gpu_stream *stream, struct why *why)
{
    (void)gpu;
    int r = enter("stream_wait", why);
    if (r < 0)
        return r;
    CHECK(!stream->capturing);
    work_off(stream, stream->queue.count);
    return leave();
}

static int fake_copy(struct gpu *gpu, struct gpu_stream *stream, void *to, const void *from, size_t bytes, struct why *why)
{
    (void)gpu;
    int r = enter("copy", why);
    if (r < 0)
        return r;
    struct op op = { .kind = OP_COPY, .as.copy = { to, from, bytes, NULL } };
    CHECK(allocation_of(to, bytes)); /* what is not pinned would have to be waited for */
    if (!allocation_of(from, bytes)) {
        CHECK(!stream->capturing);
        op.as.copy.snapshot = malloc(bytes);
        CHECK(op.as.copy.snapshot);
        memcpy(op.as.copy.snapshot, from, bytes);
    }
    enqueue(stream, &op);
    return leave();
}

static int fake_event_new(struct gpu *gpu, struct gpu_event **ret, struct why *why)
{
    (void)gpu;
    int r = enter("event_new", why);
    if (r < 0)
        return r;
    *ret = make(sizeof(**ret));
    return leave();
}

static void fake_event_free(struct gpu *gpu, struct gpu_event *event)
{
    (void)gpu;
    pthread_mutex_lock(&lock);
    if (event)
        happen(event, event->recorded); /* a record that is still to come goes on without it */
    pthread_mutex_unlock(&lock);
    discard(event);
}

static int fake_event_record(struct gpu *gpu, struct gpu_event *event, struct gpu_stream *stream, struct why *why)
{
    (void)gpu;
    int r = enter("event_record", why);
    if (r < 0)
        return r;
    event->stream = stream;
    enqueue(stream, &(struct op){ .kind = OP_RECORD, .as.event = { event, ++event->recorded } });
    return leave();
}

static int fake_event_wait(struct gpu *gpu, struct gpu_event *event, struct why *why)
{
    (void)gpu;
    int r = enter("event_wait", why);
    if (r < 0)
        return r;
    happen(event, event->recorded);
    return leave();
}

static int fake_event_hold(struct gpu *gpu, struct gpu_stream *stream, struct gpu_event *event, struct why *why)
{
    (void)gpu;
    int r = enter("event_hold", why);
    if (r < 0)
        return r;
    enqueue(stream, &(struct op){ .kind = OP_HOLD, .as.event = { event, event->recorded } });
    return leave();
}

static int fake_event_between(struct gpu *gpu, struct gpu_event *from, struct gpu_event *to, float *ret_ms, struct why *why)
{
    (void)gpu;
    int r = enter("event_between", why);
    if (r < 0)
        return r;
    CHECK(from->happened == from->recorded && to->happened == to->recorded);
    *ret_ms = (float)(to->ms - from->ms);
    return leave();
}

static int fake_capture_begin(struct gpu *gpu, struct gpu_stream *stream, struct why *why)
{
    (void)gpu;
    int r = enter("capture_begin", why);
    if (r < 0)
        return r;
    CHECK(!stream->capturing);
    stream->capturing = true;
    stream->captured.count = 0;
    return leave();
}

/* A capture ends even if its graph cannot be had. */
static int fake_capture_end(struct gpu *gpu, struct gpu_stream *stream, struct gpu_graph **ret, struct why *why)
{
    (void)gpu;
    stream->capturing = false;
    int r = enter("capture_end", why);
    if (r < 0)
        return r;
    *ret = make(sizeof(**ret));
    (*ret)->list = stream->captured;
    stream->captured = (struct list){ 0 };
    return leave();
}

static int fake_graph_launch(struct gpu *gpu, struct gpu_graph *graph, struct gpu_stream *stream, struct why *why)
{
    int r = enter("graph_launch", why);
    if (r < 0)
        return r;
    lost = lost || (settings.launches && launches[gpu->info.device] >= settings.launches);
    if (lost) {
        leave();
        return because(why, -ENOTRECOVERABLE, "graph_launch: the GPU fell off the bus");
    }
    for (size_t i = 0; i < graph->list.count; i++)
        append(&stream->queue, &graph->list.ops[i]);
    launches[gpu->info.device]++;
    return leave();
}

static void fake_graph_free(struct gpu *gpu, struct gpu_graph *graph)
{
    (void)gpu;
    if (graph)
        free(graph->list.ops);
    discard(graph);
}

/* ---- plans and fc --------------------------------------------------------------------------------------------------------- */

/* Number 2 is the fastest, number 1 as good as that and preferred. */
static float plan_ms(int number)
{
    static const float ms[PLANS] = { 3, 1.01f, 1, 5, 0.1f };
    return ms[number];
}

static struct gpu_plan *make_plan(const struct conv_shape *shape, int number)
{
    struct fake_plan *plan = make(sizeof(*plan));
    char text[32];
    snprintf(text, sizeof(text), "%d 7=0", number);
    plan->plan = (struct gpu_plan){ .workspace = 1000, .text = strdup(text) };
    CHECK(plan->plan.text);
    plan->shape = *shape;
    plan->number = number;
    return &plan->plan;
}

static int fake_plan_list(struct gpu *gpu, const struct conv_shape *shape, size_t workspace, struct gpu_plan **ret, int most, int *ret_count,
                          struct why *why)
{
    (void)gpu;
    int r = enter("plan_list", why);
    if (r < 0)
        return r;
    CHECK(workspace >= 1000 && most > 0);
    searches++;
    *ret_count = most < PLANS ? most : PLANS;
    for (int i = 0; i < *ret_count; i++)
        ret[i] = make_plan(shape, i);
    return leave();
}

static int fake_plan_load(struct gpu *gpu, const struct conv_shape *shape, const char *text, struct gpu_plan **ret, struct why *why)
{
    (void)gpu;
    int number, length = 0, r = enter("plan_load", why);
    if (r < 0)
        return r;
    if (sscanf(text, "%d 7=0%n", &number, &length) != 1 || !length || text[length] || number < 0 || number >= PLANS) {
        leave();
        return because(why, -ENOTSUP, "\"%.40s\" is not a plan", text);
    }
    *ret = make_plan(shape, number);
    return leave();
}

static int fake_plan_run(struct gpu *gpu, struct gpu_stream *stream, struct gpu_plan *plan, const struct conv_memory *memory, struct why *why)
{
    (void)gpu;
    struct fake_plan *fake = (struct fake_plan *)plan;
    int r = enter("plan_run", why);
    if (r < 0)
        return r;
    if (fake->number == PLANS - 1) {
        leave();
        return because(why, -ENOTSUP, "plan_run: not this one");
    }
    CHECK(memory->x && memory->w && memory->b && memory->y && memory->workspace && (memory->z != NULL) == fake->shape.residual);
    CHECK(memory->y != memory->x && memory->y != memory->z);
    enqueue(stream, &(struct op){ .kind = OP_PLAN, .as.plan = { fake->shape, *memory, plan_ms(fake->number) } });
    return leave();
}

static void fake_plan_free(struct gpu *gpu, struct gpu_plan *plan)
{
    (void)gpu;
    if (plan)
        free(plan->text);
    discard(plan);
}

static int fake_fc_new(struct gpu *gpu, int batch, int inputs, int classes, struct gpu_fc **ret, struct why *why)
{
    (void)gpu;
    int r = enter("fc_new", why);
    if (r < 0)
        return r;
    *ret = make(sizeof(**ret));
    **ret = (struct gpu_fc){ batch, inputs, classes };
    return leave();
}

static int fake_fc_run(struct gpu *gpu, struct gpu_stream *stream, struct gpu_fc *fc, const struct fc_memory *memory, struct why *why)
{
    (void)gpu;
    int r = enter("fc_run", why);
    if (r < 0)
        return r;
    enqueue(stream, &(struct op){ .kind = OP_FC, .as.fc = { *memory, fc->batch, fc->inputs, fc->classes } });
    return leave();
}

static void fake_fc_free(struct gpu *gpu, struct gpu_fc *fc)
{
    (void)gpu;
    discard(fc);
}

/* ---- kernels -------------------------------------------------------------------------------------------------------------- */

static int fake_normalise(struct gpu *gpu, struct gpu_stream *stream, const struct normalise_args *args, struct why *why)
{
    (void)gpu;
    int r = enter("normalise", why);
    if (r < 0)
        return r;
    enqueue(stream, &(struct op){ .kind = OP_NORMALISE, .as.normalise = *args });
    return leave();
}

static int fake_max_pool(struct gpu *gpu, struct gpu_stream *stream, const struct pool_args *args, struct why *why)
{
    (void)gpu;
    int r = enter("max_pool", why);
    if (r < 0)
        return r;
    enqueue(stream, &(struct op){ .kind = OP_MAX_POOL, .as.pool = *args });
    return leave();
}

static int fake_average_pool(struct gpu *gpu, struct gpu_stream *stream, const struct pool_args *args, struct why *why)
{
    (void)gpu;
    int r = enter("average_pool", why);
    if (r < 0)
        return r;
    enqueue(stream, &(struct op){ .kind = OP_AVERAGE_POOL, .as.pool = *args });
    return leave();
}

static int fake_top(struct gpu *gpu, struct gpu_stream *stream, const struct top_args *args, struct why *why)
{
    (void)gpu;
    int r = enter("top", why);
    if (r < 0)
        return r;
    enqueue(stream, &(struct op){ .kind = OP_TOP, .as.top = *args });
    return leave();
}

const struct gpu_ops fake_gpu = {
    .count = fake_count,
    .look = fake_look,
    .open = fake_open,
    .close = fake_close,
    .allocate = fake_allocate,
    .release = fake_release,
    .pin = fake_pin,
    .unpin = fake_unpin,
    .stream_new = fake_stream_new,
    .stream_free = fake_stream_free,
    .stream_wait = fake_stream_wait,
    .copy = fake_copy,
    .event_new = fake_event_new,
    .event_free = fake_event_free,
    .event_record = fake_event_record,
    .event_wait = fake_event_wait,
    .event_hold = fake_event_hold,
    .event_between = fake_event_between,
    .capture_begin = fake_capture_begin,
    .capture_end = fake_capture_end,
    .graph_launch = fake_graph_launch,
    .graph_free = fake_graph_free,
    .plan_list = fake_plan_list,
    .plan_load = fake_plan_load,
    .plan_run = fake_plan_run,
    .plan_free = fake_plan_free,
    .fc_new = fake_fc_new,
    .fc_run = fake_fc_run,
    .fc_free = fake_fc_free,
    .normalise = fake_normalise,
    .max_pool = fake_max_pool,
    .average_pool = fake_average_pool,
    .top = fake_top,
};
