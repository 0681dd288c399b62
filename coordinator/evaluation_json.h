/* evaluation_json.h: an evaluation as JSON, for summary.json, `report --json` and `report --html`.
 *
 *   evaluation_compact()  judged, unanswered, match, exact, calibration, histogram, confusions, left_out: a few kilobytes whatever the job
 *   evaluation_full()     those, and classes, mistakes, failures, matrix
 *
 * `matrix` is a picture of the most confused: its rows are the truths with most wrong answers, its columns the classes that were answered
 * most for them, right ones first and in the order of their rows; `counts` has a row of numbers a truth, `right` says which of those
 * agree with it, `other` what fell outside the columns.
 *
 * Threads:   any, one at a time for one evaluation; after evaluation_finish().
 * Ownership: new references.
 * Errors:    NULL when memory is refused. */
#pragma once

#include "coordinator/evaluation.h"

struct json_t;

struct json_t *evaluation_compact(const struct evaluation *evaluation);
struct json_t *evaluation_full(const struct evaluation *evaluation);

/* evaluation_matrix.c */
struct json_t *evaluation_matrix(const struct evaluation *evaluation);
