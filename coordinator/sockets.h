/* sockets.h: the private folder in which workers on this machine listen.
 *
 * It is JOBDIR/sockets, so that what a killed coordinator left behind is cleaned when the job is resumed, or goes with the job directory. Where
 * sockets cannot be made there, or its path is longer than a socket's address may be (107 bytes), it is a folder in /tmp, and
 * JOBDIR/sockets is a link to it.
 *
 * Threads:   any.
 * Ownership: one process at a time, the one that has the job directory locked.
 * Errors:    negative errno with a sentence. */
#pragma once

#include "common/why.h"

struct sockets {
    char folder[108]; /* for names of up to 10 bytes; "" when not open */
    char *link;       /* JOBDIR/sockets, where that is a link; NULL: it is the folder */
};

int sockets_open(const char *job_dir, struct sockets *ret, struct why *why);
void sockets_close(struct sockets *sockets); /* removes everything */
