/* test_witnesses.c: a node that reads none of a batch: who else is asked, and when is it believed? Workers made by hand decide what each of them can read. */
#include "tests/cluster/lib/cluster.h"
#include "tests/cluster/lib/puppet.h"
#include "tests/cluster/lib/table.h"

static struct puppet cast[10];

/* What a puppet does with the batch that begins with this image. */
typedef void act(struct puppet *puppet, const struct message *batch, long image);

/* `images` in batches of ten, on so many puppets. */
static void begin(struct process *run, int count, const char *images, const char *node_timeout)
{
    struct puppet *puppets[10];
    char least[8];
    for (int i = 0; i < count; i++)
        puppet_start(puppets[i] = &cast[i], 0);
    puppets_list("nodes", puppets, count);
    snprintf(least, sizeof(least), "%d", count);
    BEGIN(run, "run", "run", "--nodes", "nodes", "--min-nodes", least, "--expiry", "1", "--node-timeout", node_timeout, "--batch", "10", "--job", "job",
          images);
}

/* Until the run ends. What is neither committed nor cancelled is offered again, as workers do. */
static void play(struct process *run, int count, act *act)
{
    for (double until = now_s() + patience(40); process_running(run); rest(until, __FILE__, __LINE__, "the end of the run")) {
        for (int p = 0; p < count; p++)
            for (int i = 0; i < cast[p].arrived; i++)
                if (!cast[p].over[i])
                    act(&cast[p], &cast[p].batches[i], puppet_image(&cast[p].batches[i], 0));
        puppets_play(0.05);
    }
    CHECK_INT(process_end(run), 0);
}

static void check_rows(const char *error, int count)
{
    struct table table;
    table_read(&table, "job/predictions.jsonl");
    CHECK_INT(table_count(&table, error), count);
    table_done(&table);
}

/* ---- the images, or the node? ---- */

static void read_none(struct puppet *puppet, const struct message *batch, long image)
{
    (void)image;
    puppet_fail(puppet, batch, ROW_NOT_FOUND);
}

TEST(an_image_that_none_of_ten_nodes_can_read_gets_its_row)
{
    struct process run;
    begin(&run, 10, "sim:20", "60");
    play(&run, 10, read_none);
    check_rows("not_found", 20);
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

/* One batch at a time for each. */
static void play_failures(int count)
{
    struct process run;
    failures = count;
    begin(&run, 2, "sim:400", "60");
    cast[0].closed_purse = cast[1].closed_purse = true;
    PUPPETS(cast[0].welcomes && cast[1].welcomes);
    puppet_grant(&cast[0], 10);
    puppet_grant(&cast[1], 10);
    play(&run, 2, fail_at_first);
    check_rows("", 400);
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
    struct process run;
    begin(&run, 2, "sim:20", "60");
    struct message *first = puppet_batch(&cast[0]), *second = puppet_batch(&cast[1]);
    read_after_dead(&cast[1], second, puppet_image(second, 0));
    read_after_dead(&cast[0], first, puppet_image(first, 0));
    play(&run, 2, read_after_dead);
    check_rows("", 10);
    check_rows("not_found", 10);
}

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
    struct process run;
    begin(&run, 2, "sim:10", "60");
    play(&run, 2, die_of_the_first);
    check_contains("run.err", "of its images is looked at one by one");
    CHECK(died);
}

/* ---- nobody is there to ask ---- */

static void offer_again(const struct message *batch)
{
    puppet_fail(&cast[0], batch, ROW_NOT_FOUND);
    puppets_play(0.3);
}

/* The first one, which reads nothing, is the only one that is heard. */
static struct message *begin_alone(struct process *run, const char *node_timeout)
{
    begin(run, 2, "sim:10", node_timeout);
    PUPPETS(cast[0].welcomes && cast[1].welcomes && cast[0].arrived + cast[1].arrived);
    CHECK_INT(cast[0].arrived, 1);
    cast[1].silent = true;
    while (test_shell(NULL, "grep -q 'silent for too long' run.err"))
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
    check_rows("", 10);
}

TEST(a_node_that_has_read_nothing_is_believed_when_the_only_other_does_not_come_back)
{
    struct process run;
    const struct message *batch = begin_alone(&run, "3");
    double until = now_s() + patience(40);
    while (process_running(&run) && now_s() < until)
        offer_again(batch);
    CHECK_INT(process_end(&run), 0);
    check_rows("not_found", 10);
}

/* ---- the end of a job ---- */

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
    struct process run;
    begin(&run, 2, "sim:100", "60");
    cast[1].closed_purse = true;
    PUPPETS(cast[1].welcomes);
    puppet_grant(&cast[1], 10);
    play(&run, 2, leave_one);
    check_rows("", 100);
    CHECK_INT(cast[1].cancels, 1);
    CHECK_INT(cast[1].received, 2);
}
