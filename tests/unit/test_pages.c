#include "common/pages.h"

#include "tests/test.h"

#include <stdint.h>
#include <unistd.h>

TEST(what_is_taken_is_zeroed_on_lines_of_the_cache_and_apart)
{
    struct pages pages = { .chunks = NULL };
    char *taken[100];
    for (size_t i = 0; i < 100; i++) {
        size_t size = 1 + i * i * 100;
        taken[i] = pages_take(&pages, size);
        CHECK(taken[i] && (uintptr_t)taken[i] % PAGES_ALIGNMENT == 0);
        for (size_t k = 0; k < size; k++)
            CHECK(taken[i][k] == 0);
        memset(taken[i], (int)i, size);
    }
    for (size_t i = 0; i < 100; i++)
        CHECK(taken[i][0] == (char)i && taken[i][i * i * 100] == (char)i);
    pages_done(&pages);
    CHECK(!pages.chunks);
}

TEST(what_is_larger_than_a_chunk_gets_one_of_its_own)
{
    struct pages pages = { .chunks = NULL };
    const size_t size = (size_t)40 << 20;
    char *large = pages_take(&pages, size), *small = pages_take(&pages, 0);
    CHECK(large && small);
    large[0] = large[size - 1] = 1;
    *small = 2;
    CHECK(large[0] == 1 && large[size - 1] == 1);
    pages_done(&pages);
    pages_done(&pages);
}

TEST(sizes_that_no_machine_has_are_refused)
{
    struct pages pages = { .chunks = NULL };
    CHECK(!pages_take(&pages, SIZE_MAX));
    CHECK(!pages_take(&pages, SIZE_MAX - 63));
    CHECK(!pages_take(&pages, (size_t)1 << 62));
    CHECK(!pages.chunks);
    pages_done(&pages);
}

/* What the kernel says of the mapping with this address: huge pages are advised there. */
TEST(huge_pages_are_asked_for)
{
    struct pages pages = { .chunks = NULL };
    char line[512], *memory = pages_take(&pages, 1);
    bool inside = false, advised = false;
    if (access("/sys/kernel/mm/transparent_hugepage", F_OK) < 0)
        test_skip("this kernel has no huge pages");
    FILE *maps = fopen("/proc/self/smaps", "r");
    CHECK(maps && memory);
    while (fgets(line, sizeof(line), maps)) {
        uintptr_t from, to;
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
            inside = (uintptr_t)memory >= from && (uintptr_t)memory < to;
        else if (inside && strstr(line, "VmFlags:"))
            advised = strstr(line, " hg");
    }
    CHECK_INT(fclose(maps), 0);
    CHECK(advised);
    pages_done(&pages);
}
