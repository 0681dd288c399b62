/* status.h: JOBDIR/status.json, written while a job runs: who has what since when. The command `status` (status_command.c) reads it.
 *
 * Threads: the loop's. Errors: writing ignores them: a status is not worth a job. */
#pragma once

struct coordinator;

void status_write(const char *path, const struct coordinator *c, double images_per_second);
