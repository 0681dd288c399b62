/* test_witnesses_away.c: a node that reads none of a batch while others are away, come back, leave, or load. */
#include "tests/cluster/lib/cast.h"

/* ---- nobody is there to ask ---- */

static void offer_again(const struct message *batch)
{
    puppet_fail(&cast[0], batch, ROW_NOT_FOUND);
    puppets_play(0.3);
}

/* The first one, which reads nothing, is the only one that is heard. */
static struct message *begin_alone(struct process *run, const char *node_timeout)
{
    cast_begin(run, 2, "sim:10", node_timeout);
    PUPPETS(cast[0].welcomes && cast[1].welcomes && cast[0].arrived + cast[1].arrived);
    CHECK_INT(cast[0].arrived, 1);
    cast[1].silent = true;
    while (!process_said(run, "silent for too long"))
        offer_again(&cast[0].batches[0]);
    return &cast[0].batches[0];
}

TEST(a_node_that_has_read_nothing_is_not_believed_while_the_only_other_is_away_for_a_moment)
{
    struct process run;
    const struct message *batch = begin_alone(&run, "60");
    for (int i = 0; i < 5; i++)
        offer_again(batch);
    CHECK_INT(job_done("job"), 0);
    cast[1].silent = false;
    while (cast[1].over[cast[1].arrived - 1] || cast[1].welcomes < 2)
        offer_again(batch);
    puppet_answer(&cast[1], &cast[1].batches[cast[1].arrived - 1]);
    PUPPETS(!process_running(&run));
    CHECK_INT(process_end(&run), 0);
    cast_check_rows("", 10);
}

TEST(a_node_that_has_read_nothing_is_believed_when_the_only_other_does_not_come_back)
{
    struct process run;
    const struct message *batch = begin_alone(&run, "3");
    double until = now_s() + patience(40);
    while (process_running(&run) && now_s() < until)
        offer_again(batch);
    CHECK_INT(process_end(&run), 0);
    cast_check_rows("not_found", 10);
}

static double begun;

/* The first one reads nothing. The second dies after a second and a half, loads its model for another, and so on. */
static void die_while_loading(struct puppet *puppet, const struct message *batch, long image)
{
    bool dead = (long)((now_s() - begun) / 1.5) % 2;
    (void)image;
    if (dead && !cast[1].silent)
        puppet_die(&cast[1]);
    cast[1].silent = dead;
    cast[1].loading = !dead;
    puppet_fail(puppet, batch, ROW_NOT_FOUND);
}

TEST(a_node_that_dies_again_and_again_while_it_loads_keeps_no_job_from_its_end)
{
    struct process run;
    puppet_start(&cast[0], 0);
    puppet_start(&cast[1], 0);
    cast[1].loading = true;
    begun = now_s();
    puppets_list("nodes", (struct puppet *const[]){ &cast[0], &cast[1] }, 2);
    BEGIN(&run, "run", "run", "--nodes", "nodes", "--min-nodes", "1", "--expiry", "1", "--node-timeout", "3", "--batch", "10", "--job", "job", "sim:100");
    cast_play(&run, 1, die_while_loading);
    cast_check_rows("not_found", 100);
}

/* ---- coming back ---- */

static int before[2]; /* so many batches had come when the connection broke */

static void fail_what_is_old(struct puppet *puppet, const struct message *batch, long image)
{
    (void)image;
    if (batch - puppet->batches < before[puppet - cast])
        puppet_fail(puppet, batch, ROW_TIMEOUT);
    else
        puppet_answer(puppet, batch);
}

TEST(two_nodes_that_come_back_with_results_of_which_nothing_was_read_get_on)
{
    struct process run;
    cast_begin(&run, 2, "sim:1000", "60");
    PUPPETS(cast[0].arrived == 20 && cast[1].arrived == 20);
    for (int i = 0; i < 2; i++) {
        cast[i].silent = cast[i].closed_purse = true; /* what they hold is all that they may hold: nothing is granted when they are welcome again */
        before[i] = 20;
    }
    while (test_shell(NULL, "test $(grep -c 'silent for too long' run.err) = 2"))
        puppets_play(0.1);
    cast[0].silent = cast[1].silent = false;
    PUPPETS(cast[0].welcomes == 2 && cast[1].welcomes == 2);
    cast_play(&run, 2, fail_what_is_old);
    cast_check_rows("", 1000);
}

/* The new process of the first one reads. */
static void read_when_mended(struct puppet *puppet, const struct message *batch, long image)
{
    (void)image;
    if (puppet == &cast[0] && batch > puppet->batches)
        puppet_answer(puppet, batch);
    else
        puppet_fail(puppet, batch, ROW_NOT_FOUND);
}

TEST(a_node_that_was_mended_is_asked_again)
{
    struct process run;
    cast_begin(&run, 2, "sim:10", "60");
    PUPPETS(cast[0].arrived);
    puppet_fail(&cast[0], &cast[0].batches[0], ROW_NOT_FOUND);
    PUPPETS(cast[1].arrived);
    puppet_die(&cast[0]);
    PUPPETS(cast[0].welcomes);
    puppets_play(0.5);
    cast_play(&run, 2, read_when_mended);
    cast_check_rows("", 10);
}

static void answer_but_the_first(struct puppet *puppet, const struct message *batch, long image)
{
    (void)image;
    if (puppet == &cast[1] || batch > puppet->batches)
        puppet_answer(puppet, batch);
}

TEST(a_late_result_of_which_nothing_was_read_does_not_count_for_a_batch_in_pieces)
{
    struct process run;
    cast_begin(&run, 2, "sim:10", "60");
    PUPPETS(cast[0].arrived);
    cast[0].silent = true;
    PUPPETS(cast[1].arrived);
    puppet_die(&cast[1]);
    puppet_blame(&cast[1], &cast[1].batches[0], 3);
    PUPPETS(cast[1].arrived > 1); /* a piece */
    cast[0].silent = false;
    PUPPETS(cast[0].welcomes == 2);
    puppets_play(0.5);
    puppet_fail(&cast[0], &cast[0].batches[0], ROW_TIMEOUT);
    PUPPETS(cast[0].over[0]); /* it need not keep it */
    cast_play(&run, 2, answer_but_the_first);
    cast_check_rows("", 10);
}

/* ---- leaving ---- */

static bool is_copy(const struct message *batch)
{
    return batch->batch.batch == cast[1].batches[0].batch.batch;
}

static void read_but_the_copy(struct puppet *puppet, const struct message *batch, long image)
{
    (void)image;
    if (puppet == &cast[0] && !is_copy(batch))
        puppet_answer(puppet, batch);
}

TEST(what_a_node_that_leaves_still_has_is_not_given_up_for_another_that_cannot_read_it)
{
    struct process run;
    cast_begin(&run, 2, "sim:100", "60");
    cast_narrow(1);
    PUPPETS(cast[1].arrived);
    for (double until = now_s() + patience(40); !cast[0].arrived || !is_copy(&cast[0].batches[cast[0].arrived - 1]);
         rest(until, __FILE__, __LINE__, "the copy"))
        cast_act(1, read_but_the_copy);
    puppet_send(&cast[1], &(struct message){ .kind = MESSAGE_leaving, .leaving = { "asked to stop" } });
    puppets_play(0.5);
    puppet_fail(&cast[0], &cast[0].batches[cast[0].arrived - 1], ROW_NOT_FOUND);
    puppets_play(0.5);
    puppet_answer(&cast[1], &cast[1].batches[0]);
    cast_play(&run, 1, read_but_the_copy);
    cast_check_rows("", 100);
}
