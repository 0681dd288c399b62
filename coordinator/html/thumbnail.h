/* thumbnail.h: a small JPEG of a local photo, for a report.
 *
 * It is averaged down to at most THUMBNAIL_SIDE a side. Photos that would take much memory or time are refused: it is only a picture in a
 * report. JPEG, PNG and WebP (not lossless ones, nor those with alpha); only regular files.
 *
 * Threads:   any.
 * Ownership: appends to `out`.
 * Errors:    negative errno: what the file system says, -EINVAL for what is no such photo, -EFBIG, -ENOMEM. Nothing is appended then. */
#pragma once

#include "common/bytes.h"

#include <stdio.h>

#define THUMBNAIL_SIDE 160

int thumbnail_make(const char *path, struct bytes *out);

/* The same of a photo that is open, at its beginning. */
int thumbnail_make_from(FILE *file, struct bytes *out);
