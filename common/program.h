/* program.h: this program as it was called, for commands that are proposed to a person who shall paste them into the same shell.
 *
 * Not for what others read: another machine, or job.db, which may be moved.
 *
 * Threads:   program_remember() before there are any; then constant.
 * Ownership: texts are kept for ever. Errors: `out`'s. */
#pragma once

#include "common/bytes.h"

/* `name`: its file's, which is kept as it is; `argv0`: main()'s, NULL is allowed. */
void program_remember(const char *name, const char *argv0);

/* Its path, quoted for a shell, if it was called by one; else its name, which the shell has found on its PATH. */
const char *program_called(void);

/* A word, quoted where a shell wants it. */
void program_quote(struct bytes *out, const char *word);
