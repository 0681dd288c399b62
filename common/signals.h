/* signals.h: signals as something the loop can read.
 *
 * signals_open() blocks them in the calling thread, before others are started; SIGPIPE is ignored.
 *
 * Threads:   the main thread's. Errors: negative errno. */
#pragma once

/* `list` ends with 0. */
int signals_open(const int *list);
int signals_fd(void);

/* The next signal's number, 0 when there is none. */
int signals_read(void);

/* From here on they do what they do by default, but for those that signals_end_with() was told. */
void signals_close(void);

/* From signals_close() on, signal `number` prints the text, the same for all, and ends the process at once with this status. The text must
 * stay where it is. NULL: the signal is ignored. */
void signals_end_with(int number, const char *text, int status);
