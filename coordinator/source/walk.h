/* walk.h: the files below a folder that a rule wants, in bytewise order of their paths below it.
 *
 * A name is wanted according to the states its folder was entered with: `match` returns WALK_ENTRY if a file of this name is
 * an entry, and other bits to enter a folder of this name with; 0: neither. So a plain recursive listing and a pattern with
 * "**" are the same walk, and nothing is found twice. One directory a level of depth is in memory: the wanted names only.
 *
 * Links are followed. A link that leads nowhere is an entry; one that leads back into a folder being read is an error.
 *
 * Threads:   one at a time.
 * Ownership: an item lives until the next call. The context and `arg` must outlive the walk.
 * Errors:    negative errno and a sentence that names the folder. */
#pragma once

#include "coordinator/source/kind.h"
#include "coordinator/source/pattern.h"

#define WALK_ENTRY PATTERN_ENTRY

typedef uint64_t (*walk_match)(const void *arg, const char *name, uint64_t states);

struct walk;

/* `top` is an absolute path. The walk begins with the states `states`. */
int walk_open(const char *top, walk_match match, const void *arg, uint64_t states, struct source_context *context,
              struct walk **ret, struct why *why);
int walk_next(struct walk *walk, struct rec_item *ret, struct why *why);
void walk_close(struct walk *walk);
