#include "common/why.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* In parentheses because of the macros for `make lint`. */
int (because)(struct why *why, int r, const char *format, ...)
{
    if (!why)
        return r;
    va_list args;
    va_start(args, format);
    vsnprintf(why->text, sizeof(why->text), format, args);
    va_end(args);
    return r;
}

int (because_in)(struct why *why, int r, const char *format, ...)
{
    if (!why)
        return r;
    char context[sizeof(why->text)];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(context, sizeof(context) - 2, format, args);
    va_end(args);
    if (length < 0)
        return r;
    strcat(context, ": ");
    size_t used = strlen(context);
    size_t rest = strnlen(why->text, sizeof(why->text) - 1 - used);
    memmove(why->text + used, why->text, rest);
    memcpy(why->text, context, used);
    why->text[used + rest] = '\0';
    return r;
}
