/* image_path.h: where the result of one image goes below the output folder.
 *
 * The key of an image, plus ".json". Keys of object stores may hold anything, and two sources may hold the same key, so:
 *   - an empty component becomes "_", "." becomes "_." and ".." becomes "_..": nothing leads out of the output folder;
 *   - a folder whose name ends in ".json" gets a "_", so that no folder stands where a file must;
 *   - a component above 200 bytes is cut to 180 or fewer, "~" and the 16 hex digits of its hash (FNV-1a); a path above 3500
 *     bytes becomes "_long/" and the hash of the key;
 *   - a path that was given away before gets "~" and the number of its row (its line in predictions.jsonl) before ".json".
 *     "summary.json" counts as given away.
 * The same list gives the same paths.
 *
 * Threads:   one at a time.
 * Ownership: image_paths_done() frees; a path given away costs 16 bytes or so (its hash is remembered).
 * Errors:    -ENOMEM. */
#pragma once

#include "common/bytes.h"
#include "proto/messages.h"

struct image_paths {
    uint64_t *taken; /* hashes, open addressing; 0: free */
    size_t count, room;
};

int image_paths_init(struct image_paths *paths);
void image_paths_done(struct image_paths *paths);

/* Writes the path of the image in row `row` (from 1) to `out`. */
int image_path(struct image_paths *paths, struct span key, uint64_t row, struct bytes *out);
