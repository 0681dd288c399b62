/* test_witnesses.c: a node that reads none of a batch: who else is asked, and when is it believed? Workers made by hand decide what each of them can read. */
#include "tests/cluster/lib/cast.h"

#include <signal.h>

static struct process run;

/* ---- the images, or the node? ---- */

static void read_none(struct puppet *puppet, const struct message *batch, long image)
{
    (void)image;
    puppet_fail(puppet, batch, ROW_NOT_FOUND);
}

TEST(an_image_that_none_of_ten_nodes_can_read_gets_its_row)
{
    cast_begin(&run, 10, "sim:20", "60");
    cast_play(&run, 10, read_none);
    cast_check_rows("not_found", 20);
    check_lacks("run.err", "takes no part");
}

static int failures;

/* The first one fails so many times. */
static void fail_at_first(struct puppet *puppet, const struct message *batch, long image)
{
    (void)image;
    if (puppet == &cast[0] && batch - puppet->batches < failures)
        puppet_fail(puppet, batch, ROW_TIMEOUT);
    else
        puppet_answer(puppet, batch);
}

static void play_failures(int count)
{
    failures = count;
    cast_begin(&run, 2, "sim:400", "60");
    cast_narrow(0);
    cast_narrow(1);
    cast_play(&run, 2, fail_at_first);
    cast_check_rows("", 400);
    check_contains("run.err", "could not read batch");
}

TEST(a_node_that_could_not_read_twice_at_first_takes_part)
{
    play_failures(2);
    check_lacks("run.err", "takes no part");
    CHECK(cast[0].commits > 0);
}

TEST(a_node_that_could_not_read_three_times_what_another_reads_is_dismissed)
{
    play_failures(3);
    check_contains("run.err", "takes no part in this job: it cannot read what");
    check_contains("run.err", "timeout: as the test wants it");
    CHECK_INT(cast[0].commits, 0);
}

/* ---- whoever is asked may be in doubt ---- */

/* Only the second one has the first ten; nobody has the next. */
static void read_after_dead(struct puppet *puppet, const struct message *batch, long image)
{
    if (image == 10 || puppet == &cast[0])
        puppet_fail(puppet, batch, ROW_NOT_FOUND);
    else
        puppet_answer(puppet, batch);
}

TEST(two_nodes_that_both_are_in_doubt_ask_each_other)
{
    cast_begin(&run, 2, "sim:20", "60");
    struct message *first = puppet_batch(&cast[0]), *second = puppet_batch(&cast[1]);
    read_after_dead(&cast[1], second, puppet_image(second, 0));
    read_after_dead(&cast[0], first, puppet_image(first, 0));
    cast_play(&run, 2, read_after_dead);
    cast_check_rows("", 10);
    cast_check_rows("not_found", 10);
}

static double since[PUPPET_BATCHES];

/* Nine read their first batch and nothing more; the tenth takes its time. */
static void lose_mount(struct puppet *puppet, const struct message *batch, long image)
{
    long i = batch - puppet->batches;
    (void)image;
    if (puppet == &cast[9]) {
        since[i] = since[i] ? since[i] : now_s();
        if (now_s() - since[i] > 0.3)
            puppet_answer(puppet, batch);
    } else if (i == 0)
        puppet_answer(puppet, batch);
    else
        puppet_fail(puppet, batch, ROW_NOT_FOUND);
}

TEST(nine_of_ten_nodes_lose_their_mount_and_the_tenth_reads_everything)
{
    cast_begin(&run, 10, "sim:2000", "60");
    cast_play(&run, 10, lose_mount);
    cast_check_rows("", 2000);
}

/* ---- suspects ---- */

static bool died;

/* The first one reads nothing; the second dies of the first image, once. */
static void die_of_the_first(struct puppet *puppet, const struct message *batch, long image)
{
    if (puppet == &cast[0])
        puppet_fail(puppet, batch, ROW_NOT_FOUND);
    else if (image || died)
        puppet_answer(puppet, batch);
    else {
        puppet_die(puppet);
        puppet_blame(puppet, batch, 0);
        died = true;
    }
}

TEST(a_batch_in_doubt_that_ends_its_witness_is_looked_at_one_by_one)
{
    cast_begin(&run, 2, "sim:10", "60");
    cast_play(&run, 2, die_of_the_first);
    check_contains("run.err", "of its images is looked at one by one");
    CHECK(died);
}

/* The first one reads nothing, the second has one batch, the third dies of eight images. */
static void die_of_eight(struct puppet *puppet, const struct message *batch, long image)
{
    (void)image;
    if (puppet == &cast[0])
        puppet_fail(puppet, batch, ROW_NOT_FOUND);
    else if (died) {
        if (process_said(&run, "looked at one by one"))
            puppet_answer(puppet, batch);
    } else if (puppet == &cast[2]) {
        puppet_die(puppet);
        for (uint32_t i = 0; i < 8; i++)
            puppet_blame(puppet, batch, i);
        died = true;
    }
}

TEST(suspects_and_what_is_left_of_their_batch_are_not_given_up_for_a_node_that_reads_nothing)
{
    cast_begin(&run, 3, "sim:60", "60");
    cast_narrow(1);
    PUPPETS(cast[0].arrived && cast[1].arrived && cast[2].arrived);
    puppet_fail(&cast[0], &cast[0].batches[0], ROW_NOT_FOUND);
    PUPPETS(cast[0].cancels);
    cast_play(&run, 3, die_of_eight);
    CHECK(died);
    cast_check_rows("", 60);
}

/* ---- what waits for one node holds up no others ---- */

/* The first one reads all but the first batch that it gets; the second answers for what it gets after its first. */
static void leave_one(struct puppet *puppet, const struct message *batch, long image)
{
    long first = puppet_image(&puppet->batches[0], 0);
    if (puppet == &cast[0] && image == first)
        puppet_fail(puppet, batch, ROW_NOT_FOUND);
    else if (puppet == &cast[0] || image != first)
        puppet_answer(puppet, batch);
}

TEST(what_a_slow_node_has_is_copied_though_a_batch_in_doubt_waits_for_that_node)
{
    cast_begin(&run, 2, "sim:100", "60");
    cast_narrow(1);
    cast_play(&run, 2, leave_one);
    cast_check_rows("", 100);
    CHECK_INT(cast[1].cancels, 1);
    CHECK_INT(cast[1].received, 2);
}

/* The second one is slow. */
static void fail_until_3000(struct puppet *puppet, const struct message *batch, long image)
{
    if (puppet == &cast[1])
        return;
    if (image >= 50 && image < 3000)
        puppet_fail(puppet, batch, ROW_NOT_FOUND);
    else
        puppet_answer(puppet, batch);
}

TEST(what_waits_for_a_slow_node_keeps_nothing_else_from_being_loaded)
{
    cast_begin(&run, 2, "sim:4400", "60");
    cast_narrow(1);
    for (double until = now_s() + patience(40); job_done("job") < 1000; rest(until, __FILE__, __LINE__, "what the first can read"))
        cast_act(2, fail_until_3000);
    process_signal(&run, SIGKILL);
    (void)process_end(&run);
}

/* ---- a store that lets nobody in ---- */

/* What was refused stays where it is, and takes the room of what is still queued. */
TEST(a_store_that_refuses_all_that_the_nodes_can_hold_stops_the_job_though_more_is_queued)
{
    puppet_start(&cast[0], 0);
    cast[0].closed_purse = true;
    puppets_list("nodes", (struct puppet *const[]){ &cast[0] }, 1);
    BEGIN(&run, "run", "run", "--nodes", "nodes", "--batch", "10", "--job", "job", "sim:4000");
    PUPPETS(cast[0].welcomes == 1);
    puppet_grant(&cast[0], 20);
    for (int i = 0; i < 2; i++)
        puppet_fail(&cast[0], puppet_batch(&cast[0]), ROW_DENIED);
    PUPPETS(!process_running(&run));
    CHECK_INT(process_end(&run), 1);
    check_contains("run.err", "all 20 images asked for so far are refused (denied), so nothing was kept; the first of the last ones: as the test wants it");
    CHECK_INT(cast[0].arrived, 2);
    CHECK_INT(job_done("job"), 0);
}
