#include "worker/fetch/origin.h"

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/redact.h"
#include "proto/limits.h"

#include <string.h>
#include <strings.h>

#define KEEP            256 /* origins that nobody uses are forgotten above so many */
#define STRIKES         12  /* that make an origin count as down */
#define ROOM_FIRST      ((size_t)256 << 10)
#define PROBE_FIRST_NS  (500 * NS_PER_MS)
#define PROBE_MOST_NS   (5 * NS_PER_S)

/* A refused connection says more than a 503, which 20 % of all answers may be. */
static const int strikes[] = { [ORIGIN_REFUSED] = 4, [ORIGIN_UNAVAILABLE] = 1 };

/* FNV-1a: Fowler, Noll, Vo. */
static uint64_t hash_of(const char *text, size_t size)
{
    uint64_t hash = 0xcbf29ce484222325ull;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ (unsigned char)text[i]) * 0x100000001b3ull;
    return hash;
}

/* "https://host:port" of "https://host:port/path?query"; the bucket of an S3 address. */
static size_t key_size(const char *uri, size_t size)
{
    const char *slashes = memmem(uri, size, "://", 3);
    size_t at = slashes ? (size_t)(slashes - uri) + 3 : 0;
    while (at < size && !strchr("/?#", uri[at]))
        at++;
    return at;
}

/* Everything up to the last slash of the path. */
static size_t folder_size(const char *uri, size_t size)
{
    size_t end = key_size(uri, size), query = end;
    bool is_s3 = size > 5 && !strncasecmp(uri, "s3://", 5);
    while (query < size && (is_s3 || !strchr("?#", uri[query])))
        query++;
    const char *slash = memrchr(uri + end, '/', query - end);
    return slash ? (size_t)(slash - uri) : end;
}

/* ---- up and down ---- */

static bool is_waited_for(const struct origin *origin)
{
    return origin->down_ns && !origin->given_up;
}

static void come_up(struct origins *origins, struct origin *origin)
{
    if (is_waited_for(origin))
        origins->down--;
    origin->strikes = 0;
    origin->down_ns = 0;
    origin->given_up = false;
    origin->probe = NULL;
}

static void go_down(struct origins *origins, struct origin *origin, uint64_t now_ns)
{
    origins->down++;
    origin->down_ns = now_ns;
    origin->probe_wait_ns = PROBE_FIRST_NS;
    origin->probe_ns = now_ns + origin->probe_wait_ns;
}

/* ---- which there are ---- */

static void forget_one(struct origins *origins)
{
    for (struct origin **at = &origins->first; *at; at = &(*at)->next) {
        struct origin *origin = *at;
        if (origin->users)
            continue;
        *at = origin->next;
        if (origins->turn == origin)
            origins->turn = NULL;
        origins->count--;
        free(origin->key);
        free(origin);
        return;
    }
}

static struct origin *add(struct origins *origins, const char *key, size_t size, uint64_t hash)
{
    CLEANUP(freep) struct origin *origin = calloc(1, sizeof(*origin));
    if (!origin)
        return NULL;
    origin->key = strndup(key, size);
    if (!origin->key)
        return NULL;
    origin->key_size = size;
    origin->hash = hash;
    origin->room = ROOM_FIRST;
    uri_show(origin->name, sizeof(origin->name), key, size, "the store"); /* without a password */
    retry_budget_init(&origin->budget);
    origin->next = origins->first;
    origins->first = origin;
    if (++origins->count > KEEP) {
        origin->users++; /* not the new one */
        forget_one(origins);
        origin->users--;
    }
    return take(origin);
}

struct origin *origins_join(struct origins *origins, struct get *get, const char *uri, size_t size)
{
    size_t key = key_size(uri, size);
    uint64_t hash = hash_of(uri, key);
    struct origin *origin = origins->first;
    while (origin && (origin->hash != hash || origin->key_size != key || memcmp(origin->key, uri, key)))
        origin = origin->next;
    if (!origin)
        origin = add(origins, uri, key, hash);
    if (!origin)
        return NULL;
    origin->users++;
    get->origin = origin;
    get->lane = (unsigned)(hash_of(uri + key, folder_size(uri, size) - key) % ORIGIN_LANES);
    return origin;
}

void origins_leave(struct origins *origins, struct get *get)
{
    struct origin *origin = get->origin;
    if (!origin)
        return;
    if (origin->probe == get)
        origin->probe = NULL;
    if (--origin->users == 0 && is_waited_for(origin))
        come_up(origins, origin); /* nobody waits any more: the next one may find it well */
    get->origin = NULL;
}

void origins_done(struct origins *origins)
{
    while (origins->first) {
        struct origin *origin = origins->first;
        origins->first = origin->next;
        free(origin->key);
        free(origin);
    }
}

/* ---- lanes ---- */

void origin_wait(struct origins *origins, struct get *get, bool front)
{
    struct origin *origin = get->origin;
    struct lane *lane = &origin->lanes[get->lane];
    get->next = front ? lane->first : NULL;
    if (!lane->first)
        lane->first = lane->last = get;
    else if (front)
        lane->first = get;
    else
        lane->last = lane->last->next = get;
    origin->waiting++;
    origins->waiting++;
}

static struct get *unlink_after(struct origins *origins, struct origin *origin, struct lane *lane, struct get *before)
{
    struct get *get = before ? before->next : lane->first;
    if (before)
        before->next = get->next;
    else
        lane->first = get->next;
    if (lane->last == get)
        lane->last = before;
    get->next = NULL;
    origin->waiting--;
    origins->waiting--;
    return get;
}

struct get *origin_take(struct origins *origins, struct origin *origin, bool (*wanted)(const struct get *get))
{
    for (unsigned i = 0; i < ORIGIN_LANES && origin->waiting; i++) {
        struct lane *lane = &origin->lanes[i];
        for (struct get *get = lane->first, *before = NULL; get; before = get, get = get->next)
            if (wanted(get))
                return unlink_after(origins, origin, lane, before);
    }
    return NULL;
}

static struct get *next_of(struct origins *origins, struct origin *origin)
{
    while (!origin->lanes[origin->turn % ORIGIN_LANES].first)
        origin->turn++;
    return unlink_after(origins, origin, &origin->lanes[origin->turn++ % ORIGIN_LANES], NULL);
}

static bool may_start(const struct origin *origin, uint64_t now_ns)
{
    return origin->waiting && (!origin->down_ns || (!origin->probe && now_ns >= origin->probe_ns));
}

struct get *origins_next(struct origins *origins, uint64_t now_ns)
{
    if (!origins->waiting)
        return NULL;
    for (unsigned i = 0; i < origins->count; i++) {
        struct origin *origin = origins->turn ? origins->turn : origins->first;
        origins->turn = origin->next;
        if (!may_start(origin, now_ns))
            continue;
        struct get *get = next_of(origins, origin);
        if (origin->down_ns)
            origin->probe = get;
        return get;
    }
    return NULL;
}

/* ---- health ---- */

void origin_answered(struct origins *origins, struct origin *origin)
{
    come_up(origins, origin);
    origin->answered = true;
}

bool origin_failed(struct origins *origins, struct get *get, enum origin_trouble trouble, uint64_t now_ns, uint64_t store_timeout_ns)
{
    struct origin *origin = get->origin;
    if (!origin->down_ns) {
        origin->strikes += strikes[trouble];
        if (origin->strikes >= STRIKES)
            go_down(origins, origin, now_ns);
        return origin->down_ns != 0;
    }
    if (origin->probe != get)
        return true; /* begun before it went down */
    origin->probe = NULL;
    if (now_ns - origin->down_ns >= store_timeout_ns && !origin->given_up) {
        origin->given_up = true;
        origins->down--;
    }
    origin->probe_wait_ns = 2 * origin->probe_wait_ns < PROBE_MOST_NS ? 2 * origin->probe_wait_ns : PROBE_MOST_NS;
    origin->probe_ns = origin->given_up ? now_ns : now_ns + origin->probe_wait_ns;
    return true;
}

void origin_learn_size(struct origin *origin, size_t size)
{
    size_t wanted = size + size / 4;
    origin->room = wanted > origin->room ? wanted : origin->room - (origin->room - wanted) / 64;
}
