#include "worker/engines/cudnn_wait.h"

#include "common/clock.h"

#include <errno.h>
#include <time.h>

#define SHORTEST_NS 20000   /* a look costs some microseconds */
#define LONGEST_NS  1000000
#define SHARE       8       /* of the time that was waited already, the next sleep is one in so many */

static void doze(uint64_t waited_ns)
{
    uint64_t ns = waited_ns / SHARE;
    ns = ns < SHORTEST_NS ? SHORTEST_NS : ns > LONGEST_NS ? LONGEST_NS : ns;
    nanosleep(&(struct timespec){ 0, (long)ns }, NULL);
}

static int hangs(struct gpu *gpu, struct why *why)
{
    atomic_store(&gpu->hung, true);
    return because(why, -ENOTRECOVERABLE, "the GPU hangs: what it was given was not done after %.3g s", (double)gpu->patience_ns * 1e-9);
}

/* One of the two. */
static int look(struct gpu *gpu, struct gpu_event *event, struct gpu_stream *stream, struct why *why)
{
    return event ? gpu->ops->event_done(gpu, event, why) : gpu->ops->stream_done(gpu, stream, why);
}

static int wait(struct gpu *gpu, struct gpu_event *event, struct gpu_stream *stream, struct why *why)
{
    uint64_t start = clock_now_ns(), waited = 0;
    int r;
    while ((r = atomic_load(&gpu->hung) ? -ENOTRECOVERABLE : look(gpu, event, stream, why)) == -EAGAIN && waited <= gpu->patience_ns) {
        doze(waited);
        waited = clock_now_ns() - start;
    }
    return r == -EAGAIN || atomic_load(&gpu->hung) ? hangs(gpu, why) : r;
}

int wait_event(struct gpu *gpu, struct gpu_event *event, struct why *why)
{
    return wait(gpu, event, NULL, why);
}

int wait_stream(struct gpu *gpu, struct gpu_stream *stream, struct why *why)
{
    return wait(gpu, NULL, stream, why);
}
