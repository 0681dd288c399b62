/* cache_part.h: files of the cache that are known by their content's hash and come piece by piece, from somewhere that can go on where it stopped.
 *
 * A file is called sha256-<64 hex digits> and what a user of it appends (".ranges.json"). While it comes it is half-..., from its beginning on and without
 * gaps, locked by the one who writes it; if that one dies the next goes on at its end. It gets its final name once its hash is right.
 *
 * Threads:   any, also of several processes on one cache.
 * Ownership: cache_part_close() closes a part that was opened; what is there stays for the next time.
 * Errors:    those of the file system. cache_part_open: -EAGAIN while another process writes it. cache_part_finish: -EBADMSG when the content is another;
 *            then the part is gone. */
#pragma once

#include "common/sha256.h"

#include <limits.h>
#include <stdint.h>

struct cache_part {
    int fd;           /* -1: not open */
    char path[PATH_MAX];
    uint64_t size;    /* bytes that are there */
    uint64_t found;   /* that were when it was opened */
};

#define CACHE_PART_NONE { .fd = -1 }

/* Where the file with this content is or would be. `folder` as in cache.h, it is made when missing. */
int cache_content_path(const char *folder, const char *sha256, const char *suffix, char path[PATH_MAX], struct why *why);

/* `final` is from cache_content_path(). A part longer than `size` bytes begins anew. */
int cache_part_open(const char *final, uint64_t size, struct cache_part *ret, struct why *why);
int cache_part_append(struct cache_part *part, const void *data, size_t size, struct why *why);
int cache_part_finish(struct cache_part *part, const char *final, const char *sha256, struct why *why);
void cache_part_close(struct cache_part *part);
