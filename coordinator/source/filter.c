#include "coordinator/source/filter.h"

#include "common/program.h"
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

/* A final * that is one, which matches whatever follows. */
static bool is_open(const char *pattern)
{
    size_t size = strlen(pattern), escapes = 0;
    while (size > escapes + 1 && pattern[size - 2 - escapes] == '\\')
        escapes++;
    return size && pattern[size - 1] == '*' && escapes % 2 == 0;
}

bool filter_leaves_folder(const struct filter *filter, const char *name, size_t size)
{
    char text[LIMIT_URI + 1];
    if (size > LIMIT_URI)
        return false;
    memcpy(text, name, size);
    text[size] = '\0';
    for (int i = 0; i < filter->exclude_count; i++)
        if (is_open(filter->exclude[i]) && !fnmatch(filter->exclude[i], text, 0))
            return true;
    return false;
}

/* FNV-1a alone leaves its lower bits too regular for numbered names. */
static bool is_in_sample(uint32_t sample, const char *name, size_t size)
{
    uint64_t hash = 0xcbf29ce484222325u;
    if (sample < 2)
        return true;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ (unsigned char)name[i]) * 0x100000001b3u;
    hash = (hash ^ (hash >> 33)) * 0xff51afd7ed558ccdu;
    hash = (hash ^ (hash >> 33)) * 0xc4ceb9fe1a85ec53u;
    return (hash ^ (hash >> 33)) % sample == 0;
}

bool filter_wants(const struct filter *filter, const char *name, size_t size)
{
    if (!is_in_sample(filter->sample, name, size))
        return false;
    if ((!filter->include_count && !filter->exclude_count) || size > LIMIT_URI)
        return true;
    char text[LIMIT_URI + 1];
    memcpy(text, name, size);
    text[size] = '\0';
    return (!filter->include_count || matches_any(filter->include, filter->include_count, text)) &&
           !matches_any(filter->exclude, filter->exclude_count, text);
}

void filter_put_folder(struct bytes *out, const char *name, size_t size)
{
    struct bytes pattern;
    bytes_init(&pattern, (size_t)2 * LIMIT_URI + 2);
    for (size_t i = 0; i < size; i++) {
        if (strchr("*?[\\", name[i]))
            bytes_append_char(&pattern, '\\');
        bytes_append_char(&pattern, name[i]);
    }
    bytes_append_char(&pattern, '*');
    if (bytes_error(&pattern))
        bytes_fail(out, bytes_error(&pattern));
    else
        program_quote(out, pattern.data);
    bytes_done(&pattern);
}
