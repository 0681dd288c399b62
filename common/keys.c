#include "common/keys.h"

#include "common/bytes.h"
#include "common/cleanup.h"
#include "common/write.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_FILE (1u << 20)

/* ---- texts ---- */

static void trim(const char **text, size_t *size)
{
    while (*size && isspace((unsigned char)**text))
        ++*text, --*size;
    while (*size && isspace((unsigned char)(*text)[*size - 1]))
        --*size;
}

static void copy_note(char note[KEY_NOTE_MAX + 1], const char *text, size_t size)
{
    trim(&text, &size);
    if (size && *text == '#') {
        text++;
        size--;
        trim(&text, &size);
    }
    size = size > KEY_NOTE_MAX ? KEY_NOTE_MAX : size;
    for (size_t i = 0; i < size; i++)
        if (iscntrl((unsigned char)text[i]))
            note[i] = '?';
        else
            note[i] = text[i];
    note[size] = '\0';
}

/* Returns 0 for a line without a key, 1 for one with. */
static int parse_line(const char *line, size_t size, struct key_entry *ret)
{
    trim(&line, &size);
    size_t word = 0;
    while (word < size && !isspace((unsigned char)line[word]))
        word++;
    char key[KEY_TEXT] = "";
    if (word == KEY_TEXT - 1 && !memchr(line, '\0', word)) {
        memcpy(key, line, word);
        key[word] = '\0';
    }
    bool valid = *key && key_is_valid(key);
    if (valid) {
        memcpy(ret->key, key, KEY_TEXT);
        copy_note(ret->note, line + word, size - word);
    }
    key_wipe(key);
    return valid ? 1 : !size || *line == '#' ? 0 : -EINVAL;
}

/* ---- lists ---- */

static int add(struct key_list *list, const struct key_entry *entry, struct why *why)
{
    if (key_list_find(list, entry->key))
        return 0;
    if (list->count == KEYS_MAX)
        return because(why, -EINVAL, "more than %d keys", KEYS_MAX);
    struct key_entry *entries = realloc(list->entries, (size_t)(list->count + 1) * sizeof(*entries));
    if (!entries)
        return because(why, -ENOMEM, "out of memory");
    list->entries = entries;
    list->entries[list->count++] = *entry;
    return 0;
}

static int parse_into(const char *name, const char *text, size_t size, enum key_kind wanted, struct key_list *list, struct why *why)
{
    int line = 0, r = 0;
    for (const char *at = text, *end = text + size; at < end && r >= 0;) {
        struct key_entry entry = { "", "" };
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t length = newline ? (size_t)(newline - at) : (size_t)(end - at);
        line++;
        r = parse_line(at, length, &entry);
        if (r < 0)
            because(why, r, "%s, line %d: no key; a line has the %d characters of one, and may have a note behind it", name, line, KEY_TEXT - 1);
        else if (r && ((r = key_check_kind(name, entry.key, entry.note, wanted, why)) < 0 || (r = add(list, &entry, why)) < 0))
            because_in(why, r, "%s, line %d", name, line);
        explicit_bzero(&entry, sizeof(entry));
        at = newline ? newline + 1 : end;
    }
    return r < 0 ? r : 0;
}

int key_list_parse(const char *name, const char *text, size_t size, struct key_list *ret, struct why *why)
{
    struct key_list list = { NULL, 0 };
    int r = parse_into(name, text, size, KEY_PUBLIC, &list, why);
    if (r < 0)
        key_list_free(&list);
    else
        *ret = list;
    return r;
}

bool key_list_remove(struct key_list *list, const char *key)
{
    for (int i = 0; i < list->count; i++) {
        if (strcmp(list->entries[i].key, key))
            continue;
        list->count--;
        memmove(&list->entries[i], &list->entries[i + 1], (size_t)(list->count - i) * sizeof(list->entries[i]));
        return true;
    }
    return false;
}

const struct key_entry *key_list_find(const struct key_list *list, const char *key)
{
    for (int i = 0; i < list->count; i++)
        if (!strcmp(list->entries[i].key, key))
            return &list->entries[i];
    return NULL;
}

void key_list_free(struct key_list *list)
{
    free(list->entries);
    *list = (struct key_list){ NULL, 0 };
}

/* ---- files ---- */

static void wipe(struct bytes *text)
{
    if (text->data)
        explicit_bzero(text->data, text->capacity);
    bytes_done(text);
}

static void place(const char *given, char path[PATH_MAX])
{
    const char *folder = getenv("CREDENTIALS_DIRECTORY");
    if (folder && !strchr(given, '/') && snprintf(path, PATH_MAX, "%s/%s", folder, given) < PATH_MAX && access(path, F_OK) == 0)
        return;
    snprintf(path, PATH_MAX, "%s", given);
}

static int check_secret(const char *path, const struct stat *status, struct why *why)
{
    uid_t me = geteuid();
    if (status->st_uid != me && status->st_uid)
        return because(why, -EPERM, "%s: a secret key, but it belongs to user %u and this is user %u; whoever owns it can read it: chown it", path,
                       (unsigned)status->st_uid, (unsigned)me);
    mode_t forbidden = status->st_uid ? 077 : 037;
    if (status->st_mode & forbidden)
        return because(why, -EPERM, "%s: a secret key, but others than its owner may use it (mode %04o); chmod 600 it, and make new keys if anybody else was here", path,
                       (unsigned)(status->st_mode & 07777));
    return 0;
}

static int read_file(const char *path, struct stat *status, struct bytes *out, struct why *why)
{
    CLEANUP(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, status) < 0)
        return because(why, -errno, "%s: %s", path, strerror(errno));
    if (!S_ISREG(status->st_mode))
        return because(why, -EINVAL, "%s: no file of keys", path);
    bool more = true;
    while (more) {
        char *room = bytes_room(out, 4096);
        if (!room)
            return because(why, bytes_error(out), "%s: too large for a file of keys", path);
        ssize_t size = read(fd, room, 4096);
        if (size < 0)
            return because(why, -errno, "%s: %s", path, strerror(errno));
        bytes_grew(out, (size_t)size);
        more = size > 0;
    }
    return 0;
}

static int refuse_text(struct why *why)
{
    return because(why, -EINVAL, "a key was given where a file with one is wanted; if it was a secret one, make a new pair: everybody here can read command lines");
}

/* Which kind it is comes before who may read it: nobody should close a public key to others, and give it then for the secret one. */
static int read_one(const char *given, enum key_kind wanted, char ret[KEY_TEXT], struct why *why)
{
    char path[PATH_MAX];
    struct stat status;
    struct bytes text;
    struct key_list list = { NULL, 0 };
    if (key_is_no_path(given))
        return refuse_text(why);
    place(given, path);
    bytes_init(&text, MAX_FILE);
    int r = read_file(path, &status, &text, why);
    if (r == 0)
        r = parse_into(path, text.data ? text.data : "", text.size, wanted, &list, why);
    if (r == 0 && wanted == KEY_SECRET)
        r = check_secret(path, &status, why);
    if (r == 0 && list.count != 1)
        r = because(why, -EINVAL, "%s: must hold one key, and holds %d", path, list.count);
    if (r == 0)
        memcpy(ret, list.entries[0].key, KEY_TEXT);
    if (list.entries)
        explicit_bzero(list.entries, (size_t)list.count * sizeof(*list.entries));
    key_list_free(&list);
    wipe(&text);
    return r;
}

int key_read_secret(const char *path, char ret[KEY_TEXT], struct why *why)
{
    return read_one(path, KEY_SECRET, ret, why);
}

int key_read_public(const char *path, char ret[KEY_TEXT], struct why *why)
{
    return read_one(path, KEY_PUBLIC, ret, why);
}

static int read_into(const char *path, struct key_list *list, struct why *why)
{
    struct stat status;
    struct bytes text;
    bytes_init(&text, MAX_FILE);
    int r = read_file(path, &status, &text, why);
    if (r == 0)
        r = parse_into(path, text.data ? text.data : "", text.size, KEY_PUBLIC, list, why);
    wipe(&text);
    return r;
}

DEFINE_FREEP(closedir, DIR)

static int read_folder(const char *path, DIR *folder, struct key_list *list, struct why *why)
{
    int r = 0;
    for (struct dirent *entry; r == 0 && (entry = readdir(folder));) {
        char file[PATH_MAX];
        size_t size = strlen(entry->d_name);
        if (size < 5 || *entry->d_name == '.' || strcmp(entry->d_name + size - 4, ".pub"))
            continue;
        int before = list->count;
        if (snprintf(file, sizeof(file), "%s/%s", path, entry->d_name) >= (int)sizeof(file))
            return because(why, -ENAMETOOLONG, "%s: %s", path, strerror(ENAMETOOLONG));
        r = read_into(file, list, why);
        for (int i = before; r == 0 && i < list->count; i++)
            if (!*list->entries[i].note)
                copy_note(list->entries[i].note, entry->d_name, size - 4);
    }
    return r;
}

int key_list_read(const char *path, struct key_list *ret, struct why *why)
{
    struct key_list list = { NULL, 0 };
    char placed[PATH_MAX];
    if (key_is_no_path(path))
        return refuse_text(why);
    place(path, placed);
    CLEANUP(closedirp) DIR *folder = opendir(placed);
    int r = folder ? read_folder(placed, folder, &list, why) : read_into(placed, &list, why);
    if (r < 0)
        key_list_free(&list);
    else
        *ret = list;
    return r;
}

int key_write(const char *path, const char *key, const char *note, bool secret, struct why *why)
{
    struct bytes text;
    bytes_init(&text, 4096);
    bytes_printf(&text, "%s %s\n", key, note);
    CLEANUP(closep) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, secret ? 0600 : 0644);
    int r = fd < 0 ? -errno : bytes_error(&text);
    if (r == 0)
        r = write_all(fd, text.data, text.size);
    if (r == 0 && fsync(fd) < 0)
        r = -errno;
    if (r < 0 && fd >= 0)
        unlink(path); /* no key, and in the way of one */
    wipe(&text);
    return r < 0 ? because(why, r, "%s: cannot be written: %s", path, strerror(-r)) : 0;
}
