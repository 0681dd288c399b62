/* Coordinators are interrupted, killed and replaced; what was safe stays safe, and the table is that of an undisturbed run. */
#include "tests/cluster/lib/cluster.h"
#include "tests/cluster/lib/photos.h"

#include "common/cleanup.h"

#include <limits.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#define IMAGES "sim:3000"

static void make_expected(void)
{
    CHECK_INT(COORDINATE("quick", "run", "--local", "1", "--engine", "sim", "--job", "expected", IMAGES), 0);
}

/* Two local workers in the middle of a job of some three seconds. */
static void begin_local(struct process *run)
{
    make_expected();
    BEGIN(run, "run", "run", "--local", "2", "--engine", "sim", "--engine-threads", "1", "--sim-cost-us", "2000", "--batch", "20", "--job",
          "the job", IMAGES);
    WAIT_FOR(job_done("the job") > 200);
}

/* What is safe: id, attempt, node and rows of each batch. */
static char *safe_rows(const char *job)
{
    char *rows;
    CHECK_INT(test_shell(&rows, "sqlite3 -readonly '%s/job.db' 'SELECT id, attempt, node, hex(rows) FROM result ORDER BY id'", job), 0);
    return rows;
}

/* Not one row of what was safe is another now. */
static void check_still_there(const char *job, const char *before)
{
    CLEANUP(freep) char *after = safe_rows(job);
    const char *at = after;
    for (const char *line = before; *line; line = strchr(line, '\n') + 1) {
        size_t length = strcspn(line, "\n") + 1;
        while (*at && strncmp(at, line, length))
            at = strchr(at, '\n') + 1;
        if (!*at)
            test_fail(__FILE__, __LINE__, "what was safe is another now: %.100s", line);
    }
}

/* Nothing that was safe runs again. Where there is more than one worker, a batch or two may run twice at the end, if the machine is so busy that one looks slow. */
static void check_computed(const char *job, long images, int workers)
{
    fprintf(stderr, "%ld images were left, %ld were computed by %d workers\n", images, images_computed(job), workers);
    CHECK(images_computed(job) >= images && images_computed(job) <= images + (workers - 1) * 20);
}

static long db_number(const char *job, const char *key)
{
    char *text;
    CHECK_INT(test_shell(&text, "sqlite3 -readonly '%s/job.db' \"SELECT value FROM meta WHERE key = '%s'\"", job, key), 0);
    long number = strtol(text, NULL, 10);
    free(text);
    return number;
}

/* The command line that standard error gave, as a user would paste it. */
static int paste_hint(const char *name)
{
    CLEANUP(freep) char *err = read_text("run.err");
    CLEANUP(freep) char *output = NULL;
    char *command = strstr(err, "go on with: ");
    CHECK(command);
    command += strlen("go on with: ");
    command[strcspn(command, "\n")] = '\0';
    int status = test_shell(&output, "PATH=%s:$PATH; %s", test_build(), command);
    fprintf(stderr, "-- %s: %s: %d\n%s\n", name, command, status, output);
    return status;
}

TEST(an_interrupted_job_says_how_to_go_on_and_that_works)
{
    struct process run;
    pid_t workers[4];
    begin_local(&run);
    CHECK_INT(workers_of(&run, workers, 4), 2);
    process_signal(&run, SIGINT);
    CHECK_INT(process_end(&run), 130);
    CHECK(is_gone(workers[0]) && is_gone(workers[1]));
    check_contains("run.err", "images are done and safe");
    long done = job_done("the job");
    CHECK(done > 200 && done < 3000);
    CHECK_INT(COORDINATE("status", "status", "the job"), 0);
    check_contains("status.out", "state     stopped; go on with: sleddog-coordinator resume --local 2 --engine sim ");
    CHECK_INT(COORDINATE("early", "export", "the job"), 1);
    check_contains("early.err", "the job: this job is not complete; go on with it first: sleddog-coordinator resume --local 2 --engine sim ");
    CHECK_INT(COORDINATE("early", "report", "the job", "--image", "sim:2999"), 1);
    check_contains("early.err", "the job: this job is not complete; go on with it first: sleddog-coordinator resume --local 2 --engine sim ");
    CHECK_INT(COORDINATE("early", "report", "the job"), 1);
    CHECK(access("the job/predictions.jsonl", F_OK) < 0);
    CLEANUP(freep) char *before = safe_rows("the job");
    CHECK_INT(paste_hint("resume"), 0);
    check_same_file("the job/predictions.jsonl", "expected/predictions.jsonl");
    check_still_there("the job", before);
    check_computed("the job", 3000 - done, 2);
    CHECK_INT(images_done_by_nodes("the job"), 3000);
}

TEST(a_signal_ends_a_coordinator_whose_standard_input_never_ends)
{
    struct process run;
    pid_t workers[2];
    int ends[2];
    CHECK_INT(pipe(ends), 0);
    CHECK(dup2(ends[0], STDIN_FILENO) == STDIN_FILENO);
    BEGIN(&run, "run", "run", "--local", "1", "--engine", "sim", "--job", "job", "@-");
    WAIT_FOR(workers_of(&run, workers, 2) == 1 && !access("job/job.db", F_OK));
    process_signal(&run, SIGTERM);
    CHECK_INT(process_end(&run), 130);
    WAIT_FOR(is_gone(workers[0]));
}

TEST(a_killed_coordinator_takes_its_workers_along_and_the_job_is_resumed)
{
    struct process run;
    pid_t workers[4];
    begin_local(&run);
    CHECK_INT(workers_of(&run, workers, 4), 2);
    process_signal(&run, SIGKILL);
    process_end(&run);
    WAIT_FOR(is_gone(workers[0]) && is_gone(workers[1]));
    long done = job_done("the job");
    CHECK(done > 200 && done < 3000);
    CLEANUP(freep) char *before = safe_rows("the job");
    long worked = db_number("the job", "working_ms"), elapsed = db_number("the job", "elapsed_ms");
    CHECK(worked > 150 && worked <= elapsed); /* two workers, more than 200 images of 2 ms */
    CHECK_INT(COORDINATE("resume", "resume", "--local", "1", "--engine", "sim", "the job"), 0);
    long more = db_number("the job", "working_ms") - worked;
    CHECK(more > 0 && more < db_number("the job", "elapsed_ms") - elapsed); /* it adds up, and nothing is counted twice */
    check_same_file("the job/predictions.jsonl", "expected/predictions.jsonl");
    check_still_there("the job", before);
    check_computed("the job", 3000 - done, 1);
    CHECK_INT(images_done_by_nodes("the job"), 3000);
    CHECK_INT(COORDINATE("again", "resume", "--local", "1", "--engine", "sim", "the job"), 0);
    check_same_file("the job/predictions.jsonl", "expected/predictions.jsonl");
}

static void start_worker(struct daemon *daemon, const char *name)
{
    WORKER(daemon, name, "--engine", "sim", "--engine-threads", "1", "--sim-cost-us", "2000");
}

static void begin_daemons(struct process *run, struct daemon *one, struct daemon *two)
{
    make_expected();
    start_worker(one, "one");
    start_worker(two, "two");
    write_nodes("nodes", (const struct daemon *[]){ one, two }, 2);
    BEGIN(run, "run", "run", "--nodes", "nodes", "--batch", "20", "--job", "the job", IMAGES);
    WAIT_FOR(job_done("the job") > 200);
}

TEST(daemons_of_a_killed_coordinator_serve_its_successor_at_once)
{
    struct process run;
    struct daemon one, two;
    begin_daemons(&run, &one, &two);
    process_signal(&run, SIGKILL);
    process_end(&run);
    double start = now_s();
    CHECK_INT(mkdir("elsewhere", 0777), 0);
    CHECK_INT(rename("nodes", "elsewhere/list"), 0);
    CHECK_INT(chdir("elsewhere"), 0);
    CHECK_INT(COORDINATE("resume", "resume", "--nodes", "list", "../the job"), 0);
    CHECK_INT(chdir(".."), 0);
    /* It need not wait for the expiry of its predecessor, ten seconds. */
    CHECK(now_s() - start < patience(9));
    check_same_file("the job/predictions.jsonl", "expected/predictions.jsonl");
    daemon_stop(&one);
    daemon_stop(&two);
}

TEST(a_coordinator_whose_job_goes_on_elsewhere_stops)
{
    struct process run;
    struct daemon one, two;
    begin_daemons(&run, &one, &two);
    CHECK_INT(test_shell(NULL, "mkdir copy && /usr/bin/python3 -c \"import sqlite3;"
                               "sqlite3.connect('the job/job.db').backup(sqlite3.connect('copy/job.db'))\""), 0);
    CHECK_INT(COORDINATE("copy", "resume", "--nodes", "nodes", "copy"), 0);
    check_same_file("copy/predictions.jsonl", "expected/predictions.jsonl"); /* its own folder, not the one it was copied from */
    CHECK_INT(process_end(&run), 1);
    check_contains("run.err", "this job goes on elsewhere: epoch 2");
    CHECK_INT(COORDINATE("export", "export", "copy", "-o", "out"), 0);
    check_same_file("out/predictions.jsonl", "expected/predictions.jsonl");
    daemon_stop(&one);
    daemon_stop(&two);
}

TEST(a_job_is_not_resumed_with_another_model_or_other_numerics)
{
    struct daemon daemon;
    struct process run;
    photos_draw("photos", 30);
    model_write("model.safetensors", 1000);
    WORKER(&daemon, "slow", "--engine-threads", "1", "--engine-batch", "1");
    write_node("nodes", &daemon);
    BEGIN(&run, "run", "run", "--nodes", "nodes", "--batch", "1", "--weights", "model.safetensors", "--job", "job", "photos");
    WAIT_FOR(job_done("job") > 0);
    process_signal(&run, SIGINT);
    CHECK_INT(process_end(&run), 130);
    CHECK_INT(COORDINATE("numerics", "resume", "--local", "1", "--engine-batch", "2", "job"), 1);
    check_contains("numerics.err", "its numbers may differ in the last digits");
    model_write("model.safetensors", 999);
    CHECK_INT(COORDINATE("model", "resume", "--nodes", "nodes", "job"), 1);
    check_contains("model.err", "model.safetensors: is another file than when the job was begun");
    model_write("model.safetensors", 1000);
    CHECK_INT(test_shell(NULL, "cp -r job copy"), 0);
    CHECK_INT(COORDINATE("mixed", "resume", "--local", "1", "--engine-batch", "2", "--mixed", "copy"), 0); /* unless that is asked for */
    CHECK_INT(COORDINATE("right", "resume", "--nodes", "nodes", "job"), 0);
    daemon_stop(&daemon);
}

/* Names of two lists, or rows of two releases, would stand in one table. */
TEST(a_job_is_not_resumed_with_other_labels_or_by_another_version)
{
    struct process run;
    model_write("model.safetensors", 3);
    photos_draw("photos", 30);
    write_text("names", "one\ntwo\nthree\n");
    BEGIN(&run, "run", "run", "--local", "1", "--engine-threads", "1", "--engine-batch", "1", "--batch", "1", "--weights", "model.safetensors", "--labels", "names",
          "--job", "job", "photos");
    WAIT_FOR(job_done("job") > 0);
    process_signal(&run, SIGKILL);
    process_end(&run);
    write_text("names", "one\nthree\ntwo\n");
    CHECK_INT(COORDINATE("labels", "resume", "job"), 1);
    check_contains("labels.err", "names: is another file than when the job was begun");
    write_text("names", "one\ntwo\nthree\n");
    CHECK_INT(test_shell(NULL, "sqlite3 job/job.db \"UPDATE meta SET value = json_set(value, '$.version', '0.0.9') WHERE key = 'spec'\""), 0);
    CHECK_INT(COORDINATE("version", "resume", "job"), 1);
    check_contains("version.err", "this job was begun by version 0.0.9, this is ");
    CHECK_INT(COORDINATE("retry", "retry", "job"), 1);
    check_contains("retry.err", "this job was begun by version 0.0.9, this is ");
}

/* The paths of its sources are meant from where it was begun. */
TEST(a_list_that_was_not_complete_is_gone_on_with_from_another_folder)
{
    struct process run;
    CHECK_INT(mkfifo("list", 0666), 0);
    FILE *list = fopen("list", "r+"); /* both ends: what is written waits for whoever reads */
    CHECK(list);
    for (int i = 0; i < 30; i++)
        fprintf(list, "photos/%d.jpg\n", i);
    fflush(list);
    BEGIN(&run, "run", "run", "--engine", "sim", "--batch", "10", "--job", "job", "@list");
    WAIT_FOR(job_done("job") == 30);
    process_signal(&run, SIGKILL);
    process_end(&run);
    fclose(list);
    CHECK_INT(test_shell(NULL, "rm list && seq 0 59 | sed 's,.*,photos/&.jpg,' >list && mkdir elsewhere"), 0);
    CHECK_INT(chdir("elsewhere"), 0);
    CHECK_INT(COORDINATE("resume", "resume", "../job"), 0);
    CHECK_INT(test_shell(NULL, "test $(grep -c '\"uri\":\"[^\"]*[^e]/photos/' ../job/predictions.jsonl) = 60"), 0);
}

/* Kills a job early on and resumes it. */
static void resume_long(struct process *resume, const char *job, const char *source)
{
    struct process run;
    BEGIN(&run, "run", "run", "--local", "1", "--engine", "sim", "--job", job, source);
    WAIT_FOR(job_done(job) > 0);
    process_signal(&run, SIGKILL);
    process_end(&run);
    BEGIN(resume, "resume", "resume", "--local", "1", "--engine", "sim", job);
    CHECK_INT(process_end(resume), 0);
    fprintf(stderr, "%s resumed with %.1f MiB\n", source, (double)resume->peak_kib / 1024);
}

TEST(resuming_a_long_list_takes_no_more_memory_than_a_short_one)
{
    struct process few, many;
    if (is_sanitized())
        test_skip("a sanitizer's memory is not ours");
    resume_long(&few, "few", "sim:40000");
    resume_long(&many, "many", "sim:400000");
    CHECK(many.peak_kib < few.peak_kib + few.peak_kib / 4 + 8 * 1024);
}

TEST(a_complete_job_is_told_so_and_missing_tables_are_written_again)
{
    CHECK_INT(COORDINATE("run", "run", "--engine", "sim", "--format", "jsonl,csv", "--job", "job", "sim:100"), 0);
    CHECK_INT(COORDINATE("again", "resume", "job"), 0); /* no model, no workers: there is nothing to do */
    check_contains("again.err", "job: this job is complete and its tables are written: nothing to do; see sleddog-coordinator report job");
    CHECK_INT(rename("job/predictions.csv", "expected.csv"), 0);
    CHECK_INT(COORDINATE("third", "resume", "job"), 0);
    check_contains("third.err", "job: every image has a row; writing the tables");
    check_same_file("job/predictions.csv", "expected.csv");
    CHECK_INT(rename("job", "moved"), 0);
    CHECK_INT(unlink("moved/predictions.csv"), 0);
    CHECK_INT(COORDINATE("fourth", "resume", "moved"), 0);
    check_same_file("moved/predictions.csv", "expected.csv");
}

/* There is nothing to go on with. */
TEST(a_run_in_the_folder_of_a_complete_job_is_shown_its_report)
{
    CHECK_INT(COORDINATE("first", "run", "--engine", "sim", "--job", "the job", "sim:100"), 0);
    CHECK_INT(COORDINATE("same", "run", "--engine", "sim", "--job", "the job", "sim:100"), 1);
    check_contains("same.err", "the job: holds this job already, complete; see it: sleddog-coordinator report 'the job'\n");
    CHECK_INT(COORDINATE("other", "run", "--engine", "sim", "--job", "the job", "sim:200"), 1);
    check_contains("other.err", "the job: holds another job already, complete: the source is sim:100, not sim:200; choose another --job, or see that one: "
                                "sleddog-coordinator report 'the job'\n");
}

TEST(a_summary_that_is_gone_is_written_again)
{
    CHECK_INT(COORDINATE("run", "run", "--engine", "sim", "--job", "job", "sim:100"), 0);
    CHECK_INT(unlink("job/summary.json"), 0);
    CHECK_INT(COORDINATE("report", "report", "job"), 1);
    check_contains("report.err", "job: has no summary yet; see sleddog-coordinator status job");
    CHECK_INT(COORDINATE("status", "status", "job"), 0);
    check_contains("status.out", "complete, but its tables or its summary were not written; go on with: sleddog-coordinator resume");
    CHECK_INT(COORDINATE("resume", "resume", "job"), 0);
    CHECK_INT(COORDINATE("again", "report", "job"), 0);
    check_contains("again.out", "images examined       100\n");
}

/* What the workers said of it, of whom there are none this time. */
TEST(a_summary_that_is_written_again_knows_the_model)
{
    static const char model[] = "grep -A6 '\"model\": {' job/summary.json";
    CLEANUP(freep) char *first = NULL, *again = NULL;
    photos_draw("photos", 2);
    model_write("model.safetensors", 1000);
    CHECK_INT(COORDINATE("run", "run", "--weights", "model.safetensors", "--job", "job", "photos"), 0);
    CHECK_INT(test_shell(&first, "%s", model), 0);
    CHECK_CONTAINS(first, "\"network\": \"resnet");
    CHECK_INT(unlink("job/summary.json"), 0);
    CHECK_INT(COORDINATE("resume", "resume", "job"), 0);
    CHECK_INT(test_shell(&again, "%s", model), 0);
    CHECK_STR(again, first);
}

/* All rows that are there are not all that there will be. */
TEST(a_job_whose_list_is_not_complete_is_not_exported)
{
    struct process run;
    int ends[2];
    CHECK_INT(pipe(ends), 0);
    CHECK(dup2(ends[0], STDIN_FILENO) == STDIN_FILENO);
    BEGIN(&run, "run", "run", "--engine", "sim", "--batch", "2", "--job", "job", "@-");
    CHECK_INT(write(ends[1], "/a\n/b\n/c\n", 9), 9);
    WAIT_FOR(job_done("job") == 2);
    process_signal(&run, SIGKILL);
    process_end(&run);
    CHECK_INT(COORDINATE("export", "export", "job", "-o", "out"), 1);
    check_contains("export.err", "job: this job is not complete; go on with it first: sleddog-coordinator resume --engine sim /");
    CHECK(access("out", F_OK) < 0);
}

TEST(a_list_that_changed_is_told_with_both_entries_and_a_standard_input_may_be_given_again)
{
    CLEANUP(freep) char *output = NULL;
    struct process run;
    int ends[2], standard = dup(STDIN_FILENO);
    CHECK_INT(pipe(ends), 0);
    CHECK(dup2(ends[0], STDIN_FILENO) == STDIN_FILENO);
    BEGIN(&run, "run", "run", "--local", "1", "--engine", "sim", "--batch", "2", "--job", "job", "@-");
    CHECK_INT(write(ends[1], "/a\n/b\n/c\n", 9), 9);
    WAIT_FOR(job_done("job") == 2);
    process_signal(&run, SIGKILL);
    process_end(&run);
    CHECK(dup2(standard, STDIN_FILENO) == STDIN_FILENO);
    CHECK_INT(test_shell(&output, "printf '/a\n/x\n' | %s/sleddog-coordinator resume --engine sim job", test_build()), 1);
    CHECK_CONTAINS(output, "@-: has changed since this job began to list it: entry 2 was /b, now it is /x; give resume the same list on its standard "
                           "input, or begin a new job");
    CHECK_INT(test_shell(NULL, "printf '/a\n/b\n/c\n/d\n/e\n' | %s/sleddog-coordinator resume --engine sim job", test_build()), 0);
    CHECK_INT(job_done("job"), 5);
}
