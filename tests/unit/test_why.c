#include "common/why.h"

#include "tests/test.h"

TEST(a_reason_is_written_and_the_code_returned)
{
    struct why why;
    CHECK_INT(because(&why, -EINVAL, "%s: bad", "file"), -EINVAL);
    CHECK_STR(why.text, "file: bad");
    CHECK_INT(because(NULL, -EIO, "unheard"), -EIO);
}

TEST(context_goes_before_the_sentence)
{
    struct why why;
    because(&why, -EINVAL, "bad");
    CHECK_INT(because_in(&why, -EINVAL, "%s", "file"), -EINVAL);
    CHECK_STR(why.text, "file: bad");
}

TEST(a_long_sentence_is_cut_and_never_overflows)
{
    struct why why;
    char big[4096];
    memset(big, 'x', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    because(&why, -EINVAL, "%s", big);
    CHECK_INT(strlen(why.text), sizeof(why.text) - 1);
    because_in(&why, -EINVAL, "%s", big);
    CHECK_INT(strlen(why.text), sizeof(why.text) - 1);
}
