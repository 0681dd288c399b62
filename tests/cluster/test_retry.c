/* `retry`: what failed in a way that may pass runs again, everything else stays, and the table is that of a run in which nothing failed. */
#include "tests/cluster/lib/cluster.h"
#include "tests/cluster/lib/photos.h"
#include "tests/cluster/lib/table.h"

#include "common/cleanup.h"

#include <jansson.h>
#include <signal.h>
#include <unistd.h>

#define PHOTOS 40
#define GONE   9 /* every fourth but the first */

/* The table of all photos; then a job for which some of them are missing, and one is no picture. */
static void make_job(void)
{
    photos_draw("photos", PHOTOS);
    write_text("photos/b/019.jpg", "no picture");
    CHECK_INT(test_shell(NULL, "ls photos/*/*.jpg | sort -t/ -k3 >list"), 0);
    CHECK_INT(COORDINATE("expected", "run", "--engine", "sim", "--format", "jsonl,csv", "--job", "expected", "@list"), 0);
    CHECK_INT(test_shell(NULL, "mkdir away && for i in 04 08 12 16 20 24 28 32 36; do mv photos/*/0$i.jpg away/; done"), 0);
    CHECK_INT(COORDINATE("first", "run", "--engine", "sim", "--format", "jsonl,csv", "--batch", "7", "--job", "the job", "@list"), 0);
    check_contains("first.err", "9 of the failures may pass; try again with: sleddog-coordinator retry --engine sim '/");
}

static void put_back(void)
{
    CHECK_INT(test_shell(NULL, "mv away/* photos/a/"), 0);
}

static void expect_whole_table(void)
{
    check_same_file("the job/predictions.jsonl", "expected/predictions.jsonl");
    check_same_file("the job/predictions.csv", "expected/predictions.csv");
    CHECK_INT(COORDINATE("status", "status", "the job"), 0);
    check_contains("status.out", "state     complete\n");
    check_contains("status.out", "failed    1 of those\n            unsupported  1\n");
    check_lacks("status.out", "retry");
    CHECK_INT(COORDINATE("strict", "resume", "--strict", "the job"), 3);
    CHECK_INT(COORDINATE("nothing", "retry", "the job"), 0); /* no model is needed for that */
    check_contains("nothing.err", "the job: nothing to retry: no image of this job failed in a way that may pass");
    CHECK_INT(unlink("the job/predictions.csv"), 0);
    CHECK_INT(COORDINATE("nothing", "retry", "--engine", "sim", "the job"), 0);
    check_same_file("the job/predictions.csv", "expected/predictions.csv");
}

TEST(what_failed_in_passing_runs_again_and_nothing_else)
{
    struct table table;
    make_job();
    table_read(&table, "the job/predictions.jsonl");
    CHECK_INT(table.count, PHOTOS);
    CHECK_INT(table_count(&table, "not_found"), GONE);
    CHECK_INT(table_count(&table, "unsupported"), 1);
    table_done(&table);
    CHECK_INT(COORDINATE("status", "status", "the job"), 0);
    check_contains("status.out", "failed    10 of those\n            not_found    9, may be retried\n            unsupported  1\n");
    put_back();
    CHECK_INT(COORDINATE("retry", "retry", "--engine", "sim", "the job"), 0);
    check_contains("retry.err", "9 images that failed in a way that may pass run again; the other rows stay");
    check_lacks("retry.err", "try again with");
    CHECK_INT(images_computed("the job"), GONE);
    expect_whole_table();
}

TEST(a_node_that_did_nothing_but_retries_is_in_the_summary_with_its_stages)
{
    struct daemon daemon;
    make_job();
    put_back();
    WORKER(&daemon, "daemon", "--engine", "sim");
    write_node("nodes", &daemon);
    CHECK_INT(COORDINATE("retry", "retry", "--nodes", "nodes", "--mixed", "the job"), 0);
    CHECK_INT(images_computed("the job"), GONE);
    daemon_stop(&daemon);
}

TEST(what_fails_again_keeps_its_row_and_may_be_retried_again)
{
    struct table table;
    make_job();
    CHECK_INT(test_shell(NULL, "mv away/012.jpg away/020.jpg photos/a/"), 0);
    CHECK_INT(COORDINATE("second", "retry", "--engine", "sim", "--strict", "the job"), 3);
    check_contains("second.err", "7 of the failures may pass; try again with: sleddog-coordinator retry --strict --engine sim '/");
    table_read(&table, "the job/predictions.jsonl");
    CHECK_INT(table.count, PHOTOS);
    CHECK_INT(table_count(&table, "not_found"), GONE - 2);
    CHECK_INT(table_count(&table, ""), PHOTOS - 1 - GONE + 2);
    table_done(&table);
    put_back();
    CHECK_INT(COORDINATE("third", "retry", "--local", "1", "--engine", "sim", "the job"), 0); /* no --strict any more */
    CHECK_INT(images_computed("the job"), GONE - 2);
    expect_whole_table();
}

static long retried(const char *job)
{
    CLEANUP(freep) char *output = NULL;
    long listed, done = -1;
    CHECK_INT(test_shell(&output, "%s/sleddog-coordinator status '%s'", test_build(), job), 0);
    const char *at = strstr(output, "\nretry");
    return at && sscanf(at, "\nretry %ld images that had failed run again, %ld", &listed, &done) == 2 ? done : -1;
}

/* A third of a list of missing files, so that there are many retries of one image each (batches of one). */
static void make_long_job(void)
{
    CHECK_INT(test_shell(NULL, "mkdir -p photos && for i in $(seq 100 399); do echo photos/$i.jpg; done >list"), 0);
    photo_draw("one.jpg", 3);
    CHECK_INT(test_shell(NULL, "for i in $(seq 100 399); do [ $((i %% 3)) = 0 ] || cp one.jpg photos/$i.jpg; done"), 0);
    CHECK_INT(COORDINATE("first", "run", "--engine", "sim", "--batch", "1", "--job", "the job", "@list"), 0);
    CHECK_INT(rename("the job/predictions.jsonl", "before.jsonl"), 0);
    CHECK_INT(test_shell(NULL, "for i in $(seq 102 3 399); do cp one.jpg photos/$i.jpg; done"), 0);
    CHECK_INT(COORDINATE("whole", "run", "--engine", "sim", "--job", "expected", "@list"), 0);
}

TEST(a_retry_that_is_killed_loses_nothing_and_is_resumed)
{
    struct process run;
    struct table table;
    make_long_job();
    long done = 0;
    for (int kill = 0; kill < 3; kill++) {
        BEGIN(&run, "retry", kill ? "resume" : "retry", "--engine", "sim", "--engine-threads", "1", "--sim-cost-us", "20000", "the job");
        WAIT_FOR(retried("the job") > done);
        process_signal(&run, SIGKILL);
        process_end(&run);
        done = retried("the job");
        CHECK(done > 0 && done < 100);
        /* Every image has a row all the time: the old one, or the new. */
        CHECK_INT(COORDINATE("between", "export", "the job", "-o", "between"), 0);
        table_read(&table, "between/predictions.jsonl");
        CHECK_INT(table.count, 300);
        CHECK_INT(table_count(&table, "not_found"), 100 - done);
        table_done(&table);
    }
    CHECK_INT(COORDINATE("status", "status", "the job"), 0);
    check_contains("status.out", "state     stopped; go on with: sleddog-coordinator resume ");
    CHECK_INT(COORDINATE("resume", "resume", "--engine", "sim", "the job"), 0);
    CHECK_INT(images_computed("the job"), 100 - done);
    check_same_file("the job/predictions.jsonl", "expected/predictions.jsonl");
}

TEST(a_retry_that_was_killed_may_be_retried_instead)
{
    struct process run;
    make_long_job();
    BEGIN(&run, "retry", "retry", "--engine", "sim", "--engine-threads", "1", "--sim-cost-us", "20000", "the job");
    WAIT_FOR(retried("the job") > 5);
    process_signal(&run, SIGKILL);
    process_end(&run);
    long done = retried("the job");
    CHECK_INT(COORDINATE("again", "retry", "--engine", "sim", "the job"), 0);
    CHECK_INT(images_computed("the job"), 100 - done);
    check_same_file("the job/predictions.jsonl", "expected/predictions.jsonl");
}

TEST(a_job_that_is_not_complete_is_resumed_before_it_is_retried)
{
    struct process run;
    BEGIN(&run, "run", "run", "--engine", "sim", "--sim-cost-us", "20000", "--batch", "10", "--job", "job", "sim:500");
    WAIT_FOR(job_done("job") > 0);
    process_signal(&run, SIGKILL);
    process_end(&run);
    CHECK_INT(COORDINATE("retry", "retry", "--engine", "sim", "job"), 1);
    check_contains("retry.err", "job: this job is not complete; go on with it first: sleddog-coordinator resume --engine sim --sim-cost-us 20000 /");
}

/* By the last line that says so, and by the summary. */
static void expect_passed_over(const char *out)
{
    check_contains(out, "(2 entries were neither file nor folder and were left out)");
    check_contains("job/summary.json", "\"skipped\": 2");
}

TEST(what_was_passed_over_is_still_told_after_a_resume_and_a_retry)
{
    struct process run;
    photos_draw("photos", 30);
    CHECK_INT(test_shell(NULL, "mkfifo photos/a/pipe photos/zz && ln -s nowhere photos/a/000x.jpg"), 0);
    BEGIN(&run, "run", "run", "--engine", "sim", "--engine-threads", "1", "--sim-cost-us", "200000", "--batch", "2", "--job", "job", "photos");
    WAIT_FOR(job_done("job") > 0);
    process_signal(&run, SIGINT);
    CHECK_INT(process_end(&run), 130);
    CHECK_INT(COORDINATE("resume", "resume", "--sim-cost-us", "0", "job"), 0);
    expect_passed_over("resume.out");
    CHECK_INT(COORDINATE("retry", "retry", "job"), 0);
    check_contains("retry.err", "1 image that failed in a way that may pass runs again");
    expect_passed_over("retry.out");
    CHECK_INT(COORDINATE("report", "report", "job"), 0);
    expect_passed_over("report.out");
}
