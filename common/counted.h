/* counted.h: "1 image", "2 images", for sentences.
 *
 *     log_info("%s there", COUNTED(count, "image is", "images are"));
 *
 * Threads:   any.
 * Ownership: the text lives as long as the block in which COUNTED() stands.
 * Errors:    a text that does not fit is cut. */
#pragma once

#include <stdint.h>

#define COUNTED_MAX 96

#define COUNTED(n, one, many) counted((char[COUNTED_MAX]){ "" }, (n), (one), (many))

const char *counted(char text[COUNTED_MAX], uint64_t n, const char *one, const char *many);
