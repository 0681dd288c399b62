/* calibrated.h: the activation ranges that a model gets: those of --ranges, those that the coordinator lent, or those beside its weights; and whether they are wanted at all.
 *
 * With --precision int8 they must be there. With auto a CPU takes them if they are there, and computes in f32 if not; when there are some that are
 * damaged or of other weights, that is an error in both cases: somebody meant them to be used.
 *
 * Threads:   any.
 * Ownership: `ranges` are the caller's: ranges_done().
 * Errors:    those of ranges_open(), but -EINVAL for those that are not there: unlike a model that somebody else has seen, waiting does not bring them. */
#pragma once

#include "proto/tuning.h"
#include "worker/engine.h"
#include "worker/model.h"
#include "worker/weights/ranges.h"

#include <limits.h>
#include <sys/stat.h>

struct calibrated {
    struct ranges ranges;
    char path[PATH_MAX]; /* where they were looked for; "": nowhere, since they are not wanted */
    struct stat state;   /* of that file then; st_ino 0: there was none */
};

/* Fills in spec->ranges, whose weights, network, mean, std and precision are set. */
int calibrated_find(struct calibrated *it, const struct tuning *tuning, const struct model *model, struct engine_spec *spec, struct why *why);

/* False when there is another file now, or one where there was none. */
bool calibrated_is_current(const struct calibrated *it);
