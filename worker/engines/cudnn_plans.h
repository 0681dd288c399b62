/* cudnn_plans.h: tuned plans on disk, so that tuning happens once a GPU.
 *
 * A book is a text file for one kind of GPU and one version of the libraries (its key), with a line a shape:
 *
 *     sleddog plans 1
 *     NVIDIA H200, compute capability 9.0, 132 processors, cuDNN 9.19.0
 *     f16 256 56x56 64->256 1x1/1+0 residual relu = 41 2=1 13=1 18=0 25=1 27=8 28=1
 *     end 1
 *
 * What is in it is not trusted: it must be a file of ours that nobody else may read or write, in a folder of which the same is
 * true, whole, of this key, and small; and a plan is made for the graph at hand and never brings one along. A book that fails any of this is
 * taken for an empty one, and replaced.
 *
 * Threads:   a book belongs to one thread; several processes may use one folder: the last to save wins, and keeps the lines of others.
 * Ownership: book_open() fills in a struct that book_done() empties.
 * Errors:    negative errno with a sentence naming the file. */
#pragma once

#include "common/why.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#define BOOK_LINES_MAX 4096 /* the oldest makes room for another */
#define BOOK_TEXT_MAX  512  /* bytes of a shape, of a plan, of a key */
#define BOOK_BYTES_MAX ((size_t)2 * (BOOK_TEXT_MAX + 2) * (BOOK_LINES_MAX + 2))

struct book_line {
    char *shape, *plan;
};

struct book {
    char folder[PATH_MAX];
    char key[BOOK_TEXT_MAX];
    char name[64]; /* of the file */
    struct book_line *lines; /* the oldest first */
    int count;
    bool changed;
};

/* `folder` is made when missing. Returns 0 for a book that was read or is not there yet; an error for one that was refused, which is then
 * empty and usable as well. */
int book_open(struct book *book, const char *folder, const char *key, struct why *why);
void book_done(struct book *book); /* accepts zeroed memory */

/* The lines of a file for an empty book with its key, which stays empty if they are refused. `text`, which is written to, ends with a '\0'
 * behind its `size` bytes. */
int book_parse(struct book *book, char *text, size_t size);

/* NULL when there is none. */
const char *book_find(const struct book *book, const char *shape);

/* Adds or replaces; a NULL plan removes. */
int book_put(struct book *book, const char *shape, const char *plan);

/* Writes the file anew if anything changed: whole or not at all. */
int book_save(struct book *book, struct why *why);
