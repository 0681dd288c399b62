/* Slow workers and hung ones: the others do not wait for them. */
#include "tests/cluster/lib/cluster.h"
#include "tests/cluster/lib/puppet.h"

#include "common/cleanup.h"

#include <jansson.h>
#include <signal.h>

static struct puppet one, two;

/* ---- copies ---- */

static double elapsed(const char *job)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/summary.json", job);
    json_t *summary = json_load_file(path, 0, NULL);
    double seconds = json_number_value(json_object_get(json_object_get(summary, "time"), "elapsed_s"));
    json_decref(summary);
    CHECK(seconds > 0);
    return seconds;
}

/* Their engines sleep, so that the figures are those of a machine with enough processors. */
TEST(a_worker_twenty_times_slower_delays_three_good_ones_by_less_than_a_third)
{
    struct daemon slow, good[3];
    if (is_sanitized())
        test_skip("a sanitizer's speed is not ours");
    for (int i = 0; i < 3; i++) {
        char name[16];
        snprintf(name, sizeof(name), "good %d", i);
        WORKER(&good[i], name, "--engine", "sim", "--engine-threads", "1", "--sim-cost-us", "2000");
    }
    WORKER(&slow, "slow", "--engine", "sim", "--engine-threads", "1", "--sim-cost-us", "40000");
    write_nodes("three", (const struct daemon *[]){ &good[0], &good[1], &good[2] }, 3);
    write_nodes("four", (const struct daemon *[]){ &slow, &good[0], &good[1], &good[2] }, 4);
    CHECK_INT(COORDINATE("three", "run", "--nodes", "three", "--min-nodes", "3", "--batch", "20", "--job", "without", "sim:7500"), 0);
    CHECK_INT(COORDINATE("four", "run", "--nodes", "four", "--min-nodes", "4", "--batch", "20", "--job", "with", "sim:7500"), 0);
    fprintf(stderr, "three good ones: %.2f s, with the slow one: %.2f s\n", elapsed("without"), elapsed("with"));
    CHECK(elapsed("with") <= 1.3 * elapsed("without"));
    check_same_file("with/predictions.jsonl", "without/predictions.jsonl");
    CHECK_INT(images_done_by_nodes("with"), 7500);
    for (int i = 0; i < 3; i++)
        daemon_stop(&good[i]);
    daemon_stop(&slow);
}

static void begin(struct process *run, const char *images)
{
    puppet_start(&one, 0);
    puppet_start(&two, 0);
    puppets_list("nodes", (struct puppet *const[]){ &one, &two }, 2);
    BEGIN(run, "run", "run", "--nodes", "nodes", "--min-nodes", "2", "--stall-timeout", "2", "--batch", "10", "--job", "job", images);
}

/* Both have what there is; two answers everything. */
static const struct message *begin_with_one_left(struct process *run, const char *images)
{
    begin(run, images);
    const struct message *left = puppet_batch(&one);
    puppet_answer(&two, puppet_batch(&two));
    return left;
}

TEST(what_a_slow_worker_has_runs_once_more_and_the_first_answer_counts)
{
    struct process run;
    const struct message *left = begin_with_one_left(&run, "sim:20");
    const struct message *copy = puppet_batch(&two);
    CHECK(copy->batch.batch == left->batch.batch && copy->batch.attempt == 2);
    puppet_answer(&two, copy);
    PUPPETS(one.cancels == 1 && one.cancelled == left->batch.batch);
    CHECK_INT(process_end(&run), 0);
    CHECK_INT(images_done_by_nodes("job"), 20);
}

TEST(the_slow_worker_may_be_first_after_all)
{
    struct process run;
    const struct message *left = begin_with_one_left(&run, "sim:20");
    puppet_batch(&two);
    puppet_answer(&one, left);
    PUPPETS(two.cancels == 1 && two.cancelled == left->batch.batch);
    CHECK_INT(process_end(&run), 0);
    CHECK_INT(images_done_by_nodes("job"), 20);
}

TEST(a_worker_that_is_lost_with_the_original_leaves_the_copy_where_it_is)
{
    struct process run;
    begin_with_one_left(&run, "sim:20");
    const struct message *copy = puppet_batch(&two);
    puppet_die(&one);
    PUPPETS(one.welcomes == 1);
    puppets_play(1);
    CHECK_INT(one.taken, one.arrived); /* it is out, and at a death: no other copy */
    puppet_answer(&two, copy);
    CHECK_INT(process_end(&run), 0);
}

/* ---- hung ---- */

TEST(a_worker_whose_stages_stand_still_at_work_is_lost_though_it_beats)
{
    struct process run;
    begin(&run, "sim:400");
    PUPPETS(one.arrived > 0 && two.arrived > 0);
    one.closed_purse = true;
    one.stages[1] = (struct rec_stage){ .name = "decode", .active = 1, .still_ms = 2100 };
    two.stages[1] = (struct rec_stage){ .name = "decode", .active = 1, .still_ms = 1900 };
    PUPPETS(process_said(&run, "stage \"decode\" has stood still for 2 s"));
    CHECK(!process_said(&run, "batches were lost"));
    for (double until = now_s() + patience(40); process_running(&run); rest(until, __FILE__, __LINE__, "the end of the run")) {
        puppets_step();
        while (two.taken < two.arrived)
            puppet_answer(&two, &two.batches[two.taken++]);
    }
    CHECK_INT(process_end(&run), 0);
    CHECK_INT(images_done_by_nodes("job"), 400);
}

TEST(a_worker_that_waits_for_the_store_is_not_hung)
{
    struct process run;
    begin(&run, "sim:400");
    PUPPETS(one.arrived > 0 && two.arrived > 0);
    one.stages[0].active = two.stages[0].active = 8;
    puppets_play(4);
    check_lacks("run.err", "still");
    process_signal(&run, SIGINT);
    CHECK_INT(process_end(&run), 130);
}

TEST(a_local_worker_that_hangs_is_started_again_and_an_image_that_hangs_it_alone_is_given_up)
{
    char *row;
    CHECK_INT(COORDINATE("run", "run", "--local", "1", "--engine", "sim", "--engine-batch", "1", "--sim-cost-us", "60000000", "--stall-timeout", "1",
                         "--job", "job", "sim:1"), 0);
    check_contains("run.err", "stage \"engine\" has stood still for 1 s");
    check_contains("run.err", "sim:0: given up, its row says crash");
    row = read_text("job/predictions.jsonl");
    CHECK_CONTAINS(row, "\"error\":{\"kind\":\"crash\"");
    free(row);
    CHECK_INT(test_shell(NULL, "test $(grep -c 'has stood still' run.err) -le 6"), 0);
}
