/* hint.h: the command line that goes on with a job, to be pasted into a shell.
 *
 * Threads: any. Errors: negative errno of `out`. */
#pragma once

#include "common/bytes.h"
#include "coordinator/run_options.h"

/* `command` is "resume" or "retry". What `options` say differently from its defaults is repeated: the job itself does not know it. With `job_dir` NULL
 * the command ends before the folder: hint_word() adds it. */
int hint_command(const char *command, const struct run_options *options, const char *job_dir, struct bytes *out);

/* A space and a word, quoted where the shell wants it. */
void hint_word(struct bytes *out, const char *word);
