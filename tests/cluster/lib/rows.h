/* rows.h: what is missing from a predictions.jsonl, and what is there twice.
 *
 * Errors: fail the test. */
#pragma once

struct rows_difference {
    long expected, lost, doubled;
};

/* By URI, whatever else the rows say. */
struct rows_difference rows_compare(const char *expected, const char *actual);
