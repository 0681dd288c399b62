#include "proto/messages.h"

static const char *const names[ROW_ERRORS] = {
    [ROW_OK] = "",
    [ROW_NOT_FOUND] = "not_found",
    [ROW_DENIED] = "denied",
    [ROW_FETCH] = "fetch",
    [ROW_TIMEOUT] = "timeout",
    [ROW_TOO_LARGE] = "too_large",
    [ROW_DECODE] = "decode",
    [ROW_UNSUPPORTED] = "unsupported",
    [ROW_CRASH] = "crash",
};

const char *row_error_name(enum row_error error)
{
    return error < ROW_ERRORS ? names[error] : "?";
}
