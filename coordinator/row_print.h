/* row_print.h: one image's answer for a terminal.
 *
 * Threads: any. Ownership: none taken. Errors: those of bytes.h. */
#pragma once

#include "common/bytes.h"
#include "coordinator/export/row_json.h"

int row_print(const struct export_row *row, const struct labels *labels, struct bytes *out);
