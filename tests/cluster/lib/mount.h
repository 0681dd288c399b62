/* mount.h: programs that are started now see a mount that is not what it should be, whenever there is a file "away" (tests/preload/mount.c).
 *
 *     mount_choose("dead", "photos");
 *     WORKER(&daemon, "worker", ...);
 *     preload_none();
 *
 * Errors: fail the test; skips it where nothing can be put in front of libc. */
#pragma once

#include "tests/cluster/lib/preload.h"

/* `below`: what it begins with, seen from the test's folder. */
void mount_choose(const char *kind, const char *below);

/* From now on this process and its children have mounts of their own; skips the test where that is not allowed. */
void mount_own(void);
/* A folder in memory, of so many KiB. */
void mount_disk(const char *folder, int kib);
/* So large that it is not full any more; it may be written to again. */
void mount_enlarge(const char *folder);
