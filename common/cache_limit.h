/* cache_limit.h: keeps the cache of downloaded and lent files below so many bytes: those that were used longest ago go first.
 *
 * Counted are the files that cache.h and cache_part.h made, not tuned plans or crumbs. When a file was used last is its access time, which cache_hold()
 * sets. What somebody holds is never removed.
 *
 * Threads:   any, also of several processes on one cache: each may find that another was faster.
 * Ownership: cache_hold()'s descriptor is the caller's: closing it lets go.
 * Errors:    -EFBIG when the limit does not allow so much, or the rest of the cache is in use; the sentence says which. */
#pragma once

#include "common/why.h"

#include <stdint.h>

/* Uses a file: returns a descriptor that keeps it in the cache, or -errno. */
int cache_hold(const char *path);

/* Makes room for `size` bytes more. `limit`: 0 for none. `folder` as in cache.h. Returns how many files went. */
int cache_make_room(const char *folder, uint64_t limit, uint64_t size, struct why *why);
