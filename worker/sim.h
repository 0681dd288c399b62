/* sim.h: made-up images, `sim:NUMBER`, for testing a cluster at sizes nobody owns.
 *
 * Threads: any; no state. Errors: none; a number that is none counts as 0. */
#pragma once

#include "proto/messages.h"

#include <stdbool.h>

bool sim_is(const struct span *uri);

uint64_t sim_number(const struct span *uri);

/* The number in the first 8 bytes (little-endian), mixed so that equal top bits do not mean equal answers, then zeros,
 * `size` bytes in all: what the engine looks at. */
void sim_fill(uint64_t number, uint8_t *pixels, size_t size);

/* The same for `sim:NUMBER`. */
void sim_pixels(const struct span *uri, uint8_t *pixels, size_t size);
