/* log.h: levelled lines on stderr, one write each, in the form the systemd journal reads.
 *
 * On a terminal a line is "sleddog-worker: text"; elsewhere a level prefix ("<4>", sd-daemon(3)) goes first when the
 * journal is listening (JOURNAL_STREAM is set). Bytes below space are shown as '?', so a file name cannot forge a line.
 *
 * Threads: any. Errors: none; a line that cannot be written is lost. Libraries are silent; the two programs log. */
#pragma once

enum log_level {
    LOG_LEVEL_ERROR = 3,
    LOG_LEVEL_WARNING = 4,
    LOG_LEVEL_INFO = 6,
    LOG_LEVEL_DEBUG = 7,
};

void log_open(const char *name, enum log_level level);

/* Called before and after a line is written, so that a progress bar can step aside. NULL: none. */
void log_around(void (*before)(void), void (*after)(void));

void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...)   log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)    log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)   log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)
