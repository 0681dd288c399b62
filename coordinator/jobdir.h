/* jobdir.h: the folder of a job: job.db, the workers' logs, status.json while it runs, summary.json and tables when it is complete.
 *
 * One process runs a job at a time: it holds a lock (flock) on the folder itself, which the kernel drops when it dies.
 *
 * Threads:   any. Ownership: a struct jobdir holds the lock until jobdir_close().
 * Errors:    negative errno with a sentence: -EEXIST a job is there already, -EBUSY it is running. */
#pragma once

#include "coordinator/db.h"
#include "coordinator/spec.h"

struct jobdir {
    char *path; /* absolute */
    int fd;     /* of the folder, locked */
};

/* Makes the folder if need be, locks it, makes job.db with the spec in it. */
int jobdir_create(const char *path, const struct spec *spec, struct jobdir *ret, struct db **ret_db, struct why *why);

/* Locks an existing job for going on with it. */
int jobdir_open(const char *path, struct jobdir *ret, struct db **ret_db, struct spec **ret_spec, struct why *why);

void jobdir_close(struct jobdir *dir);

/* For looking only: takes no lock. */
int jobdir_read(const char *path, struct db **ret_db, struct spec **ret_spec, struct why *why);
bool jobdir_is_running(const char *path);
