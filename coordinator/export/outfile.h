/* outfile.h: a file that appears whole or not at all.
 *
 * It is written through a large buffer to ".NAME.part" beside its place, synced, and renamed. A part that a dead process left
 * is used again; one that a living process writes is refused.
 *
 * Threads:   one at a time.
 * Ownership: outfile_close() frees, and removes what was not committed.
 * Errors:    negative errno and a sentence that names the file. */
#pragma once

#include "common/bytes.h"
#include "common/cleanup.h"
#include "common/why.h"

#include <stddef.h>

struct outfile;

int outfile_open(const char *directory, const char *name, struct outfile **ret, struct why *why);

/* Bytes are appended to this buffer; outfile_flow() after every row passes them on when it is full enough. */
struct bytes *outfile_buffer(struct outfile *file);
int outfile_flow(struct outfile *file, struct why *why);
int outfile_write(struct outfile *file, const void *data, size_t size, struct why *why);

int outfile_finish(struct outfile *file, struct why *why); /* everything is on the disk */
int outfile_commit(struct outfile *file, struct why *why); /* and has its name */
const char *outfile_path(const struct outfile *file);
void outfile_close(struct outfile *file);
DEFINE_FREEP(outfile_close, struct outfile)

/* The sentence for a file that could not be written, with what to do about `r`. */
int outfile_because(struct why *why, int r, const char *path);
