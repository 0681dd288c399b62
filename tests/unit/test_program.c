#include "common/program.h"

#include "tests/test.h"

static void check_quoted(const char *word, const char *expected)
{
    struct bytes out;
    bytes_init(&out, 1000);
    program_quote(&out, word);
    CHECK_STR(out.data, expected);
    bytes_done(&out);
    char *text;
    CHECK_INT(test_shell(&text, "printf %%s %s", expected), 0);
    CHECK_STR(text, word);
    free(text);
}

TEST(a_word_is_quoted_where_a_shell_would_take_it_apart)
{
    check_quoted("a/b-c_d.9,e=f+g@h%i:j", "a/b-c_d.9,e=f+g@h%i:j");
    check_quoted("", "''");
    check_quoted("my build/x", "'my build/x'");
    check_quoted("it's $HOME;*", "'it'\\''s $HOME;*'");
    check_quoted("~/x", "'~/x'");
}

TEST(a_program_is_called_by_the_path_it_was_called_by)
{
    CHECK_STR(program_called(), "sleddog");
    program_remember("sleddog", "build/sleddog");
    CHECK_STR(program_called(), "build/sleddog");
    program_remember("sleddog", "./my sleddog");
    CHECK_STR(program_called(), "'./my sleddog'");
}

TEST(a_program_that_the_shell_found_has_its_name)
{
    program_remember("sleddog", "build/sleddog");
    program_remember("sleddog", "sleddog");
    CHECK_STR(program_called(), "sleddog");
    program_remember("sleddog", NULL);
    CHECK_STR(program_called(), "sleddog");
    program_remember("sleddog", "");
    CHECK_STR(program_called(), "sleddog");
}
