#include "coordinator/noderange.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MAX_BYTES 300 /* above any name that can be used */
#define DIGITS_MAX     9

struct expansion {
    const char *text; /* as it was written */
    size_t size;
    char name[NAME_MAX_BYTES + 1];
    int max;
    noderange_take *take;
    void *arg;
    struct why *why;
};

static int expand(struct expansion *expansion, size_t used, const char *text, const char *end);

/* Names the whole text. */
static int name_it(const struct expansion *expansion)
{
    return because_in(expansion->why, -EINVAL, "\"%.*s\"", (int)(expansion->size < 80 ? expansion->size : 80), expansion->text);
}

#define wrong(expansion, ...) (because((expansion)->why, -EINVAL, __VA_ARGS__), name_it(expansion))

static int append(struct expansion *expansion, size_t *used, const char *text, size_t size)
{
    if (size > NAME_MAX_BYTES - *used)
        return wrong(expansion, "the name is too long");
    memcpy(expansion->name + *used, text, size);
    *used += size;
    return 0;
}

/* The digits at `*at`, which moves behind them. */
static int read_number(struct expansion *expansion, const char **at, long *ret, int *ret_digits)
{
    size_t digits = strspn(*at, "0123456789");
    if (!digits || digits > DIGITS_MAX)
        return wrong(expansion, "a range has numbers of at most %d digits in it, like [01-04] or [1,3,5-7]", DIGITS_MAX);
    *ret = strtol(*at, NULL, 10);
    *ret_digits = (int)digits;
    *at += digits;
    return 0;
}

/* "3" or "08-10", moving `*at` behind it. */
static int expand_part(struct expansion *expansion, size_t used, const char **at, const char *rest, const char *end)
{
    long first = 0, last = 0;
    int digits = 0, last_digits = 0;
    const char *from = *at;
    int r = read_number(expansion, at, &first, &digits);
    if (r < 0)
        return r;
    last = first;
    last_digits = digits;
    if (**at == '-') {
        ++*at;
        r = read_number(expansion, at, &last, &last_digits);
        if (r < 0)
            return r;
    }
    bool padded = *from == '0' && digits > 1;
    if (padded && digits != last_digits)
        return wrong(expansion, "%.*s: with zeros in front both numbers need as many digits", (int)(*at - from), from);
    if (last < first)
        return wrong(expansion, "%.*s: runs backwards", (int)(*at - from), from);
    if (last - first >= expansion->max)
        return wrong(expansion, "%.*s: more than %d nodes", (int)(*at - from), from, expansion->max);
    for (long number = first; number <= last && r == 0; number++) {
        char text[16];
        size_t here = used;
        int length = snprintf(text, sizeof(text), "%0*ld", padded ? digits : 0, number);
        r = append(expansion, &here, text, (size_t)length);
        if (r == 0)
            r = expand(expansion, here, rest, end);
    }
    return r;
}

/* From '[' on. */
static int expand_range(struct expansion *expansion, size_t used, const char *bracket, const char *end)
{
    const char *close = memchr(bracket, ']', (size_t)(end - bracket));
    char inside[256];
    if (!close)
        return wrong(expansion, "a '[' without ']'");
    if ((size_t)(close - bracket) >= sizeof(inside) || memchr(bracket, '\0', (size_t)(close - bracket)))
        return wrong(expansion, "a range is too long, or has a NUL byte in it");
    snprintf(inside, sizeof(inside), "%.*s", (int)(close - bracket - 1), bracket + 1);
    for (const char *at = inside;; at++) {
        int r = expand_part(expansion, used, &at, close + 1, end);
        if (r < 0 || !*at)
            return r;
        if (*at != ',')
            return wrong(expansion, "[%s]: a range is made of numbers, '-' and ',', like [01-04] or [1,3,5-7]", inside);
    }
}

static int expand(struct expansion *expansion, size_t used, const char *text, const char *end)
{
    const char *bracket = memchr(text, '[', (size_t)(end - text)), *plain = bracket ? bracket : end;
    int r = append(expansion, &used, text, (size_t)(plain - text));
    if (r < 0)
        return r;
    if (bracket)
        return expand_range(expansion, used, bracket, end);
    expansion->name[used] = '\0';
    return strlen(expansion->name) == used ? expansion->take(expansion->arg, expansion->name, expansion->why) :
                                             wrong(expansion, "not a host name: it has a NUL byte in it");
}

int noderange_expand(const char *text, size_t size, int max, noderange_take *take, void *arg, struct why *why)
{
    struct expansion expansion = { .text = text, .size = size, .max = max, .take = take, .arg = arg, .why = why };
    const char *end = text + size, *close = size && *text == '[' ? memchr(text, ']', size) : NULL;
    size_t used = 0;
    if (close && memchr(text, ':', (size_t)(close - text))) {
        int r = append(&expansion, &used, text, (size_t)(close + 1 - text));
        if (r < 0)
            return r;
        text = close + 1;
    }
    return expand(&expansion, used, text, end);
}
