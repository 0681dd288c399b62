#include "tests/temporary.h"

#include <stdio.h>
#include <stdlib.h>

char *temporary_name(char out[TEMPORARY_NAME], const char *name)
{
    const char *set = getenv("TMPDIR");
    if (snprintf(out, TEMPORARY_NAME, "%s/%s-XXXXXX", set && *set == '/' ? set : "/tmp", name) >= TEMPORARY_NAME)
        *out = '\0';
    return out;
}
