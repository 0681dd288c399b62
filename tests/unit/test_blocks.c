#include "worker/blocks.h"

#include "tests/test.h"

#include <stdint.h>

TEST(a_block_that_was_given_back_is_used_again)
{
    struct blocks blocks;
    blocks_init(&blocks, 1 << 20);
    char *a = blocks_take(&blocks, 100000), *b = blocks_take(&blocks, 100001);
    memset(a, 1, blocks_size(100000));
    CHECK(a && b && a != b);
    blocks_give(&blocks, a, 100000);
    CHECK_INT(blocks.kept, blocks_size(100000));
    CHECK(blocks_take(&blocks, 110000) == a); /* the same class */
    CHECK_INT(blocks.kept, 0);
    blocks_give(&blocks, a, 110000);
    blocks_give(&blocks, b, 100001);
    blocks_give(&blocks, NULL, 5);
    blocks_done(&blocks);
}

TEST(no_more_is_kept_than_the_limit)
{
    struct blocks blocks;
    char *held[40];
    blocks_init(&blocks, 300000);
    for (int i = 0; i < 40; i++)
        CHECK((held[i] = blocks_take(&blocks, (size_t)i * 40000)));
    for (int i = 0; i < 40; i++)
        blocks_give(&blocks, held[i], (size_t)i * 40000);
    CHECK(blocks.kept > 0 && blocks.kept <= 300000);
    blocks_done(&blocks);
}

TEST(the_largest_block_that_is_kept_may_fill_the_limit)
{
    const size_t largest = (size_t)BLOCK_CLASSES << 15;
    struct blocks blocks;
    blocks_init(&blocks, largest);
    char *block = blocks_take(&blocks, largest), *larger = blocks_take(&blocks, largest + 1);
    CHECK(block && larger);
    blocks_give(&blocks, larger, largest + 1);
    CHECK_INT(blocks.kept, 0);
    blocks_give(&blocks, block, largest);
    CHECK_INT(blocks.kept, largest);
    CHECK(blocks_take(&blocks, largest) == block);
    blocks_give(&blocks, block, largest);
    blocks_done(&blocks);
}

TEST(a_block_is_never_smaller_than_asked_nor_much_larger)
{
    for (size_t size = 0; size < 2000000; size += 999) {
        CHECK(blocks_size(size) >= size && blocks_size(size) <= size + (32 << 10));
        CHECK_INT(blocks_size(blocks_size(size)), blocks_size(size));
    }
}
