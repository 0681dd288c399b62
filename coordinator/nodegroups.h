/* nodegroups.h: the groups of a node list, and which of them are wanted.
 *
 * Threads:   no state.
 * Ownership: borrows `wanted`.
 * Errors:    -EINVAL with a sentence. */
#pragma once

#include "common/options.h"

#define NODEGROUP_MOST  63 /* characters of a name */
#define NODEGROUPS_MOST 256

struct nodegroups {
    const struct texts *wanted; /* each one or more names between commas; NULL or none: all nodes */
    char names[NODEGROUPS_MOST + 1][NODEGROUP_MOST + 1]; /* from 1 on; 0 is what stands before any heading */
    int count;
};

/* What a heading says between its brackets. `ret`: its number, the same for the same name. */
int nodegroups_enter(struct nodegroups *groups, const char *name, size_t size, int *ret, struct why *why);

/* Whether the nodes of this group are wanted. */
bool nodegroups_is_wanted(const struct nodegroups *groups, int group);

/* The whole list was read: whether there is each that is wanted. `path`: of the list, for the sentence. */
int nodegroups_check(const struct nodegroups *groups, const char *path, struct why *why);
