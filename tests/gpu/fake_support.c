/* fake_support.c: what tests/fake_gpu.c wants of tests/test.c, for a program that is no test. */
#include "tests/test.h"

#include <stdarg.h>

void test_fail(const char *file, int line, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "%s:%d: ", file, line);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    abort();
}
