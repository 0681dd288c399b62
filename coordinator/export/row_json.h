/* row_json.h: one result row as a JSON object.
 *
 * Threads:   one at a time.
 * Ownership: row_json_open() keeps a pointer to the labels.
 * Errors:    -ENOMEM; those of the buffer stay in it. */
#pragma once

#include "coordinator/export/export.h"

struct row_json;

int row_json_open(const struct labels *labels, struct row_json **ret);
void row_json_close(struct row_json *json);

/* Appends {"uri":...} without a line end. */
void row_json_append(const struct row_json *json, const struct export_row *row, struct bytes *out);

/* The file name in a URI without its extension, a part of it. */
struct span row_name(struct span uri);

/* A shown web address without the mark of its query (redact.h). */
struct span row_without_query(struct span uri);
