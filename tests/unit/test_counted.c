#include "common/counted.h"

#include "tests/test.h"

#include <stdio.h>
#include <string.h>

TEST(one_is_one_and_all_other_numbers_are_many)
{
    CHECK_STR(COUNTED(0, "batch", "batches"), "0 batches");
    CHECK_STR(COUNTED(1, "batch", "batches"), "1 batch");
    CHECK_STR(COUNTED(2, "batch", "batches"), "2 batches");
    CHECK_STR(COUNTED(UINT64_MAX, "x", "y"), "18446744073709551615 y");
}

TEST(two_in_one_sentence_do_not_disturb_each_other)
{
    char text[64];
    snprintf(text, sizeof(text), "%s in %s", COUNTED(1, "image", "images"), COUNTED(3, "batch", "batches"));
    CHECK_STR(text, "1 image in 3 batches");
}

TEST(a_text_that_does_not_fit_is_cut)
{
    char long_text[2 * COUNTED_MAX];
    memset(long_text, 'x', sizeof(long_text) - 1);
    long_text[sizeof(long_text) - 1] = '\0';
    CHECK_INT(strlen(COUNTED(1, long_text, "")), COUNTED_MAX - 1);
}
