/* nodelist.h: the node list.
 *
 *     # a comment, here or behind a node
 *     gpu01                         port 5571 unless said
 *     10.0.0.7:5600
 *     [fe80::1%eth0]:5571           an IPv6 address needs brackets
 *     gpu[02-04,7].example          gpu02.example, gpu03.example, gpu04.example, gpu7.example
 *     gpu05  key=keys/%h.pub        the worker's public key: its 40 characters, or a file, from the list's folder; %h is the node's host
 *     [spare]                       from here on, nodes of a group
 *     gpu06
 *
 * A node may be in several groups, once in each.
 *
 * Threads:   no state.
 * Ownership: nodelist_free() frees the array and its texts.
 * Errors:    -EINVAL naming file and line: a bad name, port, range or key, a node said twice; or naming a group that is not there. */
#pragma once

#include "common/keys.h"
#include "common/options.h"
#include "common/why.h"

#include <stdbool.h>
#include <stddef.h>

#define DEFAULT_PORT 5571
#define MAX_NODES    4096

struct nodelist_node {
    char *name;         /* "host:port" */
    char key[KEY_TEXT]; /* "": none, or in a file */
    char *key_file;     /* path of a .pub file; NULL: none */
    int line;           /* where it is first said */
};

struct nodelist {
    struct nodelist_node *nodes; /* in the order of the file */
    int count;
};

/* `groups`: only nodes of these, each text a name or several with commas; NULL or none: all nodes. */
int nodelist_read(const char *path, const struct texts *groups, struct nodelist *ret, struct why *why);
int nodelist_parse(const char *name, const char *text, size_t size, const struct texts *groups, struct nodelist *ret, struct why *why);
void nodelist_free(struct nodelist *list);
