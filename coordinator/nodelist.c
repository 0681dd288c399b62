#include "coordinator/nodelist.h"

#include "common/bytes.h"
#include "common/cleanup.h"
#include "common/hostport.h"
#include "coordinator/nodegroups.h"
#include "coordinator/noderange.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <search.h>
#include <string.h>

#define MAX_FILE (4u << 20)

/* A node while the list is read. */
struct said {
    struct nodelist_node node;
    struct said *next;
    int group;     /* that it was last said in; 0: before any heading */
    bool selected;
};

struct reader {
    const char *path;
    struct said *first, **last;
    void *names;   /* of entries: a tree */
    int count;
    struct nodegroups groups;
    int group;     /* the present one */
    int line;
    const char *key; /* of the present line; "": none */
};

/* ---- keys ---- */

static bool is_key(const char *text)
{
    return key_is_valid(text) && strcmp(text + KEY_TEXT - 5, ".pub");
}

static bool ends_in(const char *text, const char *ending)
{
    size_t size = strlen(text), length = strlen(ending);
    return size > length && !strcmp(text + size - length, ending);
}

/* What is as long as most of a key is not repeated: it may be a secret one, with a slip. */
static int check_key(const char *text, struct why *why)
{
    size_t size = strlen(text);
    if (is_key(text) ? key_is_public(text) : ends_in(text, ".pub"))
        return 0;
    if (is_key(text))
        return because(why, -EINVAL, "key=: no public key: mistyped, or a secret one; give what a .pub file has, or its path");
    if (ends_in(text, ".key"))
        return because(why, -EINVAL, "key=%s: a secret key, by its name, and a public one is wanted; give key=%.*s.pub", text, (int)size - 4, text);
    return because(why, -EINVAL, "key=%s: a public key has %d characters of Z85 (this has %zu), or give the path of a .pub file", size < KEY_MOST ? text : "",
                   KEY_TEXT - 1, size);
}

/* The path that a list means: from its own folder, %h being the host. */
static int place_key_file(const struct reader *reader, const char *node, char **ret)
{
    struct bytes path;
    bytes_init(&path, PATH_MAX);
    const char *slash = strrchr(reader->path, '/');
    if (*reader->key != '/' && slash)
        bytes_append(&path, reader->path, (size_t)(slash + 1 - reader->path));
    for (const char *c = reader->key; *c; c++)
        if (c[0] == '%' && c[1] == 'h') {
            bytes_append(&path, node, (size_t)(strrchr(node, ':') - node));
            c++;
        } else
            bytes_append_char(&path, *c);
    int r = bytes_error(&path);
    *ret = bytes_take(&path);
    return r;
}

static int set_key(struct reader *reader, struct said *entry, struct why *why)
{
    struct nodelist_node *node = &entry->node;
    CLEANUP(freep) char *file = NULL;
    if (!*reader->key)
        return 0;
    int r = is_key(reader->key) ? 0 : place_key_file(reader, node->name, &file);
    if (r < 0)
        return because(why, r, r == -ENOMEM ? "out of memory" : "key=: the path is too long");
    const char *key = file ? "" : reader->key, *old_file = node->key_file ? node->key_file : "";
    bool had = *node->key || node->key_file;
    if (had && (strcmp(node->key, key) || strcmp(old_file, file ? file : "")))
        return because(why, -EINVAL, "%s has another key in line %d", node->name, node->line);
    if (had)
        return 0;
    snprintf(node->key, sizeof(node->key), "%s", key);
    node->key_file = take(file);
    return 0;
}

/* ---- nodes ---- */

static int compare(const void *a, const void *b)
{
    return strcasecmp(((const struct said *)a)->node.name, ((const struct said *)b)->node.name);
}

static void free_said(struct said *entry)
{
    free(entry->node.name);
    free(entry->node.key_file);
    free(entry);
}
DEFINE_FREEP(free_said, struct said)

static int add_node(struct reader *reader, const char *name, struct why *why)
{
    CLEANUP(free_saidp) struct said *entry = calloc(1, sizeof(*entry));
    if (!entry || !(entry->node.name = strdup(name)))
        return because(why, -ENOMEM, "out of memory");
    struct said **found = tsearch(entry, &reader->names, compare), *old = found ? *found : NULL;
    if (!found)
        return because(why, -ENOMEM, "out of memory");
    if (old != entry) {
        if (old->group == reader->group)
            return because(why, -EINVAL, "%s is there already, in line %d; one line a node", name, old->node.line);
        old->group = reader->group;
        old->selected |= nodegroups_is_wanted(&reader->groups, reader->group);
        return set_key(reader, old, why);
    }
    entry->node.line = reader->line;
    entry->group = reader->group;
    entry->selected = nodegroups_is_wanted(&reader->groups, reader->group);
    *reader->last = entry;
    reader->last = &entry->next;
    reader->count++;
    if (reader->count > MAX_NODES) {
        (void)take(entry);
        return because(why, -EINVAL, "more than %d nodes", MAX_NODES);
    }
    return set_key(reader, take(entry), why);
}

/* "host", "host:port", "1.2.3.4", "[::1]:port". Writes it with its port. */
static int parse_node(const char *text, char *ret, size_t ret_size, const char **problem)
{
    const char *colon = hostport_split(text, problem);
    int port = *colon ? hostport_port(colon + 1) : DEFAULT_PORT;
    if (!*problem)
        *problem = hostport_check_host(text, (size_t)(colon - text));
    if (!*problem && !port)
        *problem = "the port must be a number from 1 to 65535";
    if (*problem)
        return -EINVAL;
    snprintf(ret, ret_size, "%.*s:%d", (int)(colon - text), text, port);
    return 0;
}

static int take_name(void *arg, const char *text, struct why *why)
{
    struct reader *reader = arg;
    char node[HOST_MAX + 16];
    const char *problem;
    if (parse_node(text, node, sizeof(node), &problem) < 0)
        return because(why, -EINVAL, "\"%.80s\": %s", text, problem);
    return add_node(reader, node, why);
}

/* ---- lines ---- */

static void trim(const char **line, size_t *size)
{
    while (*size && isspace((unsigned char)**line))
        ++*line, --*size;
    while (*size && isspace((unsigned char)(*line)[*size - 1]))
        --*size;
}

/* Bytes of the first word. In a name '#' begins a comment; a key may have one in it. */
static size_t word_size(const char *text, size_t size, bool key)
{
    size_t length = 0;
    while (length < size && !isspace((unsigned char)text[length]) && (text[length] != '#' || (key && length)))
        length++;
    return length;
}

/* What follows a name. */
static int read_key(const char *text, size_t size, char key[PATH_MAX], struct why *why)
{
    bool found = false;
    *key = '\0';
    for (trim(&text, &size); size && *text != '#'; trim(&text, &size)) {
        size_t length = word_size(text, size, true);
        if (length < 4 || length >= PATH_MAX || memcmp(text, "key=", 4) || memchr(text, '\0', length))
            return because(why, -EINVAL, "\"%.*s\": one node a line; behind it only key=KEY and a comment", (int)(length < KEY_MOST ? length : 3),
                           length < KEY_MOST ? text : "...");
        if (found)
            return because(why, -EINVAL, "two keys; one node has one");
        snprintf(key, PATH_MAX, "%.*s", (int)length - 4, text + 4);
        found = true;
        text += length;
        size -= length;
    }
    return found ? check_key(key, why) : 0;
}

/* "[group]": alone in its line, and no colon, which every IPv6 address has. */
static bool is_heading(const char *line, size_t length, size_t size)
{
    const char *rest = line + length;
    size_t rest_size = size - length;
    trim(&rest, &rest_size);
    return *line == '[' && line[length - 1] == ']' && !memchr(line, ':', length) && memchr(line, ']', length) == line + length - 1 &&
           (!rest_size || *rest == '#');
}

static int parse_words(struct reader *reader, const char *line, size_t size, struct why *why)
{
    char key[PATH_MAX];
    size_t length = word_size(line, size, false);
    if (!length)
        return 0;
    if (is_heading(line, length, size))
        return nodegroups_enter(&reader->groups, line + 1, length - 2, &reader->group, why);
    int r = read_key(line + length, size - length, key, why);
    if (r < 0)
        return r;
    reader->key = key;
    r = noderange_expand(line, length, MAX_NODES, take_name, reader, why);
    reader->key = NULL;
    return r;
}

/* A file of keys may have been given for the list: they are not repeated, nor is what stands before a '#' in one taken for a node. */
static int parse_line(struct reader *reader, const char *line, size_t size, struct why *why)
{
    trim(&line, &size);
    const bool key = key_is_first(line, size);
    int r = key && memchr(line, '#', KEY_TEXT - 1) ? -EINVAL : parse_words(reader, line, size, why);
    if (r < 0 && key)
        return because(why, -EINVAL, "a key, and the name of a node is wanted: one host[:port] a line, with key=KEY behind it");
    return r;
}

static int read_lines(struct reader *reader, const char *text, size_t size, struct why *why)
{
    int r = 0;
    for (const char *at = text, *end = text + size; at < end && r == 0;) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t length = newline ? (size_t)(newline - at) : (size_t)(end - at);
        reader->line++;
        r = parse_line(reader, at, length, why);
        if (r < 0)
            because_in(why, r, "%s, line %d", reader->path, reader->line);
        at = newline ? newline + 1 : end;
    }
    return r;
}

/* ---- the whole ---- */

static int collect(struct reader *reader, struct nodelist *ret, struct why *why)
{
    int count = 0;
    for (const struct said *entry = reader->first; entry; entry = entry->next)
        count += entry->selected;
    if (!count)
        return because(why, -EINVAL, "%s: names no node%s; one host[:port] a line", reader->path, reader->count ? " in these groups" : "");
    ret->nodes = calloc((size_t)count, sizeof(*ret->nodes));
    if (!ret->nodes)
        return because(why, -ENOMEM, "out of memory");
    ret->count = 0;
    for (struct said *entry = reader->first; entry; entry = entry->next)
        if (entry->selected) {
            ret->nodes[ret->count++] = entry->node;
            entry->node.name = entry->node.key_file = NULL;
        }
    return 0;
}

static void keep_entry(void *entry)
{
    (void)entry; /* the list frees it */
}

static void done(struct reader *reader)
{
    tdestroy(reader->names, keep_entry);
    while (reader->first) {
        struct said *entry = reader->first;
        reader->first = entry->next;
        free_said(entry);
    }
    free(reader);
}
DEFINE_FREEP(done, struct reader)

int nodelist_parse(const char *name, const char *text, size_t size, const struct texts *groups, struct nodelist *ret, struct why *why)
{
    CLEANUP(donep) struct reader *reader = calloc(1, sizeof(*reader));
    if (!reader)
        return because(why, -ENOMEM, "out of memory");
    reader->path = name;
    reader->groups.wanted = groups;
    reader->last = &reader->first;
    int r = read_lines(reader, text, size, why);
    if (r == 0)
        r = nodegroups_check(&reader->groups, name, why);
    return r < 0 ? r : collect(reader, ret, why);
}

int nodelist_read(const char *path, const struct texts *groups, struct nodelist *ret, struct why *why)
{
    struct bytes text;
    if (key_is_no_path(path))
        return because(why, -EINVAL, "a key was given where a list of nodes is wanted; if it was a secret one, make a new pair: everybody here can read command lines");
    bytes_init(&text, MAX_FILE);
    int r = bytes_append_file(&text, path, why);
    if (r == -EMSGSIZE)
        because(why, r, "%s: too large for a node list", path);
    if (r == 0)
        r = nodelist_parse(path, text.data ? text.data : "", text.size, groups, ret, why);
    bytes_done(&text);
    return r;
}

void nodelist_free(struct nodelist *list)
{
    for (int i = 0; i < list->count; i++) {
        free(list->nodes[i].name);
        free(list->nodes[i].key_file);
    }
    free(list->nodes);
    *list = (struct nodelist){ NULL, 0 };
}
