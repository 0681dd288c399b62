/* A job that says what its workers shall compute in: those of a list, too, on whose own options it has no influence. */
#include "tests/cluster/lib/cluster.h"
#include "tests/cluster/lib/photos.h"

#include <unistd.h>

#define PIXELS  "--resize", "40", "--crop", "33"
#define ENGINE  "--engine", "onednn", "--threads", "2", "--engine-threads", "1"
#define MODEL   "model.safetensors"
#define RUN     "run", "--nodes", "nodes", "--batch", "2", PIXELS

static void gather(void)
{
    setenv("SLEDDOG_ENGINES", test_build(), 0);
    photos_draw("photos", 12);
    model_write(MODEL, 1000);
    CHECK_INT(test_shell(NULL, "%s/sleddog-worker calibrate --images photos --weights " MODEL " --resize 40 --crop 33", test_build()), 0);
}

static void listed(const struct daemon *const *daemons, int count)
{
    write_nodes("nodes", daemons, count);
}

static void check_precision(const char *job, const char *precision)
{
    char file[64], text[64];
    snprintf(file, sizeof(file), "%s/summary.json", job);
    snprintf(text, sizeof(text), "\"precision\": \"%s\"", precision);
    check_contains(file, text);
}

TEST(workers_of_a_list_compute_in_what_the_job_asks_for_one_job_after_the_other)
{
    struct daemon one, two;
    gather();
    WORKER(&one, "one", ENGINE, "--weights", MODEL);
    WORKER(&two, "two", ENGINE, "--weights", MODEL, "--recheck", "7"); /* of no use to f32 */
    listed((const struct daemon *[]){ &one, &two }, 2);
    CHECK_INT(COORDINATE("f32", RUN, "--min-nodes", "2", "--precision", "f32", "--job", "f32", "photos"), 0);
    check_precision("f32", "f32");
    check_lacks("f32.err", "takes no part");
    listed((const struct daemon *[]){ &one }, 1);
    CHECK_INT(COORDINATE("auto", RUN, "--job", "auto", "photos"), 0);
    check_precision("auto", "int8");
    CHECK_INT(COORDINATE("recheck", RUN, "--recheck", "100", "--job", "recheck", "photos"), 0);
    check_precision("recheck", "int8+f32");
    CHECK_INT(COORDINATE("again", RUN, "--precision", "f32", "--job", "again", "photos"), 0);
    check_same_file("again/predictions.jsonl", "f32/predictions.jsonl");
    daemon_stop(&one);
    daemon_stop(&two);
}

TEST(a_worker_that_was_told_otherwise_takes_no_part_and_says_why)
{
    struct daemon free_one, bound;
    gather();
    WORKER(&free_one, "free", ENGINE, "--weights", MODEL);
    WORKER(&bound, "bound", ENGINE, "--weights", MODEL, "--precision", "int8");
    listed((const struct daemon *[]){ &bound, &free_one }, 2);
    CHECK_INT(COORDINATE("f32", RUN, "--precision", "f32", "--job", "f32", "photos"), 0);
    check_precision("f32", "f32");
    listed((const struct daemon *[]){ &bound }, 1);
    CHECK_INT(COORDINATE("alone", RUN, "--precision", "f32", "--job", "alone", "photos"), 1);
    check_contains("alone.err", "its own options say --precision int8, and the job wants f32; leave it out there, or ask for the same");
    daemon_stop(&free_one);
    daemon_stop(&bound);
}

/* A job without rows yet, since its only node is not there. */
static void begin(const char *job, const char *precision)
{
    CHECK_INT(test_shell(NULL, "echo 127.0.0.1:1 >nodes"), 0);
    CHECK_INT(COORDINATE("begin", RUN, "--node-timeout", "1", "--weights", MODEL, "--precision", precision, "--job", job, "photos"), 1);
}

TEST(a_job_goes_on_in_what_it_was_begun_with_wherever_it_goes_on_and_resume_may_say_otherwise)
{
    struct daemon daemon;
    gather();
    WORKER(&daemon, "worker", ENGINE);
    begin("here", "f32");
    CHECK_INT(COORDINATE("here", "resume", "--local", "1", ENGINE, "here"), 0);
    check_precision("here", "f32");
    begin("there", "f32");
    listed((const struct daemon *[]){ &daemon }, 1);
    CHECK_INT(COORDINATE("there", "resume", "--nodes", "nodes", "there"), 0);
    check_precision("there", "f32");
    check_same_file("here/predictions.jsonl", "there/predictions.jsonl");
    begin("other", "f32");
    listed((const struct daemon *[]){ &daemon }, 1);
    CHECK_INT(COORDINATE("other", "resume", "--nodes", "nodes", "--precision", "auto", "other"), 0);
    check_precision("other", "int8");
    daemon_stop(&daemon);
}

/* What was said when a job went on counts until something else is said, also where that is a default. */
TEST(a_job_goes_on_in_what_it_was_last_told_to)
{
    struct daemon daemon;
    gather();
    WORKER(&daemon, "worker", ENGINE);
    CHECK_INT(test_shell(NULL, "echo x >photos/0.jpg"), 0); /* the first of the list */
    begin("job", "f32");
    listed((const struct daemon *[]){ &daemon }, 1);
    CHECK_INT(COORDINATE("auto", "resume", "--nodes", "nodes", "--precision", "auto", "--max-errors", "0", "job"), 1);
    check_contains("auto.err", "--max-errors 0 allows");
    check_contains("auto.err", "--precision auto");
    CHECK_INT(COORDINATE("plain", "resume", "--max-errors", "1", "job"), 0);
    check_contains("plain.err", "goes on as it ran last, with --nodes ");
    check_precision("job", "int8");
    daemon_stop(&daemon);
}

TEST(a_recheck_that_a_job_was_begun_with_does_not_stand_in_the_way_of_another_precision)
{
    struct daemon daemon;
    gather();
    WORKER(&daemon, "worker", ENGINE);
    CHECK_INT(test_shell(NULL, "echo 127.0.0.1:1 >nodes"), 0);
    CHECK_INT(COORDINATE("begin", RUN, "--node-timeout", "1", "--weights", MODEL, "--recheck", "20", "--job", "job", "photos"), 1);
    listed((const struct daemon *[]){ &daemon }, 1);
    CHECK_INT(COORDINATE("both", "resume", "--precision", "f32", "--recheck", "20", "job"), 2);
    CHECK_INT(COORDINATE("f32", "resume", "--precision", "f32", "job"), 0);
    check_precision("job", "f32");
    daemon_stop(&daemon);
}
