#include "worker/engines/cudnn_plans.h"

#include "common/cleanup.h"
#include "common/sha256.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FIRST_LINE "sleddog plans 1"

static bool is_printable(const char *text)
{
    for (; *text; text++)
        if (*text < ' ' || *text > '~')
            return false;
    return true;
}

void book_done(struct book *book)
{
    for (int i = 0; i < book->count; i++) {
        free(book->lines[i].shape);
        free(book->lines[i].plan);
    }
    free(book->lines);
    book->lines = NULL;
    book->count = 0;
}

static int position(const struct book *book, const char *shape)
{
    for (int i = 0; i < book->count; i++)
        if (!strcmp(book->lines[i].shape, shape))
            return i;
    return -1;
}

const char *book_find(const struct book *book, const char *shape)
{
    int at = position(book, shape);
    return at < 0 ? NULL : book->lines[at].plan;
}

static void forget(struct book *book, int at)
{
    struct book_line *line = &book->lines[at];
    free(line->shape);
    free(line->plan);
    book->count--;
    memmove(line, line + 1, (size_t)(book->count - at) * sizeof(*line));
}

/* There is room. */
static int insert(struct book *book, int at, const char *shape, const char *plan)
{
    if (!book->lines)
        book->lines = calloc(BOOK_LINES_MAX, sizeof(*book->lines));
    if (!book->lines)
        return -ENOMEM;
    struct book_line line = { strdup(shape), strdup(plan) };
    if (!line.shape || !line.plan) {
        free(line.shape);
        free(line.plan);
        return -ENOMEM;
    }
    memmove(&book->lines[at + 1], &book->lines[at], (size_t)(book->count - at) * sizeof(line));
    book->lines[at] = line;
    book->count++;
    return 0;
}

static int add(struct book *book, const char *shape, const char *plan)
{
    if (book->count == BOOK_LINES_MAX)
        forget(book, 0);
    return insert(book, book->count, shape, plan);
}

int book_put(struct book *book, const char *shape, const char *plan)
{
    int at = position(book, shape);
    if (at >= 0)
        forget(book, at);
    book->changed = book->changed || at >= 0 || plan;
    return plan ? add(book, shape, plan) : 0;
}

/* ---- reading ------------------------------------------------------------------------------------------------------------ */

/* Ours, and nobody else's business. */
static int check_private(const struct stat *status, const char *folder, const char *name, struct why *why)
{
    if (status->st_uid != geteuid())
        return because(why, -EPERM, "%s/%s: belongs to another user; plans are tuned again", folder, name);
    if (status->st_mode & 077)
        return because(why, -EPERM, "%s/%s: others may use it (mode %03o); plans are tuned again", folder, name, status->st_mode & 0777);
    return 0;
}

static int open_folder(const char *folder, struct why *why)
{
    if (mkdir(folder, 0700) < 0 && errno != EEXIST)
        return because(why, -errno, "%s: cannot be made: %s", folder, strerror(errno));
    CLEANUP(closep) int fd = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) < 0)
        return because(why, -errno, "%s: %s", folder, strerror(errno));
    int r = check_private(&status, folder, ".", why);
    if (r < 0)
        return r;
    int ours = fd;
    fd = -1;
    return ours;
}

/* The whole file as a string; -ENOENT when there is none. */
static int read_file(int folder, const struct book *book, char **ret, size_t *ret_size, struct why *why)
{
    CLEANUP(closep) int fd = openat(folder, book->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) < 0)
        return because(why, -errno, "%s/%s: %s", book->folder, book->name, strerror(errno));
    if (!S_ISREG(status.st_mode) || (size_t)status.st_size > BOOK_BYTES_MAX)
        return because(why, -EINVAL, "%s/%s: not a file of plans; plans are tuned again", book->folder, book->name);
    int r = check_private(&status, book->folder, book->name, why);
    if (r < 0)
        return r;
    CLEANUP(freep) char *text = calloc(1, BOOK_BYTES_MAX + 1);
    if (!text)
        return because(why, -ENOMEM, "%s/%s: no memory", book->folder, book->name);
    size_t size = 0;
    for (ssize_t n; size < BOOK_BYTES_MAX && (n = read(fd, text + size, BOOK_BYTES_MAX - size)) != 0; size += (size_t)n)
        if (n < 0)
            return because(why, -errno, "%s/%s: %s", book->folder, book->name, strerror(errno));
    *ret = take(text);
    *ret_size = size;
    return 0;
}

/* The next line without its end; NULL after the last whole one. */
static char *next_line(char **at)
{
    char *line = *at, *end = strchr(line, '\n');
    if (!end)
        return NULL;
    *end = '\0';
    *at = end + 1;
    return line;
}

/* -EINVAL for a line that does not belong there, 1 after the last. */
static int read_line(struct book *book, char *line)
{
    char last[32], *sign = strstr(line, " = ");
    snprintf(last, sizeof(last), "end %d", book->count);
    if (!strcmp(line, last))
        return 1;
    if (!sign || !is_printable(line))
        return -EINVAL;
    *sign = '\0';
    const char *plan = sign + 3;
    if (!*line || !*plan || strlen(line) >= BOOK_TEXT_MAX || strlen(plan) >= BOOK_TEXT_MAX || position(book, line) >= 0)
        return -EINVAL;
    return add(book, line, plan);
}

static int read_lines(struct book *book, char *text, size_t size)
{
    char *line = memchr(text, '\0', size) ? NULL : next_line(&text);
    if (!line || strcmp(line, FIRST_LINE) || !(line = next_line(&text)) || strcmp(line, book->key))
        return -EINVAL;
    int r = 0;
    while (r == 0 && (line = next_line(&text)))
        r = read_line(book, line);
    return r == 1 && !*text ? 0 : r < 0 ? r : -EINVAL;
}

int book_parse(struct book *book, char *text, size_t size)
{
    int r = read_lines(book, text, size);
    if (r < 0)
        book_done(book);
    return r;
}

static int read_book(struct book *book, int folder, struct why *why)
{
    CLEANUP(freep) char *text = NULL;
    size_t size = 0;
    int r = read_file(folder, book, &text, &size, why);
    if (r < 0)
        return r;
    r = book_parse(book, text, size);
    if (r < 0)
        return because(why, r, "%s/%s: damaged, or not for this GPU; plans are tuned again", book->folder, book->name);
    return 0;
}

int book_open(struct book *book, const char *folder, const char *key, struct why *why)
{
    char hex[SHA256_HEX];
    memset(book, 0, sizeof(*book));
    int r = sha256_memory(key, strlen(key), hex);
    if (r < 0)
        return because(why, r, "no memory");
    snprintf(book->folder, sizeof(book->folder), "%.*s", (int)sizeof(book->folder) - 1, folder);
    snprintf(book->key, sizeof(book->key), "%.*s", (int)sizeof(book->key) - 1, key);
    snprintf(book->name, sizeof(book->name), "%.16s.plans", hex);
    CLEANUP(closep) int fd = open_folder(folder, why);
    if (fd < 0)
        return fd;
    r = read_book(book, fd, why);
    return r == -ENOENT ? 0 : r;
}

/* ---- writing ------------------------------------------------------------------------------------------------------------ */

/* Lines that another process saved meanwhile, as far as there is room: they are older than what we changed. */
static void merge(struct book *book, int folder)
{
    struct book other = { 0 };
    memcpy(other.folder, book->folder, sizeof(other.folder));
    memcpy(other.key, book->key, sizeof(other.key));
    memcpy(other.name, book->name, sizeof(other.name));
    if (read_book(&other, folder, NULL) < 0)
        return;
    int ours = book->count, at = 0;
    for (int i = other.count - 1; i >= 0 && ours + at < BOOK_LINES_MAX; i--)
        if (position(book, other.lines[i].shape) < 0 && insert(book, 0, other.lines[i].shape, other.lines[i].plan) == 0)
            at++;
    book_done(&other);
}

static int write_lines(const struct book *book, FILE *file)
{
    fprintf(file, FIRST_LINE "\n%s\n", book->key);
    for (int i = 0; i < book->count; i++)
        fprintf(file, "%s = %s\n", book->lines[i].shape, book->lines[i].plan);
    fprintf(file, "end %d\n", book->count);
    return fflush(file) || ferror(file) || fsync(fileno(file)) < 0 ? -EIO : 0;
}

static int write_new(const struct book *book, int folder, const char *name)
{
    int fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    FILE *file = fdopen(fd, "w");
    if (!file) {
        close(fd);
        return -ENOMEM;
    }
    int r = write_lines(book, file);
    return fclose(file) && r == 0 ? -EIO : r;
}

int book_save(struct book *book, struct why *why)
{
    if (!book->changed)
        return 0;
    CLEANUP(closep) int folder = open_folder(book->folder, why);
    if (folder < 0)
        return folder;
    merge(book, folder);
    char name[128];
    snprintf(name, sizeof(name), "%s.%d", book->name, (int)getpid());
    unlinkat(folder, name, 0);
    int r = write_new(book, folder, name);
    if (r == 0 && renameat(folder, name, folder, book->name) < 0)
        r = -errno;
    if (r < 0) {
        unlinkat(folder, name, 0);
        return because(why, r, "%s/%s: cannot be written: %s", book->folder, book->name, strerror(-r));
    }
    book->changed = false;
    return 0;
}
