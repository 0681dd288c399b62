#include "coordinator/tally.h"

#include <stdio.h>
#include <string.h>

static const struct {
    bool retryable;
    const char *advice;
} kinds[ROW_ERRORS] = {
    [ROW_NOT_FOUND] = { true, "it is not there: put it there (where several nodes work, on each) or correct the list, and run again" },
    [ROW_DENIED] = { true, "the workers may not read it: give them permission, and run again" },
    [ROW_FETCH] = { true, "it could not be read: look at the disk, the mount or the network, and run again" },
    [ROW_TIMEOUT] = { true, "it did not come in time: look at the mount or the network, and run again" },
    [ROW_TOO_LARGE] = { false, "it is larger than a worker accepts: make it smaller, or raise the worker's limit" },
    [ROW_DECODE] = { false, "the picture is damaged: replace it, and run again" },
    [ROW_UNSUPPORTED] = { false, "no decoder for this kind of file: convert it to JPEG, or leave it out" },
    [ROW_CRASH] = { true, "it ended a worker more than once: look at that worker's log, and keep the picture for a report" },
};

const char *failure_advice(enum row_error error)
{
    return error < ROW_ERRORS && kinds[error].advice ? kinds[error].advice : "see its row for what happened";
}

bool failure_retryable(enum row_error error)
{
    return error < ROW_ERRORS && kinds[error].retryable;
}

static void keep_first(struct tally_failure *failure, const struct export_row *row)
{
    struct span uri = row->item->uri;
    uint32_t size = uri.size < LIMIT_URI ? uri.size : LIMIT_URI;
    memcpy(failure->first_uri, uri.data, size);
    failure->first_uri[size] = '\0';
    failure->uri = (struct span){ failure->first_uri, size };
    snprintf(failure->detail, sizeof(failure->detail), "%s", row->row->detail ? row->row->detail : "");
}

void tally_add(struct tally *tally, const struct export_row *row)
{
    tally->examined++;
    tally->with_truth += row->truth.data != NULL;
    tally->correct += row->match == MATCH_TRUE;
    if (!row->row->error)
        return;
    tally->failed++;
    struct tally_failure *failure = &tally->kind[row->row->error < ROW_ERRORS ? row->row->error : ROW_ERRORS];
    if (failure->count++ == 0)
        keep_first(failure, row);
}
