/* path.h: absolute paths by their letters alone.
 *
 * Threads:   any. Ownership: the caller's buffers.
 * Errors:    -ENAMETOOLONG, -ENOENT when a relative path has no current directory to stand on. */
#pragma once

#include "common/why.h"
#include "proto/limits.h"

#include <stddef.h>

/* A path as the kernel takes it: LIMIT_URI (PATH_MAX) bytes with its NUL. */
#define PATH_SIZE LIMIT_URI

/* Makes `path` absolute on `cwd`, without "." components and doubled or final slashes. ".." is kept: "link/.." is not the
 * folder the link stands in. Returns the length. */
int path_absolute(const char *cwd, const char *path, char out[static PATH_SIZE], struct why *why);

/* Where the last component begins. */
size_t path_name(const char *path, size_t size);
