#include "worker/fetch/shared_session.h"

#include "common/clock.h"
#include "common/thread.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define AGAIN_NS (30 * NS_PER_S)

struct shared_session {
    struct s3_options options;
    pthread_mutex_t lock; /* of everything below but `ready` */
    struct thread thread;
    bool opening;
    uint64_t failed_ns; /* when it failed last; 0: it did not */
    int r;
    struct why why;
    struct s3_session *opened;
    _Atomic(struct s3_session *) ready;
};

int shared_session_new(const struct s3_options *options, struct shared_session **ret)
{
    struct shared_session *shared = calloc(1, sizeof(*shared));
    if (!shared)
        return -ENOMEM;
    if (options)
        shared->options = *options;
    pthread_mutex_init(&shared->lock, NULL);
    *ret = shared;
    return 0;
}

void shared_session_free(struct shared_session *shared)
{
    if (!shared)
        return;
    thread_join(&shared->thread);
    s3_session_close(shared->opened);
    pthread_mutex_destroy(&shared->lock);
    free(shared);
}

static void run(void *arg)
{
    struct shared_session *shared = arg;
    struct s3_session *session = NULL;
    struct why why = { "" };
    int r = s3_session_open(&shared->options, &session, &why);
    pthread_mutex_lock(&shared->lock);
    shared->opening = false;
    shared->r = r;
    shared->why = why;
    if (r < 0)
        shared->failed_ns = clock_now_ns();
    else
        shared->opened = session;
    pthread_mutex_unlock(&shared->lock);
    if (r == 0)
        atomic_store(&shared->ready, session);
}

/* The lock is held. */
static void begin(struct shared_session *shared)
{
    thread_join(&shared->thread); /* it has ended, or never began */
    shared->failed_ns = 0;
    shared->opening = true;
    shared->r = thread_start(&shared->thread, "s3", run, shared);
    if (shared->r == 0)
        return;
    because(&shared->why, shared->r, "no thread to look for credentials");
    shared->opening = false;
    shared->failed_ns = clock_now_ns();
}

enum shared_state shared_session_state(struct shared_session *shared, int *ret_r, struct why *why)
{
    if (atomic_load(&shared->ready))
        return SHARED_OPEN;
    pthread_mutex_lock(&shared->lock);
    bool tired = shared->failed_ns && clock_now_ns() - shared->failed_ns > AGAIN_NS;
    if (!shared->opening && !shared->opened && (!shared->failed_ns || tired))
        begin(shared);
    enum shared_state state = shared->failed_ns ? SHARED_FAILED : SHARED_OPENING;
    if (state == SHARED_FAILED) {
        *ret_r = shared->r;
        *why = shared->why;
    }
    pthread_mutex_unlock(&shared->lock);
    return state;
}

struct s3_session *shared_session_get(struct shared_session *shared)
{
    return atomic_load(&shared->ready);
}
