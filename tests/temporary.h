/* temporary.h: names of temporary files and folders: below $TMPDIR where that is an absolute path, or else /tmp.
 *
 *     char folder[TEMPORARY_NAME];
 *     if (!mkdtemp(temporary_name(folder, "sleddog-test")))
 *
 * Threads: no state but the environment. Errors: a name that is too long is empty, which mkdtemp() and mkstemp() refuse. */
#pragma once

#define TEMPORARY_NAME 512

/* "TMPDIR/NAME-XXXXXX". Returns `out`. */
char *temporary_name(char out[TEMPORARY_NAME], const char *name);
