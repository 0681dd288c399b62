/* --max-errors: a job most of whose images fail ends early, and can be gone on with. */
#include "tests/cluster/lib/cluster.h"

/* Every other image is nowhere. */
static void gather(int count)
{
    CHECK_INT(test_shell(NULL, "for i in $(seq 1 %d); do [ $((i %% 2)) = 0 ] || echo x >$i.jpg; echo $PWD/$i.jpg; done >list", count), 0);
}

/* One image after the other, so that most are not computed yet when the sixth has failed. */
#define RUN(name, ...) COORDINATE(name, "run", "--engine", "sim", "--decode", "none", "--sim-cost-us", "30000", "--engine-batch", "1", "--engine-threads", "1", "--batch", "2", __VA_ARGS__, "@list")

TEST(a_job_stops_when_more_images_fail_than_it_may_lose_and_goes_on_later)
{
    gather(400); /* six seconds of work, of which a coordinator that stands still for long leaves enough */
    CHECK_INT(RUN("run", "--max-errors", "5", "--job", "job"), 1);
    check_contains("run.err", "images have failed in this run, more than --max-errors 5 allows; see ");
    check_contains("run.err", "go on with: ");
    int before = job_done("job");
    CHECK(before >= 12 && before < 350);
    CHECK_INT(COORDINATE("again", "resume", "job"), 1); /* as it ran last: five more */
    CHECK(job_done("job") >= before + 12);
    CHECK_INT(COORDINATE("resume", "resume", "--max-errors", "400", "--sim-cost-us", "0", "job"), 0);
    check_contains("resume.out", "without a prediction  200");
}

TEST(a_job_that_loses_no_more_than_it_may_ends_as_usual)
{
    gather(40);
    CHECK_INT(RUN("run", "--max-errors", "20", "--job", "job"), 0);
    CHECK_INT(test_shell(NULL, "for i in $(seq 1 38); do echo x >$i.jpg; done"), 0);
    CHECK_INT(COORDINATE("retry", "retry", "--max-errors", "1", "job"), 0); /* one is still nowhere */
    check_contains("retry.out", "without a prediction  1");
}

TEST(a_job_that_loses_too_many_with_its_last_images_has_its_tables_and_says_so)
{
    gather(4);
    CHECK_INT(COORDINATE("run", "run", "--engine", "sim", "--decode", "none", "--max-errors", "1", "--job", "job", "@list"), 3);
    check_contains("run.err", "2 images have failed in this run, more than --max-errors 1 allows; it was known when nothing was left to stop: every image has a row");
    check_contains("run.out", "without a prediction  2");
}

TEST(what_a_job_lost_too_many_of_is_said_where_its_tables_cannot_be_written_too)
{
    gather(4);
    CHECK_INT(COORDINATE("run", "run", "--engine", "sim", "--decode", "none", "--max-errors", "1", "--output", "/proc/nowhere", "--job", "job", "@list"), 1);
    check_contains("run.err", "2 images have failed in this run, more than --max-errors 1 allows");
    check_contains("run.err", "every image is done and safe; write its tables elsewhere with: ");
}

TEST(not_one_image_may_fail_where_none_is_allowed_to)
{
    gather(40);
    CHECK_INT(RUN("run", "--max-errors", "0", "--job", "job"), 1);
    check_contains("run.err", "1 image has failed in this run, more than --max-errors 0 allows");
}
