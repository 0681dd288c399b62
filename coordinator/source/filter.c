#include "coordinator/source/filter.h"

#include "proto/limits.h"

#include <fnmatch.h>
#include <string.h>

static bool matches_any(const struct texts *patterns, const char *name)
{
    for (int i = 0; i < patterns->count; i++)
        if (!fnmatch(patterns->text[i], name, 0))
            return true;
    return false;
}

bool filter_wants(const struct texts *include, const struct texts *exclude, const char *name, size_t size)
{
    bool including = include && include->count, excluding = exclude && exclude->count;
    if ((!including && !excluding) || size > LIMIT_URI)
        return true;
    char text[LIMIT_URI + 1];
    memcpy(text, name, size);
    text[size] = '\0';
    return (!including || matches_any(include, text)) && !(excluding && matches_any(exclude, text));
}
