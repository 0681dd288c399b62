/* test_doubts.c: nodes that cannot read what others read take no part, and leave no error rows behind. */
#include "tests/cluster/lib/cluster.h"
#include "tests/cluster/lib/hidden.h"
#include "tests/cluster/lib/table.h"

#include "common/cleanup.h"

#include <signal.h>

#define IMAGES 300

static void make_files(const char *folder, int count)
{
    char path[64];
    for (int i = 0; i < count; i++) {
        snprintf(path, sizeof(path), "%s/%03d.jpg", folder, i);
        test_write_file(path, "sim", 3);
    }
}

/* A cost: nodes that read nothing are faster. */
#define ENGINE "--engine", "sim", "--decode", "none", "--sim-cost-us", "2000"

/* "mine", which the first `blind` of three workers do not see. */
static void start_nodes(struct daemon daemons[3], int blind)
{
    hidden_open("mine");
    make_files("mine", IMAGES);
    for (int i = 0; i < 3; i++) {
        char name[16];
        snprintf(name, sizeof(name), "worker%d", i);
        if (i < blind)
            hidden_start_outside(&daemons[i], name, ARGV(ENGINE));
        else
            daemon_start(&daemons[i], name, 0, ARGV(ENGINE));
    }
    write_nodes("nodes", (const struct daemon *[]){ &daemons[0], &daemons[1], &daemons[2] }, 3);
}

static void stop_nodes(struct daemon daemons[3])
{
    for (int i = 0; i < 3; i++)
        daemon_stop(&daemons[i]);
}

static void check_all_read(const char *path, int images)
{
    struct table table;
    table_read(&table, path);
    CHECK_INT(table_count(&table, ""), images);
    table_done(&table);
}

static int count_dismissed(const char *path)
{
    CLEANUP(freep) char *text = read_text(path);
    int count = 0;
    for (const char *at = text; (at = strstr(at, "takes no part in this job: it cannot read what")); at++)
        count++;
    return count;
}

static void check_blind(int blind)
{
    struct daemon daemons[3] = { 0 };
    start_nodes(daemons, blind);
    CHECK_INT(COORDINATE("run", "run", "--nodes", "nodes", "--min-nodes", "3", "--batch", "5", "--job", "job", "mine"), 0);
    check_all_read("job/predictions.jsonl", IMAGES);
    CHECK_INT(count_dismissed("run.err"), blind);
    check_contains("run.err", "not_found: ");
    stop_nodes(daemons);
}

TEST(a_node_that_lacks_a_mount_is_dismissed_and_all_images_are_read) { check_blind(1); }
TEST(two_of_three_nodes_that_lack_a_mount_are_dismissed) { check_blind(2); }

TEST(where_no_node_has_the_mount_the_job_stops_before_anything_is_kept)
{
    struct daemon daemons[3] = { 0 };
    start_nodes(daemons, 3);
    CHECK_INT(COORDINATE("run", "run", "--nodes", "nodes", "--min-nodes", "3", "--batch", "5", "--job", "job", "mine"), 1);
    check_contains("run.err", "refused (not_found), so nothing was kept");
    CHECK_INT(job_done("job"), 0);
    stop_nodes(daemons);
}

/* The coordinator does not see it either, since its image is on a list. */
TEST(images_that_nobody_can_read_are_rows_and_nobody_is_dismissed)
{
    struct daemon daemons[3] = { 0 };
    struct table table;
    start_nodes(daemons, 0);
    CHECK_INT(test_shell(NULL, "for i in $(seq 100 399); do echo $PWD/mine/$i.jpg; done >list"), 0);
    CHECK_INT(COORDINATE("run", "run", "--nodes", "nodes", "--min-nodes", "3", "--batch", "5", "--job", "job", "@list"), 0);
    table_read(&table, "job/predictions.jsonl");
    CHECK_INT(table_count(&table, ""), 200);
    CHECK_INT(table_count(&table, "not_found"), 100);
    table_done(&table);
    check_lacks("run.err", "takes no part");
    stop_nodes(daemons);
}

/* It has what the others have, and then no more. */
TEST(a_node_that_loses_its_mount_on_the_way_is_dismissed)
{
    struct daemon daemons[3] = { 0 };
    struct process run;
    start_nodes(daemons, 1);
    hidden_leave();
    make_files("mine", IMAGES);
    hidden_enter();
    BEGIN(&run, "run", "run", "--nodes", "nodes", "--min-nodes", "3", "--batch", "5", "--job", "job", "mine", "mine", "mine", "mine", "mine", "mine");
    WAIT_FOR(job_done("job") > 100);
    process_signal(&run, SIGSTOP); /* so that enough is left to be handed out afterwards */
    hidden_leave();
    CHECK_INT(test_shell(NULL, "rm -r mine/*"), 0);
    hidden_enter();
    process_signal(&run, SIGCONT);
    CHECK_INT(process_end(&run), 0);
    check_all_read("job/predictions.jsonl", 6 * IMAGES);
    CHECK_INT(count_dismissed("run.err"), 1);
    stop_nodes(daemons);
}

TEST(workers_that_say_of_tens_of_thousands_of_batches_that_they_are_not_there_do_not_flood_the_coordinator)
{
    struct table table;
    CHECK_INT(test_shell(NULL, "seq 40000 | sed \"s,.*,$PWD/none/&.jpg,\" >list"), 0);
    CHECK_INT(COORDINATE("run", "run", "--local", "8", "--min-nodes", "8", "--engine", "sim", "--decode", "none", "--threads", "1", "--fetch-threads", "1",
                         "--batch", "1", "--job", "job", "@list"), 0);
    check_lacks("run.err", "floods");
    table_read(&table, "job/predictions.jsonl");
    CHECK_INT(table_count(&table, "not_found"), 40000);
    table_done(&table);
}

/* What somebody wrote into a list need not be there. */
TEST(files_of_a_list_that_are_nowhere_are_rows_on_a_node_too)
{
    struct daemon daemon;
    struct table table;
    WORKER(&daemon, "one", "--engine", "sim");
    write_node("nodes", &daemon);
    write_text("list", "/nowhere/a.jpg\n/nowhere/b.jpg\n/nowhere/c.jpg\n");
    CHECK_INT(COORDINATE("run", "run", "--nodes", "nodes", "--job", "job", "@list"), 0);
    table_read(&table, "job/predictions.jsonl");
    CHECK_INT(table.count, 3);
    CHECK_INT(table_count(&table, "not_found"), 3);
    table_done(&table);
    daemon_stop(&daemon);
}
