#include "tests/cluster/lib/preload.h"

#include "tests/cluster/lib/process.h"

#include <limits.h>
#include <unistd.h>

void preload(const char *name, const char *variable, const char *orders)
{
    char library[PATH_MAX];
    if (is_sanitized())
        test_skip("a sanitizer wants to be the first library");
    snprintf(library, sizeof(library), "%s/tests/preload/%s.so", test_build(), name);
    CHECK_INT(access(library, R_OK), 0);
    CHECK_INT(setenv("LD_PRELOAD", library, 1), 0);
    if (variable)
        CHECK_INT(setenv(variable, orders, 1), 0);
}

/* Orders without the library are nobody's. */
void preload_none(void)
{
    CHECK_INT(unsetenv("LD_PRELOAD"), 0);
}
