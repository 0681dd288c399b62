/* source.h: the images a job is about, one after another, from the SOURCE arguments of the command line.
 *
 *   directory      every file below it, links followed, in bytewise order of the path below it (a folder sorts as "name/")
 *   pattern        * ? [...] within one path component, ** for any depth; the same order. A leading dot needs a dot. A file
 *                  or folder that really has the name is taken as that
 *   file           itself
 *   http(s)://...  itself
 *   @list, @-      one path or address (http://, https://, s3://) a line; CRLF and a byte order mark are tolerated, empty lines are not entries
 *   sim:N          N made-up images, sim:0 to sim:N-1
 *   s3://b/key     the object, or all below the folder key/; s3://b/folder/ with a slash is never taken for an object. Patterns as above,
 *                  in bytewise order of the keys; a folder's empty marker object is no entry
 *
 * Local paths become absolute by their letters alone: "." and doubled slashes go, ".." stays (a link may stand before it).
 * `base` of an item says where the part of its URI begins that is relative to its source: below the directory, below the
 * part of a pattern before its first wildcard; the file name for files, addresses and lists; the number for sim.
 *
 * Threads:   one at a time.
 * Ownership: an item lives until the next call; source_close() frees everything.
 * Errors:    negative errno and a sentence; after one, only source_close() makes sense.
 * Memory:    the names in the folders that are being read, one a level of depth. */
#pragma once

#include "common/why.h"
#include "coordinator/source/filter.h"
#include "proto/messages.h"

#include <stdbool.h>
#include <stdint.h>

struct source;
struct s3_session;

struct source_options {
    bool null_separated;           /* entries of lists end with NUL instead of a line end */
    struct s3_session *s3;         /* NULL: s3:// is refused. Must outlive the source */
    struct filter filter;          /* what is left out; must outlive the source */
};

/* Checks what can be checked at once. */
int source_open(char *const *args, int count, const struct source_options *options, struct source **ret, struct why *why);

/* 1 and an item, 0 at the end. */
int source_next(struct source *source, struct rec_item *ret, struct why *why);

/* The SOURCE that the next item comes from, by its number: 0 to count; how many items it has given so far; and whether they come in bytewise
 * order. */
uint32_t source_part(const struct source *source);
uint64_t source_part_items(const struct source *source);
bool source_part_in_order(const struct source *source);

/* Leaves out everything before part number `part`. */
void source_begin_with(struct source *source, uint32_t part);

/* Begins the part that is next behind an item it has given earlier, its `items`th. 1; 0: it cannot, and must be read from its beginning. */
int source_go_on(struct source *source, const char *uri, uint64_t items, struct why *why);

/* Ends a source_next() that waits for a list from a pipe, which then fails with -ECANCELED. May be called by any thread. */
void source_interrupt(struct source *source);
void source_close(struct source *source);

/* What was found so far and is neither file nor folder (pipes, sockets, devices; folders where a pattern asks for files).
 * `ret_first` is the first of them, NULL if none. */
uint64_t source_skipped(const struct source *source, const char **ret_first);

/* What was found so far and the filter leaves out; a folder that was not even read counts as one. */
uint64_t source_unwanted(const struct source *source);
