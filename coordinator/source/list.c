/* list.c: @FILE, @- and @s3://BUCKET/KEY, one path or address an entry. A pipe may be silent for hours, so reading can be interrupted. */
#include "common/cleanup.h"
#include "common/s3/client.h"
#include "coordinator/source/kind.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>

#define CHUNK 65536
#define END   (-1) /* of the file: no byte */

/* A list that is an object is read piece by piece. */
#define PIECE (1u << 20)

struct object {
    struct s3_client *client;
    struct s3_uri uri; /* points into the list's name */
    struct s3_head head;
    uint64_t at;
    struct bytes piece;
};

struct list {
    int fd;
    struct object *object; /* NULL: a file */
    struct why why;        /* of reading an object */
    struct source_context *context;
    int error; /* of reading, negative errno */
    size_t chunk_at, chunk_size;
    const unsigned char *chunk; /* `buffer`, or an object's piece */
    unsigned char buffer[CHUNK];
    uint64_t number; /* of the entry read last, from 1 */
    size_t size;
    char entry[LIMIT_URI + 2]; /* a full one, CR, NUL */
    char path[PATH_SIZE];
    char name[]; /* of the list */
};

static void close_object(struct object *object)
{
    if (!object)
        return;
    s3_client_close(object->client);
    bytes_done(&object->piece);
    free(object);
}

static void close_list(void *state)
{
    struct list *list = state;
    if (list->fd > STDIN_FILENO)
        close(list->fd);
    close_object(list->object);
    free(list);
}

DEFINE_FREEP(close_list, struct list)

static bool takes(const char *arg)
{
    return arg[0] == '@';
}

static int open_stdin(struct list *list, struct why *why)
{
    if (list->context->stdin_taken)
        return because(why, -EINVAL, "@-: given twice; standard input can be read only once");
    list->context->stdin_taken = true;
    list->fd = STDIN_FILENO;
    return 0;
}

static int open_file(struct list *list, struct why *why)
{
    struct stat status;
    if (strstr(list->name, "://"))
        return because(why, -EINVAL, "@%.500s: is no list; a list is a file, or an object in a store (@s3://BUCKET/KEY)", list->name);
    list->fd = open(list->name, O_RDONLY | O_CLOEXEC);
    if (list->fd < 0 || fstat(list->fd, &status) < 0)
        return because(why, -errno, "@%.500s: the list cannot be read: %s", list->name, strerror(errno));
    if (S_ISDIR(status.st_mode))
        return because(why, -EISDIR, "@%.500s: a folder, not a list; to have all that is in it, give it without the @",
                       list->name);
    return 0;
}

static bool is_interrupted(void *arg)
{
    const struct list *list = arg;
    struct pollfd wait = { .fd = list->context->interrupt_fd, .events = POLLIN };
    return poll(&wait, 1, 0) > 0;
}

static int open_object(struct list *list, struct why *why)
{
    if (!list->context->s3)
        return because(why, -ENOTSUP, "@%.500s: no object store is set up here", list->name);
    struct object *object = list->object = calloc(1, sizeof(*object));
    if (!object)
        return -ENOMEM;
    bytes_init(&object->piece, PIECE);
    int r = s3_uri_parse(list->name, strlen(list->name), &object->uri, why);
    if (r == 0)
        r = s3_client_open(list->context->s3, is_interrupted, list, &object->client, why);
    return r < 0 ? r : s3_client_head(object->client, &object->uri, &object->head, why);
}

static int open_list(const char *arg, struct source_context *context, void **ret, struct why *why)
{
    CLEANUP(close_listp) struct list *list = calloc(1, sizeof(*list) + strlen(arg));
    if (!list)
        return -ENOMEM;
    list->fd = -1;
    strcpy(list->name, arg + 1);
    list->context = context;
    list->chunk = list->buffer;
    int r = s3_uri_is(list->name, strlen(list->name)) ? open_object(list, why) : strcmp(list->name, "-") ? open_file(list, why) : open_stdin(list, why);
    if (r < 0)
        return r;
    *ret = take(list);
    return 0;
}

static int complain(const struct list *list, int r, struct why *why, const char *what)
{
    return because(why, r, "@%.500s: %s %llu %s", list->name, list->context->null_separated ? "entry" : "line",
                   (unsigned long long)list->number, what);
}

static bool is_of_lines(const struct list *list)
{
    return list->context->null_separated && list->number == 1 && memchr(list->entry, '\n', list->size);
}

/* Its only entry has no NUL behind it, which `find -print0` leaves at none: it is a list of lines. */
static int refuse_lines(const struct list *list, struct why *why)
{
    return because(why, -EINVAL, "@%.500s: has lines, and no NUL that --null could take for the end of an entry; leave out --null, each line is an entry then", list->name);
}

/* Takes a CR off the end of a line, and a byte order mark off the beginning of the first one. */
static void trim(struct list *list)
{
    if (list->size && list->entry[list->size - 1] == '\r')
        list->entry[--list->size] = '\0';
    if (list->number == 1 && !strncmp(list->entry, "\xef\xbb\xbf", 3))
        memmove(list->entry, list->entry + 3, (list->size -= 3) + 1);
}

static bool fill_from_object(struct list *list)
{
    struct object *object = list->object;
    uint64_t left = object->head.size - object->at, size = left < PIECE ? left : PIECE;
    bytes_clear(&object->piece);
    int r = size ? s3_client_get_range(object->client, &object->uri, object->at, size, *object->head.etag ? object->head.etag : NULL, &object->piece, &list->why) : 0;
    if (r < 0)
        list->error = r;
    object->at += size;
    list->chunk = (const unsigned char *)object->piece.data;
    list->chunk_at = 0;
    list->chunk_size = r < 0 ? 0 : object->piece.size;
    return list->chunk_size > 0;
}

/* The next chunk; false at the end, and on an error. */
static bool fill(struct list *list)
{
    if (list->object)
        return fill_from_object(list);
    struct pollfd wait[] = { { .fd = list->fd, .events = POLLIN }, { .fd = list->context->interrupt_fd, .events = POLLIN } };
    ssize_t n;
    do {
        poll(wait, 2, -1);
        n = wait[1].revents ? -1 : read(list->fd, list->buffer, CHUNK);
    } while (n < 0 && !wait[1].revents && (errno == EINTR || errno == EAGAIN));
    if (n < 0)
        list->error = wait[1].revents ? -ECANCELED : -errno;
    list->chunk_at = 0;
    list->chunk_size = n > 0 ? (size_t)n : 0;
    return n > 0;
}

static int next_byte(struct list *list)
{
    if (list->chunk_at == list->chunk_size && !fill(list))
        return END;
    return list->chunk[list->chunk_at++];
}

/* 1: an entry, perhaps empty; 0: the end. */
static int read_entry(struct list *list, struct why *why)
{
    int end = list->context->null_separated ? '\0' : '\n', c;
    list->number++;
    list->size = 0;
    while ((c = next_byte(list)) != END && c != end) {
        if (list->size > LIMIT_URI && is_of_lines(list))
            return refuse_lines(list, why);
        if (list->size > LIMIT_URI)
            return complain(list, -ENAMETOOLONG, why, list->context->null_separated ? "is too long for a path; with --null, one ends with NUL"
                                                                                    : "is too long for a path; a list has one path a line (see --null)");
        if (c == '\0')
            return complain(list, -EINVAL, why, "holds a NUL byte; if NUL separates the paths, give --null");
        list->entry[list->size++] = (char)c;
    }
    list->entry[list->size] = '\0';
    if (list->error && list->object)
        return because(why, list->error, "@%.600s", list->why.text);
    if (list->error)
        return because(why, list->error, "@%.500s: the list cannot be read: %s", list->name, strerror(-list->error));
    if (c == END && is_of_lines(list))
        return refuse_lines(list, why);
    if (!list->context->null_separated)
        trim(list);
    return c != END || list->size;
}

/* 1 and an item for an address; 0 for a path. */
static int take_address(const struct list *list, struct rec_item *ret, struct why *why)
{
    struct why reason;
    if (!strncmp(list->entry, "sim:", 4))
        return complain(list, -EINVAL, why, "begins with sim:, which a list cannot hold; a file of that name is ./sim:...");
    int r = source_remote(list->entry, ret, &reason);
    return r < 0 ? complain(list, r, why, reason.text) : r;
}

static int next(void *state, struct rec_item *ret, struct why *why)
{
    struct list *list = state;
    int r;
    do {
        r = read_entry(list, why);
        if (r <= 0)
            return r;
    } while (!list->size);
    r = take_address(list, ret, why);
    if (r != 0)
        return r;
    struct why reason;
    int size = path_absolute(list->context->cwd, list->entry, list->path, &reason);
    if (size < 0)
        return complain(list, size, why, reason.text);
    *ret = source_item(list->path, (size_t)size, path_name(list->path, (size_t)size));
    return 1;
}

const struct source_kind source_list = { takes, open_list, next, close_list, NULL, false };
