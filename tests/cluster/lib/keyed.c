#include "tests/cluster/lib/keyed.h"

#include "tests/cluster/lib/cluster.h"

#include <sys/stat.h>

void make_keys(void)
{
    CHECK_INT(COORDINATE("keygen", "keygen", "keys"), 0);
    CHECK_INT(COORDINATE("keygen-2", "keygen", "keys", "second", "stranger"), 0);
    CHECK_INT(mkdir("authorized", 0755), 0);
    CHECK_INT(test_shell(NULL, "cp keys/coordinator.pub authorized/one.pub"), 0);
}

void expect_table(const char *images)
{
    CHECK_INT(COORDINATE("expected", "run", "--local", "1", "--engine", "sim", "--job", "expected", images), 0);
}
