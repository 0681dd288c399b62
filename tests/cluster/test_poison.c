/* test_poison.c: photos that end or block whoever decodes them, by way of a preloaded library (tests/preload/poison.c): each gets one row that says
 * so, and the rest of the table is that of an undisturbed run. */
#include "tests/cluster/lib/cluster.h"
#include "tests/cluster/lib/photos.h"
#include "tests/cluster/lib/preload.h"
#include "tests/cluster/lib/table.h"

#include "common/cleanup.h"

#include <signal.h>

#define PHOTOS   24
#define RESTARTS 6 /* that one such photo may cost */

static void poison(const char *path, const char *kind)
{
    FILE *file = fopen(path, "a");
    CHECK(file && fprintf(file, "sleddog-poison:%s\n", kind) > 0);
    CHECK_INT(fclose(file), 0);
}

/* The table as it should be, where nothing is poison. */
static void draw_and_classify(void)
{
    if (is_sanitized())
        test_skip("a sanitizer would report the crashes that are wanted here");
    photos_draw("photos", PHOTOS);
    CHECK_INT(COORDINATE("expected", "run", "--local", "1", "--engine", "sim", "--job", "expected", "photos"), 0);
}

#define POISONED_RUN(workers, ...) \
    (preload("poison", NULL, NULL), COORDINATE("run", "run", "--local", workers, "--engine", "sim", "--threads", "8", "--batch", "6", "--job", "job", __VA_ARGS__, "photos"))

static int count_lines(const char *path, const char *part)
{
    int count = 0;
    CLEANUP(freep) char *text = read_text(path);
    for (const char *at = text; (at = strstr(at, part)); at++)
        count++;
    return count;
}

/* All other rows are the same, byte for byte: the lines that have no poison in them. */
static void check_table(const char *kind, int count, const char *const *poisoned)
{
    struct table table;
    table_read(&table, "job/predictions.jsonl");
    CHECK_INT(table.count, PHOTOS);
    CHECK_INT(table_count(&table, kind), count);
    CHECK_INT(table_count(&table, ""), PHOTOS - count);
    for (int i = 0; i < count; i++)
        CHECK_STR(row_error_kind(table_find(&table, poisoned[i])), kind);
    table_done(&table);
    CHECK_INT(test_shell(NULL, "for t in job expected; do grep -v '\"kind\":\"%s\"' $t/predictions.jsonl >$t.good; done; "
                               "test -s job.good && grep -vxFf expected.good job.good; test $? = 1", kind), 0);
}

#define CHECK_TABLE(kind, ...) check_table(kind, (int)ARRAY_SIZE(((const char *const[]){ __VA_ARGS__ })), (const char *const[]){ __VA_ARGS__ })

static int deaths(void)
{
    return count_lines("run.err", "its process ended") + count_lines("run.err", "its process was ended");
}

/* ---- what a decoder may do ---- */

static void check_one(const char *kind, const char *row, const char *limit)
{
    draw_and_classify();
    poison("photos/a/010.jpg", kind);
    CHECK_INT(POISONED_RUN("2", "--image-cpu-limit", limit), 0);
    CHECK_TABLE(row, "/a/010.jpg");
    CHECK(deaths() >= 2);
    CHECK(deaths() <= RESTARTS);
}

TEST(a_photo_that_crashes_its_decoder_gets_a_row_and_disturbs_no_other)
{
    check_one("crash", "crash", "20");
    check_contains("run.err", "signal 11");
    check_contains("job/worker-1.log", "died with 1 image in its hands"); /* the thread that faulted */
}

TEST(a_photo_that_aborts_its_decoder_gets_a_row_and_disturbs_no_other)
{
    check_one("abort", "crash", "20");
    check_contains("run.err", "signal 6");
}

TEST(a_photo_that_takes_all_memory_gets_a_row_and_disturbs_no_other)
{
    check_one("memory", "crash", "20");
    check_contains("run.err", "signal 9");
}

TEST(a_photo_that_no_decoder_comes_back_from_gets_a_row_and_disturbs_no_other)
{
    check_one("hang", "timeout", "1");
    CHECK_INT(test_shell(NULL, "grep -q 'has stood still for .* s and cannot be interrupted' job/worker-*.log"), 0);
}

/* Nothing else moves there: the coordinator notices before the worker does. */
TEST(a_photo_that_keeps_the_whole_stage_standing_gets_a_row_and_disturbs_no_other)
{
    draw_and_classify();
    poison("photos/a/010.jpg", "hang");
    CHECK_INT(POISONED_RUN("2", "--image-cpu-limit", "20", "--stall-timeout", "1"), 0);
    CHECK_TABLE("timeout", "/a/010.jpg");
    CHECK(deaths() >= 2);
    CHECK(deaths() <= RESTARTS);
    check_contains("run.err", "stage \"decode\" has stood still for 1 s");
    check_contains("run.err", "never came back, 2 times");
}

TEST(a_photo_that_is_computed_for_ever_gets_a_row_and_disturbs_no_other)
{
    check_one("spin", "timeout", "1");
    CHECK_INT(test_shell(NULL, "grep -q 'has computed for .* s and cannot be interrupted' job/worker-*.log"), 0);
}

/* ---- more of them ---- */

TEST_WITHIN(150, several_such_photos_in_one_batch_and_in_several_get_a_row_each)
{
    draw_and_classify();
    poison("photos/a/000.jpg", "crash");
    poison("photos/a/004.jpg", "abort");
    poison("photos/b/021.jpg", "crash");
    CHECK_INT(POISONED_RUN("2", "--image-cpu-limit", "20"), 0);
    CHECK_TABLE("crash", "/a/000.jpg", "/a/004.jpg", "/b/021.jpg");
    CHECK(deaths() <= 3 * RESTARTS);
}

TEST(one_worker_alone_survives_such_a_photo_too)
{
    draw_and_classify();
    poison("photos/b/013.jpg", "crash");
    CHECK_INT(POISONED_RUN("1", "--image-cpu-limit", "20"), 0);
    CHECK_TABLE("crash", "/b/013.jpg");
    CHECK(deaths() <= RESTARTS);
}

TEST(a_photo_at_which_a_decoder_crashed_once_is_not_to_blame)
{
    draw_and_classify();
    poison("photos/a/010.jpg", "once");
    write_text("poison-once", "");
    CHECK_INT(POISONED_RUN("2", "--image-cpu-limit", "20"), 0);
    CHECK(access("poison-once", F_OK) < 0);
    CHECK_INT(deaths(), 1);
    check_same_file("job/predictions.jsonl", "expected/predictions.jsonl");
}

/* As systemd would: what died is started again on its address. */
static void supervise(struct daemon *daemons, int count, struct process *run)
{
    char name[32];
    int starts = 0;
    for (double until = now_s() + patience(60); process_running(run);) {
        for (int i = 0; i < count; i++)
            if (!process_running(&daemons[i].process)) {
                snprintf(name, sizeof(name), "daemon %d, start %d", i, ++starts);
                daemon_start(&daemons[i], name, daemons[i].port, ARGV("--engine", "sim", "--threads", "8"));
            }
        rest(until, __FILE__, __LINE__, "the job ends");
    }
    CHECK(starts >= 2 && starts <= RESTARTS);
}

TEST(daemons_that_are_started_again_find_the_photo_too)
{
    struct daemon daemons[2];
    struct process run;
    draw_and_classify();
    poison("photos/a/010.jpg", "crash");
    preload("poison", NULL, NULL);
    WORKER(&daemons[0], "first", "--engine", "sim", "--threads", "8");
    WORKER(&daemons[1], "second", "--engine", "sim", "--threads", "8");
    write_nodes("nodes", (const struct daemon *[]){ &daemons[0], &daemons[1] }, 2);
    BEGIN(&run, "run", "run", "--nodes", "nodes", "--expiry", "2", "--batch", "6", "--job", "job", "photos");
    supervise(daemons, 2, &run);
    CHECK_INT(process_end(&run), 0);
    CHECK_TABLE("crash", "/a/010.jpg");
    for (int i = 0; i < 2; i++)
        daemon_stop(&daemons[i]);
}

/* ---- nobody's fault ---- */

TEST(workers_that_are_killed_at_random_blame_no_image)
{
    struct process run;
    pid_t workers[8];
    unsigned seed = 11;
    draw_and_classify();
    BEGIN(&run, "run", "run", "--local", "3", "--engine", "sim", "--engine-threads", "1", "--sim-cost-us", "40000", "--threads", "4", "--batch", "2", "--job", "job", "photos", "photos",
          "photos", "photos", "photos", "photos");
    for (int kills = 0; kills < 8 && process_running(&run);) {
        int count = workers_of(&run, workers, 8);
        long before = job_done("job");
        if (count == 3 && before) {
            kill(workers[rand_r(&seed) % 3], SIGKILL);
            kills++;
            WAIT_FOR(!process_running(&run) || job_done("job") > before + 4);
        }
    }
    CHECK_INT(process_end(&run), 0);
    CHECK(count_lines("run.err", "signal 9") >= 3);
    CHECK_INT(test_shell(NULL, "grep -c '\"error\":null' job/predictions.jsonl | grep -qx %d", 6 * PHOTOS), 0);
}
