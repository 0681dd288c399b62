/* jobdir.h: the folder of a job: job.db, the workers' logs, status.json while it runs, summary.json and tables when it is complete.
 *
 * One process runs a job at a time: it holds a lock on JOBDIR/job.lock, which the kernel drops when it dies, and which works on network file
 * systems too; the file says who that is. It is an open file description lock (fcntl(2)): one can ask who has it without taking it, so
 * looking at a job never stands in the way of another process that begins to run it.
 *
 * Queries and passwords in addresses are kept in JOBDIR/private.db (db.h), and not in the description: whoever opens a job for going on has them in it, whoever
 * only looks has not.
 *
 * Threads:   any. Ownership: a struct jobdir holds the lock until jobdir_close().
 * Errors:    negative errno with a sentence: -EEXIST a job is there already, -EBUSY it is running, -ENOLCK the file system knows no locks. */
#pragma once

#include "common/labels.h"
#include "coordinator/db.h"
#include "coordinator/spec.h"

struct jobdir {
    char *path; /* absolute */
    int fd;     /* of job.lock, locked */
};

/* Makes the folder if need be, locks it, makes job.db with the spec in it. */
int jobdir_create(const char *path, const struct spec *spec, struct jobdir *ret, struct db **ret_db, struct why *why);

/* Locks an existing job for going on with it. */
int jobdir_open(const char *path, struct jobdir *ret, struct db **ret_db, struct spec **ret_spec, struct why *why);

void jobdir_close(struct jobdir *dir);

/* Removes a folder that a job was to be made in, when nothing but its lock has come into it. */
void jobdir_forget(const char *path);

/* For looking only: takes no lock. */
int jobdir_read(const char *path, struct db **ret_db, struct spec **ret_spec, struct why *why);

/* The same with the names of its classes. */
int jobdir_look(const char *path, struct db **ret_db, struct spec **ret_spec, struct labels **ret_labels, struct why *why);

/* Whether a process runs it, and which: "process 4711 on HOST". */
bool jobdir_is_running(const char *path, char *ret_who, size_t size);
