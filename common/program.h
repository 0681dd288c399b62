/* program.h: this program as it was called, for commands that are proposed to a person who shall paste them into the same shell.
 *
 * Not for what others read: another machine, or job.db, which may be moved.
 *
 * Threads:   program_remember() before there are any; then constant.
 * Ownership: texts are kept for ever. Errors: `out`'s. */
#pragma once

#include "common/bytes.h"

/* main()'s argv[0]; NULL is allowed. */
void program_remember(const char *argv0);

/* Its path, quoted for a shell, if it was called by one; else `name`, which the shell has found on its PATH. */
const char *program_called(const char *name);

/* A word, quoted where a shell wants it. */
void program_quote(struct bytes *out, const char *word);
