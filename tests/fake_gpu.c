/* fake_gpu.c: what a test says to it, its devices, and its table of calls. */
#include "tests/fake_gpu_parts.h"

struct fake_state fake = { .lock = PTHREAD_MUTEX_INITIALIZER, .settings = { .devices = 1, .major = 9 }, .failed_call = "" };

/* ---- the test's side ------------------------------------------------------------------------------------------------------ */

void fake_gpu_reset(const struct fake_settings *wanted)
{
    if (fake.left)
        test_fail(__FILE__, __LINE__, "%d things of the GPU were not freed (after %s failed)", fake.left, *fake.failed_call ? fake.failed_call : "nothing");
    fake.settings = *wanted;
    if (!fake.settings.major)
        fake.settings.major = 9;
    fake.calls = fake.searches = fake.checks = 0;
    memset(fake.launches, 0, sizeof(fake.launches));
    fake.failed_call = "";
    fake.lost = fake.hung = false;
}

void fake_gpu_fail(int at, int code)
{
    pthread_mutex_lock(&fake.lock);
    fake.settings.fail_at = at ? fake.calls + at : 0;
    fake.settings.fail_code = code;
    pthread_mutex_unlock(&fake.lock);
}

void fake_gpu_hang(int at)
{
    pthread_mutex_lock(&fake.lock);
    fake.settings.hang_at = fake.calls + at;
    pthread_mutex_unlock(&fake.lock);
}

void fake_gpu_abandon(void)
{
    pthread_mutex_lock(&fake.lock);
    CHECK(fake.hung);
    for (struct gpu_stream *stream = fake.streams; stream; stream = stream->next)
        stream->queue.count = stream->done = 0;
    memset(fake.used, 0, sizeof(fake.used));
    fake.left = 0;
    pthread_mutex_unlock(&fake.lock);
}

int fake_gpu_calls(void)
{
    return fake.calls;
}

int fake_gpu_left(void)
{
    return fake.left;
}

int fake_gpu_searches(void)
{
    return fake.searches;
}

int fake_gpu_checks(void)
{
    return fake.checks;
}

int fake_gpu_launches(int device)
{
    return fake.launches[device];
}

const char *fake_gpu_failed(void)
{
    return fake.failed_call;
}

/* ---- calls and things ----------------------------------------------------------------------------------------------------- */

int fake_enter(const char *call, struct why *why)
{
    pthread_mutex_lock(&fake.lock);
    bool fails = ++fake.calls == fake.settings.fail_at;
    if (fails)
        fake.failed_call = call;
    fake.hung = fake.hung || fake.calls == fake.settings.hang_at;
    fake.lost = fake.lost || (fails && fake.settings.fail_code == -ENOTRECOVERABLE);
    if (!fails && !fake.lost)
        return 0;
    int r = fake.lost ? -ENOTRECOVERABLE : fake.settings.fail_code;
    pthread_mutex_unlock(&fake.lock);
    return because(why, r, "%s: made to fail", call);
}

int fake_leave(void)
{
    pthread_mutex_unlock(&fake.lock);
    return 0;
}

void *fake_make(size_t bytes)
{
    void *it = calloc(1, bytes);
    CHECK(it);
    fake.left++;
    return it;
}

void fake_discard(void *it)
{
    pthread_mutex_lock(&fake.lock);
    if (it)
        fake.left--;
    pthread_mutex_unlock(&fake.lock);
    free(it);
}

void fake_would_wait(const char *call)
{
    for (const struct gpu_stream *stream = fake.streams; stream && fake.hung; stream = stream->next)
        if (stream->queue.count)
            test_fail(__FILE__, __LINE__, "%s on a device that hangs would never return", call);
}

/* ---- devices -------------------------------------------------------------------------------------------------------------- */

static int fake_count(int *ret, struct why *why)
{
    int r = fake_enter("count", why);
    if (r < 0)
        return r;
    *ret = fake.settings.devices;
    fake_leave();
    return fake.settings.devices ? 0 : because(why, -ENODEV, "no usable GPU: this one is made up, and there is none");
}

static int fake_look(int device, struct gpu_info *ret, struct why *why)
{
    int r = fake_enter("look", why);
    if (r < 0)
        return r;
    *ret = (struct gpu_info){ .device = device, .major = fake.settings.major, .minor = fake.settings.minor, .processors = 7, .memory = fake.settings.memory };
    snprintf(ret->name, sizeof(ret->name), "Fake %s", fake.settings.odd_device > 0 && device == fake.settings.odd_device ? "Other" : "GPU");
    snprintf(ret->libraries, sizeof(ret->libraries), "fake 1");
    return fake_leave();
}

static int fake_open(int device, struct gpu **ret, struct why *why)
{
    struct gpu_info info;
    int r = fake_look(device, &info, why);
    if (r == 0)
        r = fake_enter("open", why);
    if (r < 0)
        return r;
    struct gpu *gpu = fake_make(sizeof(*gpu));
    gpu->ops = &fake_gpu;
    gpu->info = info;
    gpu->patience_ns = fake.settings.patience_ns ? fake.settings.patience_ns : (uint64_t)3600 * 1000000000;
    *ret = gpu;
    return fake_leave();
}

static void fake_close(struct gpu *gpu)
{
    fake_would_wait("close");
    fake_discard(gpu);
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
    .stream_done = fake_stream_done,
    .copy = fake_copy,
    .event_new = fake_event_new,
    .event_free = fake_event_free,
    .event_record = fake_event_record,
    .event_done = fake_event_done,
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
    .finite = fake_finite,
    .top = fake_top,
};
