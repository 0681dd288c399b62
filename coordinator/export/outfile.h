/* outfile.h: a file that appears whole or not at all.
 *
 * It is written through a large buffer. In a folder it goes to ".NAME.part" beside its place, is synced, and renamed; a part that a dead process
 * left is used again, one that a living process writes is refused. In an object store its parts are uploaded as they fill, and become an object
 * at the commit; what a dead process uploaded is the business of the bucket's rule for incomplete uploads.
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
struct s3_session;

/* `directory`: a folder, or s3://bucket/prefix/ with the session for it. */
int outfile_open(struct s3_session *s3, const char *directory, const char *name, struct outfile **ret, struct why *why);

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
int outfile_because_of(struct why *why, int r, const char *path, const char *option); /* whose place another option gave */
