#include "tests/cluster/lib/lent.h"

#include "tests/cluster/lib/photos.h"
#include "tests/test.h"

#include <stdio.h>
#include <sys/stat.h>

char lent_hash[SHA256_HEX], lent_in_cache[3][PATH_MAX];
uint64_t lent_size;

void lent_make(const char *path)
{
    struct stat status;
    model_write(path, 1000);
    CHECK_INT(sha256_file(path, lent_hash, NULL), 0);
    CHECK_INT(stat(path, &status), 0);
    lent_size = (uint64_t)status.st_size;
    for (int i = 0; i < 3; i++)
        snprintf(lent_in_cache[i], sizeof(lent_in_cache[i]), "cache%d/sha256-%s", i, lent_hash);
}

uint64_t lent_half(void)
{
    char path[PATH_MAX];
    struct stat status;
    snprintf(path, sizeof(path), "cache0/half-%s", lent_hash);
    return stat(path, &status) == 0 ? (uint64_t)status.st_size : 0;
}
