/* truth.h: what an image shows, by an expression for its URI or by a table (truth_table.h), and whether the answer agrees.
 *
 * As in the article: an underscore counts as a space on both sides, and an answer is right when the truth occurs in the label
 * of its most probable class, letter for letter. A truth that is a WordNet id ("n02085620") is compared with the id of that
 * class and nothing else; a number, where no label has a digit in it, with its index.
 *
 * Threads:   one at a time (regexec locks inside).
 * Ownership: the truth found is a part of the URI it was found in, or of the table.
 * Errors:    -EINVAL and what is wrong with the expression or the table, -ENOMEM, what reading a table gave. */
#pragma once

#include "common/labels.h"
#include "common/why.h"
#include "proto/messages.h"

#include <stdbool.h>

struct truth;

enum match {
    MATCH_NONE, /* no truth, or no answer */
    MATCH_FALSE,
    MATCH_TRUE,
};

/* `given`, as of --truth: a regular expression, POSIX extended, with at least one group; or "@FILE", a table. */
int truth_open(const char *given, struct truth **ret, struct why *why);
void truth_close(struct truth *truth);

/* Whether truth_open() takes it; "" stands for none. */
int truth_check(const char *given, struct why *why);

/* Says, in a line of the log, how many names of a table, which the line calls `described`, truth_of() never met. */
void truth_tell_unused(const struct truth *truth, const char *described);

/* The first group that matched something, or what the table says of the URI, of a web address without the mark of its query; `data` is NULL if none. The URI must be followed by a NUL, as decoded ones are.
 * `truth` may be NULL: none. */
struct span truth_of(const struct truth *truth, struct span uri);

/* The article's judgement of one class. */
bool truth_matches(struct span truth, uint32_t index, const struct labels *labels);

/* The stricter one: how a truth names a class exactly, found once a truth, and whether it names this one. A name counts if it is the whole
 * label or one of its synonyms (between commas), underscores as spaces; a number is a class index unless it is a name. */
enum truth_exact { TRUTH_LOOSE, TRUTH_BY_ID, TRUTH_BY_NAME, TRUTH_BY_INDEX };
enum truth_exact truth_exact(struct span truth, const struct labels *labels);
bool truth_is_class(struct span truth, enum truth_exact how, uint32_t index, const struct labels *labels);

enum match truth_match(struct span truth, const struct rec_row *row, const struct labels *labels);

/* This truth is a WordNet id and the labels have none, so that no answer can be right: worth a warning at the start. */
bool truth_hopeless(struct span truth, const struct labels *labels);
