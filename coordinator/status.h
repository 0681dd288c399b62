/* status.h: JOBDIR/status.json, written while a job runs: who has what since when. And the `status` command that reads it.
 *
 * Threads: the loop's; the command has its own process. Errors: writing ignores them: a status is not worth a job. */
#pragma once

struct coordinator;

void status_write(const char *path, const struct coordinator *c, double images_per_second);

/* Exit status. */
int command_status(int argc, char **argv);
