#include "common/key.h"
#include "common/options.h"

#include "tests/test.h"

#include <sys/stat.h>

struct target {
    bool flag;
    int64_t number;
    const char *text;
};

static const struct option_row table[] = {
    { 0, "flag", OPTION_FLAG, offsetof(struct target, flag), NULL, "f", 0, 0, NULL },
    { 0, "number", OPTION_INT, offsetof(struct target, number), "N", "n", 0, 10, NULL },
    { 0, "config", OPTION_TEXT, offsetof(struct target, text), "FILE", "c", 0, 0, NULL },
    { 0, "text", OPTION_TEXT, offsetof(struct target, text), "T", "t", 0, 0, NULL },
    { 0 },
};

static int read_file(const char *text, size_t size, struct target *target, struct config **ret, struct why *why)
{
    test_write_file("conf", text, size);
    *target = (struct target){ .text = "default" };
    *ret = NULL;
    return config_read("conf", table, target, ret, why);
}

static void check_refused(const char *text, const char *sentence)
{
    struct target target;
    struct config *config;
    struct why why;
    CHECK_INT(read_file(text, strlen(text), &target, &config, &why), -EINVAL);
    CHECK(!config);
    CHECK_STR(why.text, sentence);
}

TEST(lines_set_options_and_the_last_one_counts)
{
    const char text[] = "# comment\n\n  number=3\r\n text = a = b # c \nflag = yes\n\tnumber\t=\t4";
    struct target target;
    struct config *config;
    struct why why;
    CHECK_INT(read_file(text, strlen(text), &target, &config, &why), 0);
    CHECK(target.flag && target.number == 4);
    CHECK_STR(target.text, "a = b # c");
    config_free(config);
}

TEST(a_line_that_could_be_a_key_is_an_option_all_the_same)
{
    const char text[] = "text=/srv/models/resnet50.safetensors.gz";
    struct target target;
    struct config *config;
    struct why why;
    CHECK(key_is_first(text, strlen(text)));
    CHECK_INT(read_file(text, strlen(text), &target, &config, &why), 0);
    CHECK_STR(target.text, "/srv/models/resnet50.safetensors.gz");
    config_free(config);
}

TEST(an_empty_file_changes_nothing)
{
    struct target target;
    struct config *config;
    struct why why;
    CHECK_INT(read_file("", 0, &target, &config, &why), 0);
    CHECK_STR(target.text, "default");
    config_free(config);
    config_free(NULL);
}

TEST(an_error_names_file_and_line)
{
    check_refused("flag = yes\n\n# x\nnumber = 11\n", "conf, line 4: --number: 11 is outside 0 to 10");
    check_refused("flag = yes\nconfig = other.conf", "conf, line 2: config: configuration files do not nest; put the lines of other.conf here");
    check_refused("flag = maybe", "conf, line 1: --flag: \"maybe\" is neither yes nor no");
    check_refused("\nnumbers = 1\n", "conf, line 2: there is no option \"numbers\"");
    check_refused("just words", "conf, line 1: \"just words\" is not of the form name = value");
    check_refused("D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs secret key of worker",
                  "conf, line 1: a key; is this a configuration file? It has lines of the form name = value");
    check_refused("key D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs", "conf, line 1: \"...\" is not of the form name = value");
    check_refused("D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%c", "conf, line 1: \"...\" is not of the form name = value");
    check_refused("q]h<pfdt>=OIySXEuc6V}i4uGq1v$O(JuR4ie{3u", "conf, line 1: a key; is this a configuration file? It has lines of the form name = value");
    check_refused("= 3", "conf, line 1: there is no option \"\"");
}

TEST(what_is_no_configuration_file_is_refused)
{
    struct target target;
    struct config *config;
    struct why why;
    CHECK_INT(read_file("flag = yes\0\n", 12, &target, &config, &why), -EINVAL);
    CHECK_CONTAINS(why.text, "NUL");
    char *big = malloc((1 << 20) + 2);
    memset(big, '\n', (1 << 20) + 2);
    CHECK_INT(read_file(big, (1 << 20) + 1, &target, &config, &why), -EMSGSIZE);
    CHECK_CONTAINS(why.text, "conf: larger than");
    CHECK_INT(read_file(big, 1 << 20, &target, &config, &why), 0);
    config_free(config);
    free(big);
    CHECK_INT(config_read("missing", table, &target, &config, &why), -ENOENT);
    CHECK_CONTAINS(why.text, "missing: No such file");
    mkdir("folder", 0700);
    CHECK_INT(config_read("folder", table, &target, &config, &why), -EIO);
    CHECK_CONTAINS(why.text, "folder: cannot be read; is it a folder?");
}
