#include "common/s3/skew.h"

#include "common/log.h"
#include "tests/test.h"

#include <unistd.h>

static void check_said(time_t offset_s, const char *expected)
{
    int kept = dup(2);
    CHECK(freopen("log", "w", stderr));
    skew_warn(offset_s, "sts.example.org");
    dup2(kept, 2);
    close(kept);
    char *text = test_read_file("log", NULL);
    CHECK_CONTAINS(text, expected);
    free(text);
}

TEST(a_clock_that_is_wrong_is_told_with_what_to_do_about_it)
{
    log_open("skew", LOG_LEVEL_INFO);
    check_said(7200, "the clock here is 7200 s behind that of sts.example.org, which signatures follow from now on; set this machine's clock");
    check_said(-90, "the clock here is 90 s ahead of that of sts.example.org");
}

TEST(a_clock_that_was_set_is_told_to_be_right)
{
    log_open("skew", LOG_LEVEL_INFO);
    check_said(0, "the clock here has been set: it agrees with that of sts.example.org, and signatures follow it again");
    check_said(1 - SKEW_MIN_S, "it agrees with that of");
}

TEST(a_difference_of_seconds_is_none)
{
    time_t now = time(NULL);
    CHECK_INT(skew_of(0), 0);
    CHECK_INT(skew_of(now), 0);
    CHECK_INT(skew_of(now + SKEW_MIN_S / 2), 0);
    CHECK(skew_of(now + 3600) > 3600 - SKEW_MIN_S / 2);
    CHECK(skew_of(now - 3600) < SKEW_MIN_S / 2 - 3600);
}
