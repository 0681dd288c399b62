#include "worker/demand.h"

#include "tests/test.h"

#include <errno.h>

static struct why why;

/* What a worker with these options, of which `recheck` 0 is none, makes of a job that asks for that. */
static struct tuning fill(const char *own, int own_recheck, const char *precision, int recheck, int expected)
{
    static struct demand demand; /* the result points into it */
    struct tuning tuning = TUNING_DEFAULTS;
    demand = (struct demand){ .recheck = recheck };
    snprintf(demand.precision, sizeof(demand.precision), "%s", precision);
    tuning.precision = own;
    tuning.recheck = own_recheck;
    why.text[0] = '\0';
    CHECK_INT(demand_fill(&demand, &tuning, &why), expected);
    return tuning;
}

static void filled(const char *own, int own_recheck, const char *precision, int recheck, const char *expected, int expected_recheck)
{
    struct tuning tuning = fill(own, own_recheck, precision, recheck, 0);
    CHECK_STR(tuning.precision, expected);
    CHECK_INT(tuning.recheck, expected_recheck);
}

TEST(a_job_decides_what_a_worker_leaves_open)
{
    filled("auto", 0, "", 0, "auto", 0);
    filled("auto", 0, "auto", 0, "auto", 0);
    filled("auto", 0, "f32", 0, "f32", 0);
    filled("auto", 0, "int8", 10, "int8", 10);
    filled("auto", 0, "", 10, "auto", 10);
    filled("int8", 0, "", 10, "int8", 10);
    filled("int8", 0, "int8", 10, "int8", 10);
}

TEST(what_a_job_says_nothing_of_stays_as_the_worker_has_it)
{
    filled("f32", 0, "", 0, "f32", 0);
    filled("auto", 5, "auto", 0, "auto", 5);
    filled("int8", 5, "int8", 0, "int8", 5);
    filled("auto", 5, "int8", 0, "int8", 5);
    filled("auto", 5, "int8", 5, "int8", 5);
}

TEST(a_recheck_of_the_worker_s_own_does_not_stand_in_the_way_of_another_precision)
{
    filled("auto", 5, "f32", 0, "f32", 0);
}

TEST(a_worker_whose_own_options_say_otherwise_refuses_and_says_which)
{
    fill("f32", 0, "int8", 0, -EINVAL);
    CHECK_STR(why.text, "its own options say --precision f32, and the job wants int8; leave it out there, or ask for the same");
    fill("f32", 0, "auto", 10, -EINVAL);
    CHECK_STR(why.text, "its own options say --precision f32, and the job wants --recheck 10, which is for int8; leave it out there, or do not ask for it");
    fill("auto", 5, "int8", 10, -EINVAL);
    CHECK_STR(why.text, "its own options say --recheck 5, and the job wants 10; leave it out there, or ask for the same");
}

static int from_hello(const char *precision, uint32_t recheck, struct demand *ret)
{
    const struct msg_hello hello = { .precision = precision, .recheck = recheck };
    why.text[0] = '\0';
    return demand_from_hello(ret, &hello, &why);
}

TEST(a_demand_is_a_word_and_a_percentage_that_there_are)
{
    struct demand demand, other;
    CHECK_INT(from_hello("bf16", 0, &demand), 0);
    CHECK_STR(demand.precision, "bf16");
    CHECK_INT(from_hello("", 100, &other), 0);
    CHECK_INT(other.recheck, 100);
    CHECK(!demand_equal(&demand, &other));
    CHECK_INT(from_hello("", 0, &demand), 0);
    CHECK(!demand_equal(&demand, &other));
    CHECK_INT(from_hello("auto", 0, &other), 0); /* says nothing either */
    CHECK(demand_equal(&demand, &other));
    CHECK_INT(from_hello("f64", 0, &demand), -EINVAL);
    CHECK_CONTAINS(why.text, "the job wants --precision f64, which this release does not know");
    CHECK_INT(from_hello("int8", 101, &demand), -EINVAL);
    CHECK_CONTAINS(why.text, "--recheck 101; it must be 0 to 100");
}
