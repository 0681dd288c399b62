#include "proto/tuning.h"

#include "common/cleanup.h"

#include <inttypes.h>

static const struct option_row rows[] = {
    TUNING_ROWS(struct { struct tuning tuning; }, tuning),
    { 0 },
};

int tuning_arguments(const struct tuning *tuning, struct bytes *out)
{
    for (const struct option_row *row = rows; row->name; row++) {
        const void *at = (const char *)tuning + row->offset;
        bytes_printf(out, "--%s", row->name);
        bytes_append_char(out, '\0');
        if (row->type == OPTION_CHOICE)
            bytes_append_text(out, *(const char *const *)at);
        else
            bytes_printf(out, "%" PRId64, *(const int64_t *)at);
        bytes_append_char(out, '\0');
    }
    return bytes_error(out);
}
