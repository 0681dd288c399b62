/* quarantine.h: which image ends its worker?
 *
 * When a worker's process died, its successor names the items that were being worked on: the suspects. Their batch is split before it is
 * sent again: each suspect is a piece by itself, and goes alone to a worker that has nothing else meanwhile; the other items are one piece
 * and run like any batch. Where nobody named suspects, a batch that was at several deaths is suspect as a whole.
 * An image is blamed when a worker dies that had it alone, and the successor names it; or when a worker hangs that has it alone. Blamed twice,
 * it is convicted: its row says `crash`. Where workers died meanwhile that had no suspect, something may be at work that kills at random, and it
 * takes a third time. So whoever kills workers at random convicts nobody, but by hitting one image each time that it is alone.
 *
 * Rows of pieces are gathered here; when all are there, the whole is stored as one result.
 *
 * Threads:   the loop's.
 * Ownership: a split belongs to its batch. Pieces belong to the table.
 * Errors:    -ENOMEM; -EBADMSG when the batch cannot be read back. The job cannot go on after an error of quarantine_split(). */
#pragma once

#include "common/arena.h"
#include "coordinator/batch.h"
#include "proto/messages.h"

struct split {
    struct arena arena;
    struct rec_row *rows;  /* (count of the whole) */
    uint32_t missing;      /* of those */
    struct batch *pieces;  /* without rows yet */
};

void split_free(struct split *split); /* accepts NULL */

/* Whether this one must not be sent as it is. */
bool quarantine_wants(const struct batch *batch);

/* Queues pieces in place of a batch, or of a piece, that is not queued. Of `batch`, the whole becomes BATCH_SPLIT; a piece is gone. */
int quarantine_split(struct batches *batches, struct batch *batch);

/* The item of this batch or piece was being worked on when a process died; `alone`: and it was there alone. Returns the piece if it
 * is convicted by that, else NULL. Batches that are done or safe are none of its business. */
struct batch *quarantine_suspect(struct batches *batches, uint64_t id, uint32_t item, const char *stage, const struct node *node, bool alone);

/* The worker died or hung, and it is this piece's fault, which is alone. Returns whether it is convicted. */
bool quarantine_blame(const struct batches *batches, struct batch *piece, const char *stage, const struct node *node);

/* Was alone with too many workers that died, though no successor named it. */
bool quarantine_is_hopeless(const struct batch *piece);

/* For the row of a convicted one: ROW_CRASH, or ROW_TIMEOUT if its decoder only never came back; and the sentence. */
enum row_error quarantine_verdict(const struct batch *piece, char *text, size_t size);

/* The rows of a piece, one an item. The piece is neither queued nor out; it is gone afterwards. Returns 1 when the whole has all its rows. */
int quarantine_answer(struct batches *batches, struct batch *piece, const struct rec_row *rows);
