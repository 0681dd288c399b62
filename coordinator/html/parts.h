/* parts.h: the sections of a report, each a file; for html.c. A section that has nothing to show says so in a sentence.
 *
 * Errors: those of bytes.h, kept in the buffer. */
#pragma once

#include "common/bytes.h"
#include "coordinator/evaluation.h"

struct s3_session;
struct json_t;

extern const char *const html_style[]; /* CSS, in pieces; NULL at the end */

/* What a truth that is an id or a number stands for, any other as it is. */
const char *truth_shown(const struct json_t *object);

void part_accuracy(struct bytes *out, const struct json_t *all);     /* tiles */
void part_confusions(struct bytes *out, const struct json_t *all);   /* heat map and list */
void part_probabilities(struct bytes *out, const struct json_t *all); /* histogram and reliability diagram */
void part_mistakes(struct bytes *out, const struct json_t *all, const struct evaluation *evaluation, struct s3_session *s3); /* with thumbnails */
void part_throughput(struct bytes *out, const struct json_t *all);
void part_failures(struct bytes *out, const struct json_t *all);
void part_classes(struct bytes *out, const struct json_t *all);
void part_facts(struct bytes *out, const struct json_t *all);
