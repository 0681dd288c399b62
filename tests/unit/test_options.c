#include "common/options.h"

#include "tests/test.h"

struct target {
    bool flag;
    int64_t number, size;
    const char *text, *choice;
};

#define AT(member) offsetof(struct target, member)

static const struct option_row table[] = {
    { 'f', "flag", OPTION_FLAG, AT(flag), NULL, "turns it on", 0, 0, NULL },
    { 'n', "number", OPTION_INT, AT(number), "N", "a number", -5, 100, NULL },
    { 0, "size", OPTION_SIZE, AT(size), "SIZE", "bytes", 1, INT64_MAX, NULL },
    { 't', "text", OPTION_TEXT, AT(text), "TEXT", "any words", 0, 0, NULL },
    { 0, "choice", OPTION_CHOICE, AT(choice), "NAME", "one of a few", 0, 0, "red|green|blue" },
    { 0 },
};

/* Parses up to ten words behind a program's name. */
static int parse(struct target *target, int *first, struct why *why, const char *const *words)
{
    static char *argv[12];
    int argc = 1;
    argv[0] = (char *)"prog";
    for (; words[argc - 1]; argc++)
        argv[argc] = (char *)words[argc - 1];
    argv[argc] = NULL;
    *target = (struct target){ .number = 7, .text = "default" };
    why->text[0] = '\0';
    return options_parse(table, target, argc, argv, first, why);
}

#define PARSE(...) parse(&target, &first, &why, (const char *const[]){ __VA_ARGS__, NULL })
#define VARIABLES      \
    struct target target; \
    struct why why;    \
    int first

TEST(every_type_is_read_in_every_form)
{
    VARIABLES;
    CHECK_INT(PARSE("-f", "-n", "3", "--size=2M", "--text", "a b", "--choice=green"), 0);
    CHECK(target.flag && target.number == 3 && target.size == 2 << 20);
    CHECK_STR(target.text, "a b");
    CHECK_STR(target.choice, "green");
    CHECK_INT(first, 8);
    CHECK_INT(PARSE("--number=-5", "-tx", "--size", "3T"), 0);
    CHECK(target.number == -5 && target.size == 3ll << 40 && !target.flag);
    CHECK_STR(target.text, "x");
}

TEST(what_is_not_given_keeps_its_default_and_operands_go_behind)
{
    VARIABLES;
    CHECK_INT(PARSE("one", "-f", "two", "--", "-n"), 0);
    CHECK(target.flag && target.number == 7);
    CHECK_STR(target.text, "default");
    CHECK_INT(first, 3);
}

TEST(a_number_is_checked_against_its_limits)
{
    VARIABLES;
    static const char *const outside[] = { "-6", "101", "99999999999999999999", "-99999999999999999999" };
    static const char *const none[] = { "", "x", "3x", "3K", "1.5", "0x10", "3 " };
    for (size_t i = 0; i < 4; i++) {
        CHECK_INT(PARSE("--number", outside[i]), -EINVAL);
        CHECK_CONTAINS(why.text, "is outside -5 to 100");
        CHECK_CONTAINS(why.text, outside[i]);
    }
    for (size_t i = 0; i < 7; i++) {
        CHECK_INT(PARSE("--number", none[i]), -EINVAL);
        CHECK_CONTAINS(why.text, "--number: ");
        CHECK_CONTAINS(why.text, "is not a whole number");
    }
    CHECK_INT(target.number, 7);
}

TEST(a_size_may_have_a_unit_and_not_overflow)
{
    VARIABLES;
    CHECK_INT(PARSE("--size", "8388607T"), 0);
    CHECK(target.size == 8388607ll << 40);
    CHECK_INT(PARSE("--size", "8388608T"), -EINVAL);
    CHECK_STR(why.text, "--size: 8388608T is too large");
    CHECK_INT(PARSE("--size", "0"), -EINVAL);
    CHECK_STR(why.text, "--size: 0 is less than 1");
    CHECK_INT(PARSE("--size", "-1K"), -EINVAL);
    CHECK_STR(why.text, "--size: -1K is less than 1");
    CHECK_INT(PARSE("--size", "1KK"), -EINVAL);
    CHECK_CONTAINS(why.text, "is not a size such as 500M or 2G");
}

TEST(a_choice_is_one_whole_word_of_the_list)
{
    VARIABLES;
    static const char *const wrong[] = { "", "re", "redd", "red|green", "|", "yellow" };
    for (size_t i = 0; i < 6; i++) {
        CHECK_INT(PARSE("--choice", wrong[i]), -EINVAL);
        CHECK_CONTAINS(why.text, "is not one of red|green|blue");
    }
    CHECK_INT(PARSE("--choice", "blue"), 0);
    CHECK_STR(target.choice, "blue");
}

TEST(what_is_wrong_with_the_words_is_said)
{
    VARIABLES;
    CHECK_INT(PARSE("--nonsense"), -EINVAL);
    CHECK_STR(why.text, "prog takes no option --nonsense");
    CHECK_INT(PARSE("--nonsense=5"), -EINVAL);
    CHECK_STR(why.text, "prog takes no option --nonsense");
    CHECK_INT(PARSE("-fx"), -EINVAL);
    CHECK_STR(why.text, "prog takes no option -x");
    CHECK_INT(PARSE("--number"), -EINVAL);
    CHECK_STR(why.text, "--number needs a value");
    CHECK_INT(PARSE("-n"), -EINVAL);
    CHECK_STR(why.text, "-n needs a value");
    CHECK_INT(PARSE("--flag=yes"), -EINVAL);
    CHECK_STR(why.text, "--flag takes no value");
    CHECK_INT(PARSE("--fl=yes"), -EINVAL);
    CHECK_STR(why.text, "--flag takes no value");
}

TEST(an_empty_text_is_refused_on_the_command_line)
{
    VARIABLES;
    CHECK_INT(PARSE("--text", ""), -EINVAL);
    CHECK_STR(why.text, "--text: its value is empty; give one, or leave the option out");
    CHECK_INT(PARSE("--text="), -EINVAL);
    CHECK_INT(PARSE("-t", ""), -EINVAL);
    CHECK_INT(options_set(table, &target, "text", "", &why), 0); /* a line of a file was written on purpose */
    CHECK_STR(target.text, "");
}

TEST(an_abbreviation_of_several_options_is_told_which)
{
    VARIABLES;
    static const struct option_row similar[] = {
        { 0, "node", OPTION_INT, AT(number), "N", "one", 0, 9, NULL },
        { 0, "node-key", OPTION_TEXT, AT(text), "TEXT", "two", 0, 0, NULL },
        { 0, "nodes", OPTION_TEXT, AT(text), "TEXT", "three", 0, 0, NULL },
        { 0 },
    };
    char *argv[] = { (char *)"/usr/bin/prog", (char *)"--no=3", NULL };
    CHECK_INT(options_parse(similar, &target, 2, argv, &first, &why), -EINVAL);
    CHECK_STR(why.text, "--no may be --node, --node-key, --nodes");
    argv[1] = (char *)"--node=3";
    CHECK_INT(options_parse(similar, &target, 2, argv, &first, &why), 0);
    argv[1] = (char *)"--key";
    CHECK_INT(options_parse(similar, &target, 2, argv, &first, &why), -EINVAL);
    CHECK_STR(why.text, "prog takes no option --key");
}

TEST(an_option_counts_as_given_though_it_says_what_holds_anyway)
{
    VARIABLES;
    char *argv[] = { (char *)"prog", (char *)"operand", (char *)"-n", (char *)"7", (char *)"--te=default", (char *)"--", (char *)"--size", NULL };
    target = (struct target){ .number = 7, .text = "default" };
    CHECK_INT(options_parse(table, &target, 7, argv, &first, &why), 0);
    CHECK(options_given(table, 7, argv, "number") && options_given(table, 7, argv, "text"));
    CHECK(!options_given(table, 7, argv, "size") && !options_given(table, 7, argv, "flag"));
    CHECK_INT(options_parse(table, &target, 7, argv, &first, &why), 0);
    CHECK_STR(argv[first], "operand");
}

TEST(help_shows_every_row)
{
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    options_print(table, out);
    fclose(out);
    int lines = 0;
    for (const char *c = text; *c; c++)
        lines += *c == '\n';
    CHECK_INT(lines, 5);
    for (const struct option_row *row = table; row->name; row++) {
        CHECK_CONTAINS(text, row->name);
        CHECK_CONTAINS(text, row->help);
    }
    CHECK_CONTAINS(text, "-n, --number N ");
    CHECK_CONTAINS(text, "(red|green|blue)");
    free(text);
}

TEST(two_targets_differ_where_their_values_do)
{
    struct target a = { .number = 7, .text = "one" }, b = { .number = 7, .text = "one" };
    char copy[] = "one";
    b.text = copy;
    for (const struct option_row *row = table; row->name; row++)
        CHECK(!options_differ(row, &a, &b));
    b = (struct target){ .flag = true, .number = 8, .size = 1, .text = NULL, .choice = "red" };
    for (const struct option_row *row = table; row->name; row++)
        CHECK(options_differ(row, &a, &b) && options_differ(row, &b, &a));
}
