/* photo.h: writes a drawn texture as a JPEG file.
 *
 * Threads:   pure functions.
 * Ownership: nothing is kept.
 * Errors:    negative errno, with a sentence in `why`; a file that could not be finished is removed. */
#pragma once

#include "common/why.h"
#include "tests/demo/texture.h"

/* Draws the style and writes it to `path`. */
int photo_write(const char *path, const struct texture_style *style, struct why *why);

/* Draws `count` pictures of every class into FOLDER/CLASS/CLASS_000.jpg, ..., the way ImageNet's folders are laid out. */
int photo_write_all(const char *folder, uint64_t seed, int count, struct why *why);
