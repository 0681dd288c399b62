/* model.h: the files of a job's model, wherever they are: in the cache by their hash, at the job's address, or on the coordinator's machine.
 *
 * Looked for in that order. What is at a local path and is not the file that is wanted is passed over, if the coordinator can lend it. Whatever was found,
 * its hash is compared again when it is read.
 *
 * Threads:   the loader's.
 * Ownership: model_done() lets go of the files, which may leave the cache then.
 * Errors:    negative errno with a sentence; -ECANCELED when the job ended while its model was on its way. */
#pragma once

#include "common/s3/config.h"
#include "common/sha256.h"
#include "worker/courier.h"
#include "worker/weights/weights.h"

#include <limits.h>

struct model_wish {
    const char *weights;  /* a local file, or an address for common/cache.h */
    const char *sha256;   /* "": any */
    uint64_t size;        /* that the coordinator can lend; 0: none */
    const char *ranges_sha256; /* that it can lend as well; "": none */
    uint64_t ranges_size;
    const char *cache;    /* folder; NULL: cache.h's choice */
    uint64_t cache_limit; /* bytes; 0: none */
    const struct s3_options *s3; /* the store that s3:// means; NULL: as cache.h says */
};

struct model {
    char weights[PATH_MAX];
    char ranges[PATH_MAX]; /* the activation ranges; "": those beside the weights, if there are any */
    int held[2];           /* descriptors of what is in the cache; -1 */
};

#define MODEL_NONE { .held = { -1, -1 } }

/* Without a courier nothing can be lent. */
int model_open(const struct model_wish *wish, struct courier *courier, struct model *ret, struct weights **ret_weights, struct why *why);
void model_done(struct model *model);
