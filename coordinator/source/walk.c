/* walk.c: a stack of folders being read.
 *
 * A folder is read whole, closed, and its wanted names sorted; those of folders carry a final slash, which gives exactly the
 * order of the full paths ("a.jpg" before "a/x", since '.' < '/'). Then names are taken one by one; a folder is pushed. */
#include "coordinator/source/walk.h"

#include "common/cleanup.h"
#include "coordinator/jobfiles.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_PATTERN 256
#define WAY_ROUND   (MAX_PATTERN + 128)

struct level {
    struct bytes names; /* each with its NUL */
    char **name;        /* sorted */
    size_t count, next;
    size_t path_size; /* of the folder, with its slash */
    uint64_t states;
    dev_t device;
    ino_t inode;
    bool job; /* a job was run in it, or in one above: jobfiles.h */
};

struct walk {
    walk_match match;
    const void *arg;
    struct source_context *context;
    struct level *level;
    size_t depth, room;
    size_t base;
    uint64_t states; /* for the top folder */
    bool begun;
    char path[PATH_SIZE + NAME_MAX + 2]; /* of what is being looked at */
};

enum what { WHAT_FILE, WHAT_FOLDER, WHAT_OTHER };

static void closedirp(DIR **dir)
{
    if (*dir)
        closedir(*dir);
}

/* Puts `name` (and `tail`) behind the path of the folder; returns the length of it all. */
static int set_path(struct walk *walk, size_t folder, const char *name, const char *tail, struct why *why)
{
    size_t size = strlen(name), more = strlen(tail);
    walk->path[folder] = '\0';
    if (folder + size + more >= PATH_SIZE)
        return because(why, -ENAMETOOLONG, "%.200s.../%.200s: the path is longer than %d bytes, the most the system can open; "
                       "begin from a folder that is nearer", walk->path, name, PATH_SIZE - 1);
    memcpy(walk->path + folder, name, size);
    memcpy(walk->path + folder + size, tail, more + 1);
    return (int)(folder + size + more);
}

static enum what what_is(int folder, const struct dirent *entry)
{
    struct stat status;
    if (entry->d_type == DT_REG)
        return WHAT_FILE;
    if (entry->d_type == DT_DIR)
        return WHAT_FOLDER;
    /* A link that cannot be followed is an entry: the worker will say why. */
    if (fstatat(folder, entry->d_name, &status, 0) < 0)
        return WHAT_FILE;
    return S_ISREG(status.st_mode) ? WHAT_FILE : S_ISDIR(status.st_mode) ? WHAT_FOLDER : WHAT_OTHER;
}

static void skip(struct walk *walk, size_t folder, const char *name)
{
    if (set_path(walk, folder, name, "", NULL) > 0)
        source_skip(walk->context, walk->path);
    else
        source_skip(walk->context, name);
}

static int keep_name(struct walk *walk, struct level *level, int fd, const struct dirent *entry)
{
    uint64_t states = walk->match(walk->arg, entry->d_name, level->states);
    if (!states)
        return 0;
    enum what what = what_is(fd, entry);
    if (what == WHAT_FILE && level->job && jobfiles_have(entry->d_name)) {
        walk->path[level->path_size] = '\0';
        source_leave_out(walk->context, walk->path);
        return 0;
    }
    bool wanted = what == WHAT_FILE ? states & WALK_ENTRY : what == WHAT_FOLDER && states & ~WALK_ENTRY;
    if (!wanted) {
        if (what != WHAT_FILE && states & WALK_ENTRY)
            skip(walk, level->path_size, entry->d_name);
        return 0;
    }
    level->count++;
    bytes_append(&level->names, entry->d_name, strlen(entry->d_name));
    if (what == WHAT_FOLDER)
        bytes_append_char(&level->names, '/');
    return bytes_append_char(&level->names, '\0');
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int sort_names(struct level *level)
{
    level->name = calloc(level->count + 1, sizeof(*level->name));
    if (!level->name)
        return -ENOMEM;
    char *name = level->names.data;
    for (size_t i = 0; i < level->count; i++, name += strlen(name) + 1)
        level->name[i] = name;
    qsort(level->name, level->count, sizeof(*level->name), by_bytes);
    return 0;
}

/* What the options can do about the folder in walk->path. A job keeps those that it was begun with, so `resume` cannot take them. The top folder has no
 * name below itself; and a pattern that the sentence would cut is of no use. */
static void put_way_round(const struct walk *walk, char *text, size_t size)
{
    size_t end = strlen(walk->path);
    struct bytes pattern;
    bytes_init(&pattern, MAX_PATTERN);
    if (end > walk->base)
        filter_put_folder(&pattern, walk->path + walk->base, end - walk->base);
    if (end <= walk->base)
        snprintf(text, size, "begin a job with the images in a list, @FILE");
    else if (bytes_error(&pattern))
        snprintf(text, size, "begin a new job that leaves it out, with --exclude and this folder's path below the source, or with the images in a list, @FILE");
    else
        snprintf(text, size, "begin a new job that leaves it out, with --exclude %s, or with the images in a list, @FILE", pattern.data);
    bytes_done(&pattern);
}

static int refuse_loop(const struct walk *walk, const struct level *level, struct why *why)
{
    char way_round[WAY_ROUND];
    for (size_t i = 0; i < walk->depth; i++)
        if (walk->level[i].device == level->device && walk->level[i].inode == level->inode) {
            put_way_round(walk, way_round, sizeof(way_round));
            return because(why, -ELOOP, "%.300s: this link leads back to %.*s, which it is in; remove the link, or %s", walk->path,
                           (int)(walk->level[i].path_size < 200 ? walk->level[i].path_size : 200), walk->path, way_round);
        }
    return 0;
}

static int unreadable(const struct walk *walk, int error, struct why *why)
{
    char way_round[WAY_ROUND];
    if (error == ENOENT)
        return because(why, -error, "%.500s: there is no such folder", walk->path);
    put_way_round(walk, way_round, sizeof(way_round));
    return because(why, -error, "%.500s: this folder cannot be read: %s; allow it, or %s", walk->path, strerror(error), way_round);
}

static int read_names(struct walk *walk, struct level *level, struct why *why)
{
    CLEANUP(closedirp) DIR *dir = opendir(walk->path);
    struct stat status;
    if (!dir || fstat(dirfd(dir), &status) < 0)
        return unreadable(walk, errno, why);
    level->device = status.st_dev;
    level->inode = status.st_ino;
    level->job |= jobfiles_are_in(dirfd(dir));
    int r = refuse_loop(walk, level, why);
    struct dirent *entry;
    while (r == 0 && (errno = 0, entry = readdir(dir)))
        if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
            r = keep_name(walk, level, dirfd(dir), entry);
    if (r < 0)
        return r;
    walk->path[level->path_size] = '\0';
    return errno ? unreadable(walk, errno, why) : sort_names(level);
}

static void pop(struct walk *walk)
{
    struct level *level = &walk->level[--walk->depth];
    bytes_done(&level->names);
    free(level->name);
}

/* Enters the folder whose path, with a final slash, is in walk->path. */
static int push(struct walk *walk, size_t path_size, uint64_t states, struct why *why)
{
    if (walk->depth == walk->room) {
        size_t room = walk->room * 2 + 8;
        struct level *level = realloc(walk->level, room * sizeof(*level));
        if (!level)
            return -ENOMEM;
        walk->level = level;
        walk->room = room;
    }
    struct level *level = &walk->level[walk->depth];
    *level = (struct level){ .path_size = path_size, .states = states, .job = walk->depth && walk->level[walk->depth - 1].job };
    bytes_init(&level->names, SIZE_MAX / 2);
    int r = read_names(walk, level, why);
    walk->depth++;
    if (r < 0)
        pop(walk);
    return r;
}

int walk_open(const char *top, walk_match match, const void *arg, uint64_t states, struct source_context *context,
              struct walk **ret, struct why *why)
{
    struct walk *walk = calloc(1, sizeof(*walk));
    if (!walk)
        return -ENOMEM;
    *walk = (struct walk){ .match = match, .arg = arg, .context = context, .states = states };
    int size = set_path(walk, 0, top, top[strlen(top) - 1] == '/' ? "" : "/", why);
    walk->base = size < 0 ? 0 : (size_t)size;
    int r = size < 0 ? size : faccessat(AT_FDCWD, walk->path, R_OK | X_OK, AT_EACCESS) < 0 ? unreadable(walk, errno, why) : 0;
    if (r < 0) {
        walk_close(walk);
        return r;
    }
    *ret = walk;
    return 0;
}

void walk_close(struct walk *walk)
{
    if (!walk)
        return;
    while (walk->depth)
        pop(walk);
    free(walk->level);
    free(walk);
}

/* The next name of the innermost folder: enters it or makes it the item. 1: an item. */
static int visit(struct walk *walk, struct level *level, struct rec_item *ret, struct why *why)
{
    char *name = level->name[level->next++];
    size_t size = strlen(name);
    bool folder = name[size - 1] == '/';
    int path_size = set_path(walk, level->path_size, name, "", why);
    if (path_size < 0)
        return path_size;
    if (folder && filter_leaves_folder(walk->context->filter, walk->path + walk->base, (size_t)path_size - walk->base)) {
        walk->context->unwanted++;
        return 0;
    }
    if (folder) {
        name[size - 1] = '\0';
        return push(walk, (size_t)path_size, walk->match(walk->arg, name, level->states) & ~WALK_ENTRY, why);
    }
    *ret = source_item(walk->path, (size_t)path_size, walk->base);
    return 1;
}

int walk_next(struct walk *walk, struct rec_item *ret, struct why *why)
{
    int r = 0;
    if (!walk->begun)
        r = push(walk, walk->base, walk->states, why);
    walk->begun = true;
    while (r == 0 && walk->depth) {
        struct level *level = &walk->level[walk->depth - 1];
        if (level->next == level->count)
            pop(walk);
        else
            r = visit(walk, level, ret, why);
    }
    return r == -ENOMEM ? because(why, r, "%.500s: out of memory", walk->path) : r;
}
