#include "coordinator/source/pattern.h"

#include <errno.h>
#include <fnmatch.h>
#include <string.h>

size_t pattern_wildcard_at(const char *text)
{
    return strcspn(text, "*?[");
}

int pattern_parse(struct pattern *pattern, char *text, bool exact, const char *name, struct why *why)
{
    pattern->count = 0;
    for (char *part, *rest = text; (part = strsep(&rest, "/"));) {
        if (!exact && (!*part || !strcmp(part, ".")))
            continue;
        if (pattern->count == PATTERN_COMPONENTS)
            return because(why, -EINVAL, "%.500s: more than %d components from the first wildcard on; use **", name, PATTERN_COMPONENTS);
        pattern->component[pattern->count++] = part;
    }
    return 0;
}

static bool is_deep(const char *component)
{
    return !strcmp(component, "**");
}

uint64_t pattern_match(const struct pattern *pattern, const char *name, uint64_t states)
{
    uint64_t after = 0;
    for (int i = 0; i < pattern->count; i++) {
        if (!(states >> i & 1))
            continue;
        uint64_t passed = i + 1 < pattern->count ? 1ull << (i + 1) : PATTERN_ENTRY;
        if (!is_deep(pattern->component[i])) {
            if (!fnmatch(pattern->component[i], name, FNM_PERIOD))
                after |= passed;
            continue;
        }
        if (i + 1 < pattern->count)
            states |= passed; /* "**" matches nothing: the next component may begin here */
        if (name[0] != '.')
            after |= 1ull << i | (i + 1 < pattern->count ? 0 : PATTERN_ENTRY);
    }
    return after;
}

bool pattern_is_deep(const struct pattern *pattern, uint64_t states)
{
    for (int i = 0; i < pattern->count; i++)
        if (states >> i & 1 && is_deep(pattern->component[i]))
            return true;
    return false;
}
