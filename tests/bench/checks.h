/* checks.h: what the checks of tests/cluster/lib end in when a benchmark uses them; the test programs have another. Included once a program.
 *
 * Errors: ends the program with a sentence and status 1. */
#pragma once

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/test.h"

void test_fail(const char *file, int line, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "%s:%d: ", file, line);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    exit(1);
}
