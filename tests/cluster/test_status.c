/* `status` looks at a job whatever state it is in, and disturbs nobody. */
#include "tests/cluster/lib/cluster.h"

#include "common/cleanup.h"

#include <jansson.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static void begin_slow(struct process *run, const char *command)
{
    const char *const fresh[] = { "run", "--local", "2", "--engine", "sim", "--engine-threads", "1", "--sim-cost-us", "2000", "--batch", "20", "--job", "job",
                                  "sim:4000", NULL };
    const char *const again[] = { "resume", "--local", "2", "--engine", "sim", "--engine-threads", "1", "--sim-cost-us", "2000", "job", NULL };
    coordinator_begin(run, command, strcmp(command, "run") ? again : fresh);
}

static json_t *status_of(const char *job)
{
    json_error_t error;
    CHECK_INT(COORDINATE("status", "status", "--json", job), 0);
    json_t *status = json_load_file("status.out", 0, &error);
    if (!status)
        test_fail(__FILE__, __LINE__, "status.out, line %d: %s", error.line, error.text);
    return status;
}

static long number(const json_t *status, const char *part, const char *key)
{
    return (long)json_integer_value(json_object_get(json_object_get(status, part), key));
}

static bool is_out(const json_t *status)
{
    size_t i;
    json_t *node;
    json_array_foreach(json_object_get(json_object_get(status, "now"), "nodes"), i, node)
        if (json_array_size(json_object_get(node, "outstanding")))
            return true;
    return false;
}

static bool somebody_has_a_batch(const char *job)
{
    json_t *status = status_of(job);
    bool is = is_out(status);
    json_decref(status);
    return is;
}

TEST(a_status_for_programs_says_who_has_what_and_what_is_done)
{
    struct process run;
    char who[64];
    begin_slow(&run, "run");
    WAIT_FOR(job_done("job") > 0);
    WAIT_FOR(somebody_has_a_batch("job"));
    json_t *status = status_of("job");
    CHECK_STR(json_string_value(json_object_get(status, "state")), "running");
    snprintf(who, sizeof(who), "process %d on ", (int)run.pid);
    CHECK_CONTAINS(json_string_value(json_object_get(status, "process")), who);
    json_decref(status);
    process_signal(&run, SIGKILL);
    process_end(&run);
    status = status_of("job");
    CHECK_STR(json_string_value(json_object_get(status, "state")), "stopped");
    CHECK(!json_object_get(status, "now") && !json_object_get(status, "process"));
    CHECK_INT(number(status, "list", "images"), 4000);
    CHECK(number(status, "list", "done_images") > 0 && number(status, "list", "done_images") < 4000);
    json_decref(status);
}

/* A process that asks for the status again and again, and ends with 1 when it once got none. */
static pid_t begin_looking(void)
{
    fflush(NULL);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        execl("/bin/sh", "sh", "-c", "while \"$0/sleddog-coordinator\" status job >looked.out 2>looked.err; do :; done; exit 1", test_build(), NULL);
        _exit(2);
    }
    return pid;
}

TEST(looking_again_and_again_stands_in_the_way_of_no_run_and_no_resume)
{
    struct process run;
    CHECK_INT(COORDINATE("expected", "run", "--engine", "sim", "--job", "expected", "sim:4000"), 0);
    begin_slow(&run, "run");
    WAIT_FOR(job_done("job") > 0);
    pid_t looking[2] = { begin_looking(), begin_looking() };
    for (int i = 0; i < 4; i++) {
        long done = job_done("job");
        process_signal(&run, SIGKILL);
        process_end(&run);
        begin_slow(&run, "resume");
        WAIT_FOR(job_done("job") > done || !process_running(&run));
        CHECK(process_running(&run) || !run.status);
    }
    process_signal(&run, SIGINT);
    CHECK_INT(process_end(&run), 130);
    CHECK_INT(COORDINATE("last", "resume", "--engine", "sim", "job"), 0);
    check_same_file("job/predictions.jsonl", "expected/predictions.jsonl");
    for (int i = 0; i < 2; i++) {
        if (waitpid(looking[i], NULL, WNOHANG)) {
            CLEANUP(freep) char *err = read_text("looked.err");
            test_fail(__FILE__, __LINE__, "status failed: %s", err);
        }
        CHECK_INT(kill(looking[i], SIGKILL), 0);
    }
}

/* The command line that it ends with is run by a shell in another folder. */
static void go_on_as_it_says(const char *job, const char *state)
{
    char expected[128];
    CHECK_INT(COORDINATE("status", "status", job), 0);
    snprintf(expected, sizeof(expected), "state     %s; go on with: sleddog-coordinator resume ", state);
    check_contains("status.out", expected);
    CHECK_INT(test_shell(NULL, "command=$(sed -n 's/.*go on with: //p' status.out) && cd / && PATH=%s:$PATH && eval \"$command\"", test_build()), 0);
}

TEST(a_job_that_was_moved_goes_on_as_its_status_says_from_wherever)
{
    struct process run;
    struct daemon daemon;
    CHECK_INT(COORDINATE("expected", "run", "--engine", "sim", "--job", "expected", "sim:2000"), 0);
    WORKER(&daemon, "daemon", "--engine", "sim", "--engine-threads", "1", "--sim-cost-us", "1000");
    write_node("nodes", &daemon);
    BEGIN(&run, "run", "run", "--nodes", "nodes", "--batch", "20", "--job", "job", "sim:2000");
    WAIT_FOR(job_done("job") > 0);
    process_signal(&run, SIGKILL);
    process_end(&run);
    CHECK_INT(rename("job", "it's moved"), 0);
    go_on_as_it_says("it's moved", "stopped");
    check_same_file("it's moved/predictions.jsonl", "expected/predictions.jsonl");
    daemon_stop(&daemon);
}

TEST(a_job_whose_tables_could_not_be_written_is_not_called_complete_and_no_more)
{
    CHECK_INT(COORDINATE("expected", "run", "--engine", "sim", "--job", "expected", "sim:100"), 0);
    CHECK_INT(test_shell(NULL, "mkdir -p job/predictions.jsonl/in-the-way"), 0);
    CHECK_INT(COORDINATE("run", "run", "--engine", "sim", "--job", "job", "sim:100"), 1);
    CHECK_INT(test_shell(NULL, "rm -r job/predictions.jsonl"), 0);
    CHECK_INT(COORDINATE("status", "status", "job"), 0);
    check_contains("status.out", "state     complete, but its tables could not be written to /");
    check_contains("status.out", "; write them elsewhere with: sleddog-coordinator export /");
    CHECK_INT(COORDINATE("resume", "resume", "job"), 0);
    check_same_file("job/predictions.jsonl", "expected/predictions.jsonl");
    CHECK_INT(COORDINATE("status", "status", "job"), 0);
    check_contains("status.out", "state     complete\n");
}

/* ---- times ---- */

static double seconds_running(const char *job)
{
    json_t *status = status_of(job);
    double seconds = json_number_value(json_object_get(json_object_get(status, "now"), "seconds"));
    json_decref(status);
    return seconds;
}

TEST(waiting_for_a_worker_is_no_part_of_the_time_of_work)
{
    struct daemon late;
    struct process run;
    json_t *summary;
    double elapsed, elapsed_rate, working, rate;
    WORKER(&late, "late", "--engine", "sim", "--engine-threads", "1", "--sim-cost-us", "2000");
    write_node("nodes", &late);
    process_signal(&late.process, SIGSTOP);
    BEGIN(&run, "run", "run", "--nodes", "nodes", "--job", "job", "sim:100");
    WAIT_FOR(!access("job/job.db", F_OK));
    WAIT_FOR(seconds_running("job") > 0.7);
    process_signal(&late.process, SIGCONT);
    CHECK_INT(process_end(&run), 0);
    summary = json_load_file("job/summary.json", 0, NULL);
    CHECK_INT(json_unpack(summary, "{s:{s:F, s:F, s:F, s:F}}", "time", "elapsed_s", &elapsed, "images_per_s", &elapsed_rate, "working_s", &working,
                          "working_images_per_s", &rate), 0);
    fprintf(stderr, "%.3f s, %.3f s of work\n", elapsed, working);
    CHECK(working >= 0.19 && elapsed - working > 0.69); /* 100 images of 2 ms */
    CHECK(elapsed_rate < rate && rate * working > 99 && rate * working < 101);
    json_decref(summary);
    daemon_stop(&late);
}
