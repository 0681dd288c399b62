/* reload.h: SIGHUP: the configuration file is read again, and what can change while a job runs does.
 *
 * That is --weights, --drain-timeout and --verbose, and the list of --authorized keys (door.h). What else differs is named, and waits for a restart: threads, memory and the engine belong to
 * a pipeline that is full of somebody's images. A file that cannot be read, or is wrong, changes nothing.
 *
 * Threads:   the loop's.
 * Ownership: the texts that were taken over, until the next time.
 * Errors:    logged; nothing changes then. */
#pragma once

struct worker;

struct reload {
    char *weights; /* what options.weights points to once it was reloaded */
};

void worker_reload(struct worker *worker);
void reload_done(struct reload *reload);
