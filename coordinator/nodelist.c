#include "coordinator/nodelist.h"

#include "common/bytes.h"
#include "common/cleanup.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#define MAX_FILE (4u << 20)
#define MAX_NAME 255

/* "host", "host:port", "1.2.3.4", "[::1]:port". Writes it with its port. */
static int parse_node(const char *text, size_t size, char *ret, size_t ret_size, const char **problem)
{
    const char *end = text + size, *colon = NULL;
    if (*text == '[') {
        const char *bracket = memchr(text, ']', size);
        colon = bracket && bracket + 1 < end ? bracket + 1 : NULL;
        *problem = !bracket ? "a '[' without ']'" : colon && *colon != ':' ? "something between ']' and the port" : NULL;
    } else {
        colon = memchr(text, ':', size);
        *problem = colon && memchr(colon + 1, ':', (size_t)(end - colon - 1)) ? "an IPv6 address needs brackets: [::1]:5571" : NULL;
    }
    size_t host = colon ? (size_t)(colon - text) : size;
    int port = DEFAULT_PORT;
    for (size_t i = 0; i < host && !*problem; i++)
        if (!isalnum((unsigned char)text[i]) && (!text[i] || !strchr(*text == '[' ? "[]:.%-" : "-._", text[i])))
            *problem = "not a host name";
    if (colon && !*problem) {
        port = 0;
        for (const char *c = colon + 1; c < end && port <= 65535; c++)
            port = isdigit((unsigned char)*c) ? port * 10 + (*c - '0') : 65536;
        if (port < 1 || port > 65535)
            *problem = "the port must be a number from 1 to 65535";
    }
    if (!*problem && (!host || host > MAX_NAME))
        *problem = "not a host name";
    if (*problem)
        return -EINVAL;
    snprintf(ret, ret_size, "%.*s:%d", (int)host, text, port);
    return 0;
}

static int add_node(struct nodelist *list, const char *node)
{
    char **nodes = realloc(list->nodes, (size_t)(list->count + 1) * sizeof(char *));
    if (!nodes)
        return -ENOMEM;
    list->nodes = nodes;
    nodes[list->count] = strdup(node);
    if (!nodes[list->count])
        return -ENOMEM;
    list->count++;
    return 0;
}

static int parse_line(const char *line, size_t size, struct nodelist *list, struct why *why)
{
    const char *comment = memchr(line, '#', size), *problem;
    char node[MAX_NAME + 16];
    if (comment)
        size = (size_t)(comment - line);
    while (size && isspace((unsigned char)*line))
        line++, size--;
    while (size && isspace((unsigned char)line[size - 1]))
        size--;
    if (!size)
        return 0;
    if (parse_node(line, size, node, sizeof(node), &problem) < 0)
        return because(why, -EINVAL, "\"%.*s\": %s", (int)(size > 80 ? 80 : size), line, problem);
    for (int i = 0; i < list->count; i++)
        if (!strcasecmp(list->nodes[i], node))
            return because(why, -EINVAL, "%s is there already; one line a node", node);
    if (list->count == MAX_NODES)
        return because(why, -EINVAL, "more than %d nodes", MAX_NODES);
    return add_node(list, node) < 0 ? because(why, -ENOMEM, "out of memory") : 0;
}

int nodelist_parse(const char *name, const char *text, size_t size, struct nodelist *ret, struct why *why)
{
    struct nodelist list = { NULL, 0 };
    int number = 0, r = 0;
    for (const char *at = text, *end = text + size; at < end && r == 0;) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t length = newline ? (size_t)(newline - at) : (size_t)(end - at);
        number++;
        r = parse_line(at, length, &list, why);
        if (r < 0)
            because_in(why, r, "%s, line %d", name, number);
        at = newline ? newline + 1 : end;
    }
    if (r == 0 && !list.count)
        r = because(why, -EINVAL, "%s: names no node; one host[:port] a line", name);
    if (r < 0)
        nodelist_free(&list);
    else
        *ret = list;
    return r;
}

int nodelist_read(const char *path, struct nodelist *ret, struct why *why)
{
    struct bytes text;
    bytes_init(&text, MAX_FILE);
    int r = bytes_append_file(&text, path, why);
    if (r == -EMSGSIZE)
        because(why, r, "%s: too large for a node list", path);
    if (r == 0)
        r = nodelist_parse(path, text.data ? text.data : "", text.size, ret, why);
    bytes_done(&text);
    return r;
}

void nodelist_free(struct nodelist *list)
{
    for (int i = 0; i < list->count; i++)
        free(list->nodes[i]);
    free(list->nodes);
    *list = (struct nodelist){ NULL, 0 };
}
