/* truth_file.h: the table of a --truth @FILE as a file: where it lies, and a job's own copy of it. Rows are judged when a job is complete, which may be days after
 * it began; by then somebody may have edited or removed the file. So its contents are part of the job, JOBDIR/truth.csv.
 *
 * Threads:   one at a time.
 * Ownership: texts returned are the caller's to free.
 * Errors:    negative errno with a sentence that names the file. */
#pragma once

#include "common/why.h"

#define TRUTH_COPY "truth.csv"

/* The file of "@FILE"; NULL: it is an expression, or "". */
const char *truth_file(const char *given);

/* -EINVAL for what is no file of this machine, or none that can be read twice. */
int truth_file_check(const char *path, struct why *why);

/* How a job describes its truth: a table's path absolute, and the sha256 of the file ("" for an expression). */
int truth_describe(const char *given, char **ret, char **ret_sha256, struct why *why);

/* Copies the table described into the folder of the job, whole or not at all; -ESTALE if it has changed since, -EEXIST for another file of
 * that name. Nothing for an expression. */
int truth_keep(const char *described, const char *sha256, const char *folder, struct why *why);

/* "@FILE" of the table with these contents: the copy in the job's `folder` (NULL: there is none), or the file itself if that is still the same; of an expression,
 * itself. -EBADMSG if neither is. */
int truth_find(const char *described, const char *sha256, const char *folder, char **ret, struct why *why);
