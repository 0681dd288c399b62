/* table.h: predictions.jsonl, read back.
 *
 *     struct table table;  table_read(&table, "job/predictions.jsonl");  table_find(&table, "a.jpg")  table_done(&table);
 *
 * Ownership: rows belong to the table. Errors: fail the test. */
#pragma once

#include <jansson.h>
#include <stddef.h>

struct table {
    json_t **rows;
    size_t count;
};

void table_read(struct table *table, const char *path);
void table_done(struct table *table);

const char *row_uri(const json_t *row);
const char *row_error_kind(const json_t *row); /* "" when there is none */
const char *row_error_detail(const json_t *row);

/* The row whose URI ends in this; fails the test unless there is exactly one. */
const json_t *table_find(const struct table *table, const char *ending);

/* How many rows have this kind of error; "" counts those without one. */
size_t table_count(const struct table *table, const char *kind);
