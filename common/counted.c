#include "common/counted.h"

#include <inttypes.h>
#include <stdio.h>

const char *counted(char text[COUNTED_MAX], uint64_t n, const char *one, const char *many)
{
    snprintf(text, COUNTED_MAX, "%" PRIu64 " %s", n, n == 1 ? one : many);
    return text;
}
