#include "coordinator/source/filter.h"

#include "proto/limits.h"

#include <fnmatch.h>
#include <string.h>

static bool matches_any(char *const *patterns, int count, const char *name)
{
    for (int i = 0; i < count; i++)
        if (!fnmatch(patterns[i], name, 0))
            return true;
    return false;
}

bool filter_wants(const struct filter *filter, const char *name, size_t size)
{
    if ((!filter->include_count && !filter->exclude_count) || size > LIMIT_URI)
        return true;
    char text[LIMIT_URI + 1];
    memcpy(text, name, size);
    text[size] = '\0';
    return (!filter->include_count || matches_any(filter->include, filter->include_count, text)) &&
           !matches_any(filter->exclude, filter->exclude_count, text);
}
