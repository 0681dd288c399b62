/* Which image ends its worker? Workers made by hand die as a test wants them to; the table says who was convicted. */
#include "tests/cluster/lib/cluster.h"
#include "tests/cluster/lib/puppet.h"

#include "common/cleanup.h"

#include <jansson.h>

static struct puppet one, two, three;

/* `images` in batches of ten, on these puppets. */
static void begin(struct process *run, struct puppet *const *puppets, int count, const char *images)
{
    char least[8];
    for (int i = 0; i < count; i++)
        puppet_start(puppets[i], 0);
    puppets_list("nodes", puppets, count);
    snprintf(least, sizeof(least), "%d", count);
    BEGIN(run, "run", "run", "--nodes", "nodes", "--min-nodes", least, "--expiry", "1", "--batch", "10", "--job", "job", images);
}

static bool is_poison(uint64_t poison, long image)
{
    return image < 64 && poison >> image & 1;
}

/* Every image has the row of its number, but for those that crash: a bit each. */
static void check_table(int images, uint64_t crashes)
{
    CLEANUP(fclosep) FILE *file = fopen("job/predictions.jsonl", "r");
    char line[4096];
    CHECK(file);
    for (int i = 0; i < images; i++) {
        CHECK(fgets(line, sizeof(line), file));
        json_t *row = json_loads(line, 0, NULL);
        const char *kind = json_string_value(json_object_get(json_object_get(row, "error"), "kind"));
        const char *detail = json_string_value(json_object_get(json_object_get(row, "error"), "detail"));
        if (is_poison(crashes, i)) {
            CHECK_STR(kind, "crash");
            CHECK_CONTAINS(detail, "with no other image there");
            CHECK_CONTAINS(detail, "at stage \"decode\"");
        } else
            CHECK_INT(json_integer_value(json_object_get(json_array_get(json_object_get(row, "predictions"), 0), "index")), i % 1000);
        json_decref(row);
    }
    CHECK(!fgets(line, sizeof(line), file));
}

/* Plays on until the run ends; whoever gets a poisoned image dies of it, and names it. Returns how many died. */
static int play(struct process *run, struct puppet *const *puppets, int count, uint64_t poison)
{
    int deaths = 0;
    for (double until = now_s() + patience(40); process_running(run); rest(until, __FILE__, __LINE__, "the end of the run")) {
        puppets_step();
        for (int p = 0; p < count; p++)
            while (puppets[p]->taken < puppets[p]->arrived) {
                const struct message *batch = &puppets[p]->batches[puppets[p]->taken++];
                uint32_t i = 0;
                while (i < batch->batch.items_count && !is_poison(poison, puppet_image(batch, i)))
                    i++;
                if (i == batch->batch.items_count) {
                    puppet_answer(puppets[p], batch);
                    continue;
                }
                puppet_die(puppets[p]);
                puppet_blame(puppets[p], batch, i);
                deaths++;
            }
    }
    CHECK_INT(process_end(run), 0);
    return deaths;
}

TEST(an_image_that_ends_its_worker_twice_alone_gets_a_crash_row_and_all_others_their_answers)
{
    struct process run;
    begin(&run, (struct puppet *const[]){ &one }, 1, "sim:30");
    CHECK_INT(play(&run, (struct puppet *const[]){ &one }, 1, 1u << 13), 3);
    check_table(30, 1u << 13);
    check_contains("run.err", "sim:13: given up, its row says crash");
}

TEST(several_such_images_are_all_found_on_several_workers)
{
    struct puppet *const all[] = { &one, &two, &three };
    const uint64_t poison = 1u << 0 | 1u << 13 | 1u << 14 | 1u << 29;
    struct process run;
    begin(&run, all, 3, "sim:40");
    int deaths = play(&run, all, 3, poison);
    CHECK(deaths >= 3 * 2 && deaths <= 4 * 4);
    check_table(40, poison);
}

TEST(eight_of_ten_images_may_be_such)
{
    struct process run;
    begin(&run, (struct puppet *const[]){ &one }, 1, "sim:30");
    CHECK_INT(play(&run, (struct puppet *const[]){ &one }, 1, 0xff << 11), 8 * 3);
    check_table(30, 0xff << 11);
}

TEST(a_worker_that_dies_of_every_image_convicts_none_where_there_is_another)
{
    struct process run;
    begin(&run, (struct puppet *const[]){ &one, &two }, 2, "sim:40");
    int deaths = 0;
    for (double until = now_s() + patience(40); process_running(&run); rest(until, __FILE__, __LINE__, "the end of the run")) {
        puppets_step();
        if (one.taken < one.arrived) {
            const struct message *batch = &one.batches[one.taken];
            puppet_die(&one);
            puppet_blame(&one, batch, 0);
            deaths++;
        }
        while (two.taken < two.arrived)
            puppet_answer(&two, &two.batches[two.taken++]);
    }
    CHECK_INT(process_end(&run), 0);
    CHECK(deaths > 0 && deaths <= 60);
    check_table(40, 0);
}

/* Then it is not the images. */
TEST(a_node_whose_processes_die_of_one_image_after_the_other_is_given_up)
{
    struct process run;
    begin(&run, (struct puppet *const[]){ &one }, 1, "sim:60");
    for (double until = now_s() + patience(120); process_running(&run); rest(until, __FILE__, __LINE__, "the node is given up")) {
        puppets_step();
        if (one.taken == one.arrived)
            continue;
        const struct message *batch = &one.batches[one.taken++];
        puppet_die(&one);
        puppet_blame(&one, batch, 0);
        one.taken = one.arrived; /* they died with it */
    }
    CHECK_INT(process_end(&run), 1);
    check_contains("run.err", "its processes die one after the other, each with another image; something is wrong there");
}

TEST(a_suspect_that_survives_alone_is_innocent)
{
    struct process run;
    begin(&run, (struct puppet *const[]){ &one }, 1, "sim:20");
    const struct message *batch = puppet_batch(&one);
    CHECK_INT(batch->batch.alone, 0);
    puppet_die(&one);
    for (uint32_t i = 2; i < 5; i++)
        puppet_blame(&one, batch, i);
    CHECK_INT(play(&run, (struct puppet *const[]){ &one }, 1, 0), 0);
    int alone = 0;
    for (int i = 0; i < one.arrived; i++)
        if (one.batches[i].batch.alone) {
            CHECK_INT(one.batches[i].batch.items_count, 1);
            CHECK(puppet_image(&one.batches[i], 0) >= 2 && puppet_image(&one.batches[i], 0) < 5);
            alone++;
        }
    CHECK_INT(alone, 3);
    check_table(20, 0);
}

/* The batch that was there each time, when another one's images were named, has nothing to do with it. */
TEST(deaths_that_are_explained_do_not_count_against_the_other_batches_of_their_node)
{
    struct process run;
    begin(&run, (struct puppet *const[]){ &one }, 1, "sim:20");
    for (int death = 0; death < 4; death++) {
        const struct message *named = NULL, *other = NULL;
        for (double until = now_s() + patience(40); !named || !other; rest(until, __FILE__, __LINE__, "both batches come")) {
            puppets_step();
            for (; one.taken < one.arrived; one.taken++) {
                const struct message *batch = &one.batches[one.taken];
                if (batch->batch.alone)
                    puppet_answer(&one, batch);
                else if (puppet_image(batch, 0) >= 10)
                    other = batch;
                else
                    named = batch;
            }
        }
        puppet_die(&one);
        puppet_blame(&one, named, 0);
    }
    CHECK_INT(play(&run, (struct puppet *const[]){ &one }, 1, 0), 0);
    for (int i = 0; i < one.arrived; i++)
        CHECK(!one.batches[i].batch.alone || puppet_image(&one.batches[i], 0) < 10);
    check_table(20, 0);
}

/* Something else is there: it is not asked again and again meanwhile. */
TEST(a_suspect_that_is_given_back_comes_again_after_a_rest)
{
    struct process run;
    int returned = 0;
    begin(&run, (struct puppet *const[]){ &one }, 1, "sim:10");
    const struct message *batch = puppet_batch(&one);
    puppet_die(&one);
    puppet_blame(&one, batch, 7);
    double start = now_s(), until = start + patience(40);
    for (; returned < 5; rest(until, __FILE__, __LINE__, "the suspect comes again")) {
        puppets_step();
        for (; one.taken < one.arrived; one.taken++)
            if (one.batches[one.taken].batch.alone) {
                puppet_return(&one, &one.batches[one.taken]);
                returned++;
            } else
                puppet_answer(&one, &one.batches[one.taken]);
    }
    CHECK(now_s() - start >= 4 * 0.2);
    CHECK_INT(play(&run, (struct puppet *const[]){ &one }, 1, 0), 0);
    check_table(10, 0);
}

TEST(one_death_alone_convicts_nobody_nor_do_deaths_that_have_another_reason)
{
    struct process run;
    begin(&run, (struct puppet *const[]){ &one }, 1, "sim:10");
    const struct message *batch = puppet_batch(&one);
    puppet_die(&one);
    puppet_blame(&one, batch, 7);
    for (int death = 0; death < 3; death++) {
        batch = puppet_batch(&one);
        CHECK(batch->batch.alone && puppet_image(batch, 0) == 7);
        puppet_die(&one);
        if (death == 1)
            puppet_blame(&one, batch, 0);
    }
    CHECK_INT(play(&run, (struct puppet *const[]){ &one }, 1, 0), 0);
    check_table(10, 0);
}

/* Answers everything that is not alone, until a suspect comes. */
static const struct message *await_suspect(struct puppet *const *puppets, int count, struct puppet **ret_guard)
{
    for (double until = now_s() + patience(40);; rest(until, __FILE__, __LINE__, "a suspect is sent")) {
        puppets_step();
        for (int p = 0; p < count; p++)
            while (puppets[p]->taken < puppets[p]->arrived) {
                const struct message *batch = &puppets[p]->batches[puppets[p]->taken++];
                if (batch->batch.alone) {
                    *ret_guard = puppets[p];
                    return batch;
                }
                puppet_answer(puppets[p], batch);
            }
    }
}

TEST(a_suspects_worker_has_nothing_else_and_the_others_go_on)
{
    struct puppet *const all[] = { &one, &two };
    struct puppet *guard;
    struct process run;
    begin(&run, all, 2, "sim:3000");
    PUPPETS(one.arrived == 20 && two.arrived == 20); /* their credit */
    puppet_die(&one);
    puppet_blame(&one, &one.batches[3], 0);
    puppet_blame(&one, &one.batches[5], 1);
    PUPPETS(one.welcomes);
    const struct message *suspect = await_suspect(all, 2, &guard);
    struct puppet *other = guard == &one ? &two : &one;
    int before = guard->arrived, elsewhere = other->arrived;
    for (int i = 0; i < 10; i++) {
        if (other->taken < other->arrived)
            puppet_answer(other, &other->batches[other->taken++]);
        puppets_play(0.02);
    }
    CHECK_INT(guard->arrived, before);
    CHECK(other->arrived > elsewhere + 5);
    for (int i = elsewhere; i < other->arrived; i++)
        CHECK_INT(other->batches[i].batch.alone, 0); /* one at a time */
    puppet_answer(guard, suspect);
    CHECK_INT(play(&run, all, 2, 0), 0);
    check_table(3000, 0);
}

TEST(a_batch_that_was_at_three_unexplained_deaths_is_looked_at_image_by_image)
{
    struct process run;
    begin(&run, (struct puppet *const[]){ &one }, 1, "sim:10");
    for (int death = 0; death < 3; death++) {
        const struct message *batch = puppet_batch(&one);
        CHECK_INT(batch->batch.items_count, 10);
        puppet_die(&one);
    }
    for (int i = 0; i < 10; i++) {
        const struct message *batch = puppet_batch(&one);
        CHECK(batch->batch.alone && batch->batch.items_count == 1);
        CHECK_INT(puppet_image(batch, 0), i);
        puppet_answer(&one, batch);
    }
    CHECK_INT(play(&run, (struct puppet *const[]){ &one }, 1, 0), 0);
    check_table(10, 0);
}

TEST(a_worker_that_could_only_not_be_heard_blames_nobody)
{
    struct process run;
    begin(&run, (struct puppet *const[]){ &one }, 1, "sim:10");
    for (int loss = 0; loss < 4; loss++) {
        const struct message *batch = puppet_batch(&one);
        CHECK_INT(batch->batch.items_count, 10); /* not in pieces */
        int hellos = one.hellos;
        one.silent = true;
        PUPPETS(one.hellos > hellos); /* lost, and called again; this call stays unanswered */
        one.silent = false;
        one.coordinator = 0; /* the next is not taken for a repetition */
    }
    CHECK_INT(play(&run, (struct puppet *const[]){ &one }, 1, 0), 0);
    check_table(10, 0);
}

TEST(a_late_result_of_a_whole_batch_ends_the_work_on_its_pieces)
{
    struct puppet *const all[] = { &one, &two };
    struct process run;
    begin(&run, all, 2, "sim:20");
    two.closed_purse = true; /* gets nothing, and says what it did before it was lost */
    const struct message *first = puppet_batch(&one);
    puppet_die(&one);
    puppet_blame(&one, first, 4);
    const struct message *suspect = puppet_batch(&one);
    CHECK(suspect->batch.alone && puppet_image(suspect, 0) == puppet_image(first, 4));
    puppet_answer(&two, first);
    PUPPETS(one.cancelled == suspect->batch.batch && two.committed == first->batch.batch);
    CHECK_INT(play(&run, all, 2, 0), 0);
    for (int i = 0; i < one.arrived; i++)
        CHECK(!one.batches[i].batch.alone || &one.batches[i] == suspect);
    check_table(20, 0);
}
