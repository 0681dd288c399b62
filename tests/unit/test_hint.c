#include "coordinator/hint.h"

#include "common/cleanup.h"
#include "tests/test.h"

static void round_trip(const char *const *words, int count)
{
    struct bytes text;
    char *back[8];
    bytes_init(&text, 4096);
    for (int i = 0; i < count; i++)
        hint_word(&text, words[i]);
    fprintf(stderr, "%s\n", text.data);
    CHECK_INT(hint_split(text.data, back, 8), count);
    for (int i = 0; i < count; i++)
        CHECK_STR(back[i], words[i]);
    bytes_done(&text);
}

TEST(words_that_were_quoted_for_a_shell_are_the_same_when_they_are_read_again)
{
    static const char *const words[] = { "--nodes", "/a b/it's 'here'", "", "\xff\n\t\\", "''", "--group", "a=b,c", "$(x) `y` \"z\"" };
    round_trip(words, ARRAY_SIZE(words));
    round_trip(words + 2, 1);
}

TEST(what_is_no_list_of_words_is_refused)
{
    char *words[2], open[] = " --nodes 'a", many[] = " a b c", escape[] = " a\\", none[] = "", spaces[] = "   ";
    CHECK_INT(hint_split(open, words, 2), -EINVAL);
    CHECK_INT(hint_split(many, words, 2), -E2BIG);
    CHECK_INT(hint_split(escape, words, 2), -EINVAL);
    CHECK_INT(hint_split(none, words, 2), 0);
    CHECK_INT(hint_split(spaces, words, 2), 0);
}
