/* nodelist.h: the node list: one `host[:port]` a line, `#` comments.
 *
 * Threads:   no state.
 * Ownership: nodelist_free() frees the array and its texts.
 * Errors:    -EINVAL naming file and line: a bad name or port, a node said twice. */
#pragma once

#include "common/why.h"

#include <stddef.h>

#define DEFAULT_PORT 5571
#define MAX_NODES    4096

struct nodelist {
    char **nodes; /* "host:port" */
    int count;
};

int nodelist_read(const char *path, struct nodelist *ret, struct why *why);
int nodelist_parse(const char *name, const char *text, size_t size, struct nodelist *ret, struct why *why);
void nodelist_free(struct nodelist *list);
