#include "coordinator/missing.h"

#include "coordinator/coordinator.h"

#include <stdio.h>
#include <string.h>

#define MAX_NAMED 4

static void put_node(const struct node *node, char *text, size_t size)
{
    const char *reason = node->state == NODE_DRAINING ? "" : node->why_not, *state = node_state_shown(node);
    if (node->state == NODE_CALLING && !*reason && !node->left)
        state = "does not answer";
    snprintf(text, size, "%.60s %s%s%.130s%s", node->name, state, *reason ? ": " : "", reason, strnlen(reason, 131) > 130 ? "..." : "");
}

int missing_describe(const struct coordinator *c, char text[MISSING_TEXT])
{
    char one[256];
    size_t used = 0;
    int count = 0;
    text[0] = '\0';
    for (const struct node *node = c->nodes; node; node = node->next) {
        if (node->state == NODE_GONE || node->state == NODE_READY || count++ >= MAX_NAMED)
            continue;
        put_node(node, one, sizeof(one));
        used += (size_t)snprintf(text + used, MISSING_TEXT - used, "%s%s", used ? "; " : "", one);
    }
    if (count > MAX_NAMED)
        snprintf(text + used, MISSING_TEXT - used, "; and %d more", count - MAX_NAMED);
    return count;
}
