#include "common/arena.h"

#include "tests/test.h"

#include <stdint.h>

TEST(what_is_taken_is_zeroed_aligned_and_apart)
{
    struct arena arena;
    arena_init(&arena, 1 << 20);
    char *before = NULL;
    for (size_t size = 1; size < 300; size++) {
        char *p = arena_take(&arena, size);
        CHECK(p && (uintptr_t)p % _Alignof(max_align_t) == 0);
        for (size_t i = 0; i < size; i++)
            CHECK(p[i] == 0);
        memset(p, 0xff, size);
        CHECK(!before || before[0] == (char)0xff);
        before = p;
    }
    arena_done(&arena);
    CHECK_INT(arena.used, 0);
}

TEST(one_thing_may_be_larger_than_a_chunk)
{
    struct arena arena;
    arena_init(&arena, 1 << 20);
    CHECK(arena_take(&arena, 10));
    char *big = arena_take(&arena, 500000);
    CHECK(big);
    memset(big, 1, 500000);
    CHECK(arena_take(&arena, 10));
    arena_done(&arena);
}

TEST(the_cap_holds_also_for_many_tiny_things)
{
    struct arena arena;
    arena_init(&arena, 16000);
    size_t count = 0;
    while (arena_take(&arena, 1))
        count++;
    CHECK_INT(count, 1000);
    CHECK(!arena_take(&arena, 1));
    CHECK(arena_take(&arena, 0));
    arena_done(&arena);
    CHECK(arena_take(&arena, 1));
    arena_done(&arena);
}

TEST(sizes_that_would_wrap_are_refused)
{
    struct arena arena;
    arena_init(&arena, SIZE_MAX);
    CHECK(!arena_take(&arena, SIZE_MAX));
    CHECK(!arena_take(&arena, SIZE_MAX - 14));
    CHECK_INT(arena.used, 0);
    arena_done(&arena);
}
