#include "worker/fetch/loops.h"

#include "worker/fetch/getter.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>

#define CONNECT_MS  10000
#define DESCRIPTORS 256 /* for everything but connections */

struct loops {
    struct shared_session *shared;
    atomic_uint turn;
    int count;
    struct getter getters[];
};

bool loops_takes(const struct span *uri)
{
    static const char *const schemes[] = { "http://", "https://", "s3://" };
    for (size_t i = 0; i < ARRAY_SIZE(schemes); i++)
        if (uri->size >= strlen(schemes[i]) && !strncasecmp(uri->data, schemes[i], strlen(schemes[i])))
            return true;
    return false;
}

static const char *authorities(void)
{
    const char *file = getenv("SSL_CERT_FILE");
    return file && *file ? file : getenv("CURL_CA_BUNDLE");
}

static int open_getter(struct getter *getter, const struct loops_spec *spec, struct shared_session *shared, int number)
{
    uint64_t stall_ms = spec->stall_ns / 1000000;
    getter->spec = *spec;
    getter->spec.concurrency = (spec->concurrency + number) / spec->threads;
    if (getter->spec.concurrency < 1)
        getter->spec.concurrency = 1;
    getter->limits = (struct transfer_limits){ .file_bytes = spec->file_bytes, .ca_bundle = authorities(), .blocks = spec->blocks,
                                               .connect_ms = stall_ms < CONNECT_MS ? (long)stall_ms : CONNECT_MS };
    getter->shared = shared;
    return getter_open(getter);
}

/* Connections are descriptors: as many as the system lets us have, if need be. */
static int raise_descriptors(const struct loops_spec *spec, struct why *why)
{
    struct rlimit limit;
    rlim_t needed = DESCRIPTORS + 2 * (rlim_t)spec->concurrency;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= needed)
        return 0;
    if (limit.rlim_max < needed)
        return because(why, -EMFILE, "--fetch-concurrency %d: takes %llu file descriptors, and this process may have %llu (ulimit -n, LimitNOFILE=)",
                       spec->concurrency, (unsigned long long)needed, (unsigned long long)limit.rlim_max);
    limit.rlim_cur = needed;
    return setrlimit(RLIMIT_NOFILE, &limit) < 0 ? because(why, -errno, "file descriptors: %s", strerror(errno)) : 0;
}

int loops_new(const struct loops_spec *spec, struct loops **ret, struct why *why)
{
    int r = raise_descriptors(spec, why);
    if (r < 0)
        return r;
    struct loops *loops = calloc(1, sizeof(*loops) + (size_t)spec->threads * sizeof(struct getter));
    r = loops ? shared_session_new(spec->s3, &loops->shared) : -ENOMEM;
    for (; r == 0 && loops->count < spec->threads; loops->count++)
        r = open_getter(&loops->getters[loops->count], spec, loops->shared, loops->count);
    if (r < 0) {
        loops_free(loops);
        return because(why, r, "fetching: cannot start %d event loop%s: %s", spec->threads, spec->threads == 1 ? "" : "s", strerror(-r));
    }
    *ret = loops;
    return 0;
}

void loops_free(struct loops *loops)
{
    if (!loops)
        return;
    for (int i = 0; i < loops->count; i++)
        getter_close(&loops->getters[i]);
    shared_session_free(loops->shared);
    free(loops);
}

void loops_submit(struct loops *loops, struct task *task)
{
    unsigned turn = loops->count == 1 ? 0 : atomic_fetch_add(&loops->turn, 1) % (unsigned)loops->count;
    task->get = (struct get){ .task = task };
    mailbox_post(&loops->getters[turn].inbox, &task->get.mail);
}

void loops_poke(struct loops *loops)
{
    for (int i = 0; i < loops->count; i++) {
        atomic_store(&loops->getters[i].poked, true);
        getter_wake(&loops->getters[i]);
    }
}
