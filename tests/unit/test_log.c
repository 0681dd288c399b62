#include "common/log.h"

#include "tests/test.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static int stderr_to(const char *path)
{
    int kept = dup(2), file = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0600);
    dup2(file, 2);
    close(file);
    return kept;
}

static void check_log(int kept, const char *expected)
{
    dup2(kept, 2);
    char *text = test_read_file("log", NULL);
    CHECK_STR(text, expected);
    free(text);
}

static void set_journal_to_stderr(void)
{
    char text[64];
    struct stat status;
    fstat(2, &status);
    snprintf(text, sizeof(text), "%llu:%llu", (unsigned long long)status.st_dev, (unsigned long long)status.st_ino);
    setenv("JOURNAL_STREAM", text, 1);
}

TEST(a_line_has_the_programs_name_and_no_control_bytes)
{
    int kept = stderr_to("log");
    log_open("prog", LOG_LEVEL_INFO);
    log_info("a\nb\tc\x1b[31m\x7f d %s", "\xc3\xa9");
    log_debug("unheard");
    check_log(kept, "prog: a?b?c?[31m? d \xc3\xa9\n");
}

TEST(the_journal_gets_levels_and_no_name)
{
    int kept = stderr_to("log");
    set_journal_to_stderr();
    log_open("prog", LOG_LEVEL_DEBUG);
    log_error("e");
    log_warning("w");
    log_info("i");
    log_debug("d");
    check_log(kept, "<3>e\n<4>w\n<6>i\n<7>d\n");
}

TEST(a_journal_that_stderr_does_not_go_to_changes_nothing)
{
    int kept = stderr_to("log");
    setenv("JOURNAL_STREAM", "1:1", 1);
    log_open("prog", LOG_LEVEL_INFO);
    log_error("e");
    setenv("JOURNAL_STREAM", "nonsense", 1);
    log_open("prog", LOG_LEVEL_INFO);
    log_error("e");
    check_log(kept, "prog: e\nprog: e\n");
}

TEST(a_long_line_is_cut_and_still_ends)
{
    char big[10000];
    size_t size;
    int kept = stderr_to("log");
    memset(big, 'x', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    log_open("prog", LOG_LEVEL_INFO);
    log_info("%s", big);
    dup2(kept, 2);
    char *text = test_read_file("log", &size);
    CHECK(size > 4000 && size <= 4096 && text[size - 1] == '\n' && text[size - 2] == 'x');
    free(text);
}

static void say_before(void)
{
    (void)!write(2, "[", 1);
}

static void say_after(void)
{
    (void)!write(2, "]", 1);
}

TEST(what_stands_around_a_line_is_called_for_it_alone)
{
    int kept = stderr_to("log");
    log_open("p", LOG_LEVEL_INFO);
    log_around(say_before, say_after);
    log_info("1");
    log_debug("2");
    log_around(NULL, NULL);
    log_info("3");
    check_log(kept, "[p: 1\n]p: 3\n");
}
