/* origin.h: one place that items come from (scheme, host and port, or a bucket): who waits for it, whether it answers, how fast it is.
 *
 * What waits is kept in lanes by folder, and lanes take turns, as origins do: stores are partitioned by prefix, and one slow prefix must not hold up
 * the others. An origin that is unavailable time and again is down: nothing is asked of it but a probe, at growing intervals, until it
 * answers. Any answer will do, be it a refusal. After `store_timeout_ns` it is given up: then what waits for it fails, and what comes later
 * fails with its first probe.
 *
 *     up --(trouble without an answer in between)--> down --(silence until the timeout)--> given up
 *      ^                                              |                                      |
 *      +------------------- any answer ---------------+--------------------------------------+
 *
 * Threads:   all of it belongs to one loop.
 * Ownership: origins_done() frees origins; they must be empty by then.
 * Errors:    NULL when there is no memory for one. */
#pragma once

#include "common/s3/retry.h"
#include "worker/fetch/get.h"
#include "worker/fetch/pace.h"

#include <stdbool.h>

#define ORIGIN_LANES 32

struct lane {
    struct get *first, *last;
};

struct origin {
    struct origin *next;
    uint64_t hash;
    size_t key_size;
    char *key;              /* the beginning of its addresses */
    char name[128];         /* the same as it may be shown */
    struct lane lanes[ORIGIN_LANES];
    unsigned turn;          /* of the lanes */
    unsigned waiting, users; /* gets in lanes; gets anywhere */
    struct pace pace;
    struct retry_budget budget; /* of http and https; a bucket's session has its own */
    size_t room;            /* guess for a body of unknown size */
    int strikes;            /* signs of unavailability since the last answer */
    bool answered;          /* at least once */
    uint64_t down_ns;       /* since when it does not answer; 0: up */
    uint64_t probe_ns;      /* when to ask next */
    uint64_t probe_wait_ns;
    struct get *probe;      /* under way */
    bool given_up;
};

struct origins {
    struct origin *first;
    unsigned count, down; /* origins; those that are down and waited for */
    struct origin *turn;
    unsigned waiting;     /* gets in lanes, of all */
};

/* The origin of an address, made if it is new; the get becomes one of its users. */
struct origin *origins_join(struct origins *origins, struct get *get, const char *uri, size_t size);
void origins_leave(struct origins *origins, struct get *get);
void origins_done(struct origins *origins);

/* Puts a get at the end of its lane, or at its front. */
void origin_wait(struct origins *origins, struct get *get, bool front);

/* The next get whose turn it is, taken out of its lane; NULL when none may start now. */
struct get *origins_next(struct origins *origins, uint64_t now_ns);

/* Takes out the first get in any lane of this origin that `wanted` says yes to. */
struct get *origin_take(struct origins *origins, struct origin *origin, bool (*wanted)(const struct get *get));

/* An answer came. */
void origin_answered(struct origins *origins, struct origin *origin);

/* No answer came, or only that the store is unavailable. Returns true when the origin is down. */
enum origin_trouble { ORIGIN_REFUSED, ORIGIN_UNAVAILABLE };
bool origin_failed(struct origins *origins, struct get *get, enum origin_trouble trouble, uint64_t now_ns, uint64_t store_timeout_ns);

/* A body of unknown size had so many bytes after all. */
void origin_learn_size(struct origin *origin, size_t size);
