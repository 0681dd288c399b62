/* shown.h: addresses as they may be shown and kept in job.db: without passwords and queries (common/redact.h).
 *
 * What is cut off is kept apart, in the job's private file (db.h, "private"), and goes from there to the worker that fetches, and to nobody else.
 *
 * Threads: no state. Ownership: texts of the arena; `ret` may point into the item given. Errors: -ENOMEM. */
#pragma once

#include "common/arena.h"
#include "proto/messages.h"

#include <stdbool.h>

int shown_item(const struct rec_item *item, struct arena *arena, struct rec_item *ret);

/* Both encodings: `whole` stays empty when nothing had to be cut off. */
int shown_encode(const struct rec_item *items, uint32_t count, struct bytes *shown, struct bytes *whole);

/* A copy of a text, to be freed; NULL: no memory. */
char *shown_text(const char *text);

bool shown_is_private(const char *text); /* something is cut off */
