/* test_provenance.c: which worker computed which rows, as it was then: also when a job goes on with another one of the same name. */
#include "tests/cluster/lib/cast.h"

#include <jansson.h>
#include <signal.h>

static struct process run;

static void answer(struct puppet *puppet, const struct message *batch, long image)
{
    (void)image;
    puppet_answer(puppet, batch);
}

/* One batch of ten in this precision, then an interruption; another process is behind the same address from now on. */
static void begin_in(const char *precision)
{
    cast_begin(&run, 1, "sim:40", "60");
    cast[0].precision = precision;
    cast_narrow(0);
    puppet_answer(&cast[0], puppet_batch(&cast[0]));
    PUPPETS(cast[0].commits == 1);
    process_signal(&run, SIGINT);
    PUPPETS(!process_running(&run));
    CHECK_INT(process_end(&run), 128 + SIGINT);
    CHECK_INT(job_done("job"), 10);
    puppet_die(&cast[0]);
    cast[0].closed_purse = false;
}

/* And that process computes in int8. */
static void begin_in_f32(void)
{
    begin_in("f32");
    cast[0].precision = "int8";
}

static json_t *load_summary(void)
{
    json_t *summary = json_load_file("job/summary.json", 0, NULL);
    CHECK(summary);
    return summary;
}

static void check_worker(const json_t *summary, size_t i, const char *precision, int images)
{
    const json_t *node = json_array_get(json_object_get(summary, "nodes"), i);
    CHECK_STR(json_string_value(json_object_get(node, "precision")), precision);
    CHECK_STR(json_string_value(json_object_get(node, "fingerprint")), precision);
    CHECK_STR(json_string_value(json_object_get(node, "engine")), "puppet");
    CHECK_INT(json_integer_value(json_object_get(node, "images")), images);
}

static void check_both(void)
{
    json_t *summary = load_summary();
    CHECK_INT(json_array_size(json_object_get(summary, "nodes")), 2);
    check_worker(summary, 0, "f32", 10);
    check_worker(summary, 1, "int8", 30);
    json_decref(summary);
    CHECK_INT(COORDINATE("report", "report", "job"), 0);
    check_contains("report.out", "precision             f32, int8\n");
}

TEST(a_job_that_goes_on_in_another_precision_says_so_and_how_to_go_on_in_its_own)
{
    begin_in_f32();
    BEGIN(&run, "resume", "resume", "--nodes", "nodes", "job");
    PUPPETS(!process_running(&run));
    CHECK_INT(process_end(&run), 1);
    check_contains("resume.err", "it computes in int8, and the job in f32; --precision f32, given to the job, is asked of all, and --mixed takes both");
}

TEST(a_job_of_two_precisions_says_how_many_images_each_of_them_has_and_still_does_when_its_tables_are_written_again)
{
    begin_in_f32();
    BEGIN(&run, "resume", "resume", "--nodes", "nodes", "--mixed", "job");
    cast_play(&run, 1, answer);
    cast_check_rows("", 40);
    check_both();
    CHECK_INT(test_shell(NULL, "rm job/predictions.jsonl job/summary.json"), 0);
    CHECK_INT(COORDINATE("again", "resume", "job"), 0);
    cast_check_rows("", 40);
    check_both();
}

/* Its rows replace others, which have their label already. */
TEST(what_a_retry_computed_is_counted_though_no_batch_is_its_own)
{
    json_t *summary;
    CHECK_INT(test_shell(NULL, "for i in 1 2 3; do echo $PWD/$i.jpg; done >list; echo x >1.jpg"), 0);
    CHECK_INT(COORDINATE("run", "run", "--local", "1", "--engine", "sim", "--decode", "none", "--threads", "3", "--job", "job", "@list"), 0);
    CHECK_INT(test_shell(NULL, "echo x >2.jpg; echo x >3.jpg"), 0);
    CHECK_INT(COORDINATE("retry", "retry", "--threads", "4", "job"), 0);
    summary = load_summary();
    CHECK_INT(json_array_size(json_object_get(summary, "nodes")), 1);
    CHECK_INT(json_array_size(json_object_get(summary, "stages")), 3);
    CHECK_INT(json_integer_value(json_object_get(json_array_get(json_object_get(summary, "stages"), 2), "items")), 2);
    json_decref(summary);
}

TEST(a_job_of_a_former_release_does_not_know_what_computed_its_rows_and_counts_no_stage_twice)
{
    json_t *summary;
    begin_in(NULL);
    CHECK_INT(test_shell(NULL, "/usr/bin/python3 -c \"import sqlite3; d = sqlite3.connect('job/job.db'); d.execute('DELETE FROM meta WHERE key LIKE \\'worker %%\\''); "
                               "d.execute('UPDATE result SET node = substr(node, 1, instr(node, char(9)) - 1)'); d.commit()\""), 0);
    cast[0].stages[2].items = 30;
    BEGIN(&run, "resume", "resume", "--nodes", "nodes", "job");
    cast_play(&run, 1, answer);
    summary = load_summary();
    CHECK_INT(json_array_size(json_object_get(summary, "nodes")), 2);
    check_contains("resume.out", "10 images, in an earlier run\n");
    CHECK_INT(json_integer_value(json_object_get(json_array_get(json_object_get(summary, "stages"), 2), "items")), 30);
    json_decref(summary);
}

TEST(a_job_whose_record_of_a_worker_is_damaged_is_not_gone_on_with)
{
    begin_in_f32();
    CHECK_INT(test_shell(NULL, "/usr/bin/python3 -c \"import sqlite3; d = sqlite3.connect('job/job.db'); d.execute('UPDATE meta SET value = \\'[]\\' WHERE key = \\'worker 0\\''); d.commit()\""), 0);
    CHECK_INT(COORDINATE("resume", "resume", "--nodes", "nodes", "job"), 1);
    check_contains("resume.err", "job/job.db: what it has as worker 0 is damaged; put a copy of the whole job folder back, or begin a new job");
}

TEST(a_worker_of_another_release_that_speaks_the_same_protocol_takes_part_and_is_named_once)
{
    static const char said[] = "is of release 0, this coordinator of " SLEDDOG_VERSION "; it takes part, but install the same one on all";
    begin_in("f32");
    check_contains("run.err", said);
    BEGIN(&run, "resume", "resume", "--nodes", "nodes", "job");
    cast_play(&run, 1, answer);
    CHECK_INT(test_shell(NULL, "[ $(grep -c 'is of release 0' resume.err) = 1 ]"), 0);
    cast_check_rows("", 40);
}
