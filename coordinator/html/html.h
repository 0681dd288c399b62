/* html.h: a job's report as one page that needs nothing else: no script, no font, no address that is followed.
 *
 * All numbers are those of `all`, which is summary.json with evaluation_full(), the same that `report --json` prints; only the pictures
 * come from files, or from the store `s3` (NULL: none). The page forbids itself everything else as well (Content-Security-Policy), and follows the reader's light or dark.
 *
 * Threads:   any, one at a time.
 * Ownership: borrows everything.
 * Errors:    those of bytes.h. A photo that is not there any more gives a placeholder. */
#pragma once

#include "common/bytes.h"
#include "coordinator/evaluation.h"

struct json_t;
struct s3_session;

/* How every page begins, and nothing else does. */
#define HTML_BEGIN "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"generator\" content=\"sleddog-coordinator\">"

int html_report(const struct json_t *all, const struct evaluation *evaluation, struct s3_session *s3, struct bytes *out);
