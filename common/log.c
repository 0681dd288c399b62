#include "common/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const char *program = "sleddog";
static enum log_level limit = LOG_LEVEL_INFO;
static bool journal;
static void (*around_before)(void), (*around_after)(void);

/* systemd.exec(5): $JOURNAL_STREAM is "device:inode" of the journal's end; stderr may have been redirected since. */
static bool is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    unsigned long long device, inode;
    struct stat status;
    return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 && fstat(STDERR_FILENO, &status) == 0 &&
           status.st_dev == device && status.st_ino == inode;
}

void log_open(const char *name, enum log_level level)
{
    program = name;
    limit = level;
    journal = is_journal();
}

void log_around(void (*before)(void), void (*after)(void))
{
    pthread_mutex_lock(&lock);
    around_before = before;
    around_after = after;
    pthread_mutex_unlock(&lock);
}

static size_t format_line(char *line, size_t size, enum log_level level, const char *format, va_list args)
{
    int used = journal ? snprintf(line, size, "<%d>", (int)level) : snprintf(line, size, "%s: ", program);
    int length = vsnprintf(line + used, size - (size_t)used - 1, format, args);
    size_t total = (size_t)used + (length > 0 ? (size_t)length : 0);
    if (total > size - 2)
        total = size - 2;
    for (char *c = line; c < line + total; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
    line[total++] = '\n';
    return total;
}

void log_line(enum log_level level, const char *format, ...)
{
    if (level > limit)
        return;
    char line[4096];
    va_list args;
    va_start(args, format);
    size_t size = format_line(line, sizeof(line), level, format, args);
    va_end(args);
    pthread_mutex_lock(&lock);
    if (around_before)
        around_before();
    ssize_t written = write(STDERR_FILENO, line, size);
    (void)written;
    if (around_after)
        around_after();
    pthread_mutex_unlock(&lock);
}
