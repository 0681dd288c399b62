#include "common/clock.h"
#include "coordinator/batch.h"
#include "coordinator/node.h"

#include "tests/test.h"

static struct batch *add(struct batches *batches, uint64_t id)
{
    struct store_batch *stored = calloc(1, sizeof(*stored));
    stored->id = id;
    stored->count = 10;
    CHECK_INT(batches_add(batches, stored), 0);
    return batches_find(batches, id);
}

/* Pops everything and compares the ids, written as "1 2 3". */
static void check_queue(struct batches *batches, const char *expected)
{
    char text[256] = "";
    for (struct batch *batch; (batch = batches_pop(batches));)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%llu", *text ? " " : "", (unsigned long long)batch->id);
    CHECK_STR(text, expected);
    CHECK_INT(batches->queue.count, 0);
    CHECK(!batches->queue.first && batches->queue.last == &batches->queue.first);
}

TEST(batches_are_queued_in_the_order_they_came)
{
    struct batches batches;
    batches_init(&batches);
    CHECK(!batches_pop(&batches));
    for (uint64_t id = 0; id < 3; id++)
        CHECK_INT(add(&batches, id)->state, BATCH_QUEUED);
    CHECK_INT(batches.queue.count, 3);
    check_queue(&batches, "0 1 2");
    batches_done(&batches);
}

TEST(batches_that_come_back_go_first)
{
    struct batches batches;
    batches_init(&batches);
    for (uint64_t id = 0; id < 3; id++)
        add(&batches, id);
    struct batch *first = batches_pop(&batches), *second = batches_pop(&batches), *third = batches_pop(&batches);
    batches_requeue(&batches, third);
    add(&batches, 3); /* the end is known though the queue was empty */
    batches_requeue(&batches, second);
    batches_requeue(&batches, first);
    CHECK(!batch_holders(first) && first->state == BATCH_QUEUED);
    check_queue(&batches, "0 1 2 3");
    batches_done(&batches);
}

TEST(a_batch_may_be_taken_out_anywhere_and_the_end_is_still_known)
{
    static const char *const rest[] = { "1 2 3 9", "0 2 3 9", "0 1 3 9", "0 1 2 9" };
    for (uint64_t out = 0; out < 4; out++) {
        struct batches batches;
        batches_init(&batches);
        for (uint64_t id = 0; id < 4; id++)
            add(&batches, id);
        struct batch *batch = batches_find(&batches, out);
        batches_unqueue(&batches, batch);
        CHECK(!batch->next && batches.queue.count == 3);
        add(&batches, 9);
        check_queue(&batches, rest[out]);
        batches_done(&batches);
    }
}

TEST(the_only_one_may_be_taken_out)
{
    struct batches batches;
    batches_init(&batches);
    batches_unqueue(&batches, add(&batches, 1));
    CHECK(!batches.queue.first && batches.queue.last == &batches.queue.first);
    add(&batches, 2);
    check_queue(&batches, "2");
    batches_done(&batches);
}

TEST(ids_that_share_a_bucket_are_told_apart)
{
    struct batches batches;
    batches_init(&batches);
    uint64_t ids[] = { 5, 5 + BATCH_BUCKETS, 5 + 2ull * BATCH_BUCKETS, UINT64_MAX };
    for (int i = 0; i < 4; i++)
        add(&batches, ids[i]);
    CHECK(!batches_find(&batches, 5 + 3ull * BATCH_BUCKETS));
    while (batches_pop(&batches))
        ;
    for (int i = 0; i < 4; i++) {
        int gone = (i + 1) % 4; /* from the middle, the front, ... */
        CHECK_INT(batches_find(&batches, ids[gone])->id, ids[gone]);
        batches_remove(&batches, batches_find(&batches, ids[gone]));
        CHECK(!batches_find(&batches, ids[gone]));
    }
    batches_done(&batches);
}

TEST(a_node_counts_what_it_holds_and_what_it_may_be_sent)
{
    struct node node = { .state = NODE_READY, .granted = 100, .sent = 40 };
    struct batch batches[3] = { { .count = 1 }, { .count = 20 }, { .count = 300 } };
    CHECK_INT(node_credit(&node), 60);
    node.sent = 100;
    CHECK_INT(node_credit(&node), 0);
    node.sent = 130;
    CHECK_INT(node_credit(&node), 0);
    node.state = NODE_LOADING;
    node.sent = 0;
    CHECK_INT(node_credit(&node), 0);
    for (int i = 0; i < 3; i++) {
        for (int k = 0; k < BATCH_HOLDS; k++)
            batches[i].holds[k].batch = &batches[i];
        node_hold(&node, &batches[i], 1000);
        CHECK(batch_hold_of(&batches[i], &node) && batches[i].state == BATCH_OUT);
    }
    CHECK_INT(node.held, 321);
    node_unhold(&node, &batches[1]);
    CHECK(node.held == 301 && !batch_hold_of(&batches[1], &node) && node.holds->batch == &batches[2] && node.holds->next->batch == &batches[0]);
    node_unhold(&node, &batches[2]);
    node_unhold(&node, &batches[0]);
    CHECK(!node.held && !node.holds);
}

TEST(two_nodes_may_have_a_batch_and_each_gives_it_up_for_itself)
{
    struct batches batches;
    struct node one = { 0 }, two = { 0 };
    batches_init(&batches);
    struct batch *batch = add(&batches, 0);
    batches_unqueue(&batches, batch);
    node_hold(&one, batch, 1);
    CHECK_INT(batch_holders(batch), 1);
    node_hold(&two, batch, 2);
    CHECK_INT(batch_holders(batch), 2);
    CHECK(!batch_hold_of(batch, NULL) && one.held == 10 && two.held == 10);
    node_unhold(&one, batch);
    CHECK(batch_holders(batch) == 1 && !one.held && !one.holds && two.holds->batch == batch && two.holds->sent_ns == 2);
    node_hold(&one, batch, 3);
    node_unhold(&two, batch);
    node_unhold(&one, batch);
    CHECK_INT(batch_holders(batch), 0);
    batches_requeue(&batches, batch);
    check_queue(&batches, "0");
    batches_done(&batches);
}

TEST(a_node_learns_what_an_image_takes_from_what_it_finished_while_it_had_work)
{
    struct batches batches;
    struct node node = { .state = NODE_READY };
    batches_init(&batches);
    struct batch *first = add(&batches, 0), *second = add(&batches, 1);
    CHECK_INT(node_ns_image(&node), 0);
    node_hold(&node, first, 5000); /* idle until then */
    node_hold(&node, second, 5100);
    CHECK_INT(node_waited_ns(&node, 6000), 1000);
    node_finished(&node, 10, 6000);
    node_unhold(&node, first);
    CHECK_INT(node_ns_image(&node), 100);
    node_finished(&node, 10, 9000);
    node_unhold(&node, second);
    CHECK_INT(node_ns_image(&node), 200);
    node_hold(&node, first, 20000);
    CHECK_INT(node_waited_ns(&node, 20500), 500);
    node_unhold(&node, first);
    batches_done(&batches);
}

static void beat(struct node *node, uint64_t fetch_ms, uint64_t decode_ms, uint64_t engine_ms)
{
    struct rec_stage stages[] = { { .name = "fetch", .still_ms = fetch_ms }, { .name = "decode", .still_ms = decode_ms },
                                  { .name = "engine", .still_ms = engine_ms } };
    node_keep_stages(node, stages, 3);
}

TEST(a_node_stalls_while_it_has_work_and_a_stage_of_it_stands_still)
{
    struct batches batches;
    struct node node = { .state = NODE_READY };
    batches_init(&batches);
    struct batch *batch = add(&batches, 0);
    beat(&node, 0, 700, 0);
    CHECK_INT(node_stalled_ns(&node), 0); /* of what it has nothing is ours */
    node_hold(&node, batch, 1000);
    CHECK_INT(node_stalled_ns(&node), 700 * NS_PER_MS);
    CHECK_STR(node.still_stage, "decode");
    beat(&node, 900, 0, 0);
    CHECK_INT(node_stalled_ns(&node), 900 * NS_PER_MS);
    CHECK_STR(node.still_stage, "fetch");
    beat(&node, 900, 900, 900); /* the one further on keeps the others waiting */
    CHECK_STR(node.still_stage, "engine");
    beat(&node, 0, 0, 0);
    CHECK_INT(node_stalled_ns(&node), 0);
    beat(&node, UINT64_MAX, 0, 0);
    CHECK(node_stalled_ns(&node) == UINT64_MAX);
    node_unhold(&node, batch);
    node.state = NODE_CALLING;
    CHECK_INT(node_stalled_ns(&node), 0);
    batches_done(&batches);
}

TEST(a_node_that_loads_the_model_stalls_when_that_stands_still)
{
    struct node node = { .state = NODE_LOADING };
    struct rec_stage load = { .name = "load", .active = 1, .still_ms = 5000 };
    node_keep_still(&node, &load, 1);
    CHECK_INT(node_stalled_ns(&node), 5 * NS_PER_S);
    node_keep_still(&node, NULL, 0);
    CHECK_INT(node_stalled_ns(&node), 0);
}

static bool misses(const struct node *node, uint64_t expected, uint64_t received, uint64_t held)
{
    return node_misses_batches(node, &(struct msg_heartbeat){ .expected = expected, .received = received, .held = held });
}

TEST(a_heartbeat_tells_whether_something_was_lost_on_the_way)
{
    struct node node = { .state = NODE_READY, .sent_batches = 7 };
    struct batch batches[2] = { { .count = 1 }, { .count = 1 } };
    for (int i = 0; i < 2; i++) {
        for (int k = 0; k < BATCH_HOLDS; k++)
            batches[i].holds[k].batch = &batches[i];
        node_hold(&node, &batches[i], 0);
    }
    CHECK(!misses(&node, 7, 7, 2));
    CHECK(!misses(&node, 7, 7, 3)); /* a result whose commit is on its way */
    CHECK(misses(&node, 7, 6, 5));
    CHECK(!misses(&node, 5, 6, 0)); /* it has not seen all that was sent since */
    CHECK(misses(&node, 7, 7, 1));  /* it returned one, and that was lost */
    CHECK(misses(&node, 5, 7, 1));
    CHECK(misses(&node, 5, 8, 2));  /* the two no longer count alike */
}

TEST(a_nodes_counters_go_on_after_it_restarted)
{
    struct node node = { 0 };
    struct rec_stage stages[LIMIT_STAGES + 1];
    char name[] = "fetch";
    for (uint32_t i = 0; i <= LIMIT_STAGES; i++)
        stages[i] = (struct rec_stage){ .name = name, .items = 5, .errors = 1, .bytes = 100, .busy_ns = 7, .wait_ns = 9 };
    node_keep_stages(&node, stages, LIMIT_STAGES + 1);
    CHECK_INT(node.stage_count, LIMIT_STAGES);
    node_restarted(&node);
    memset(name, 'x', 5); /* it keeps its own copy */
    stages[0].name = "fetch";
    stages[0].items = 2;
    for (int twice = 0; twice < 2; twice++)
        node_keep_stages(&node, stages, 1);
    CHECK_INT(node.stage_count, 1);
    CHECK_STR(node.stages[0].name, "fetch");
    CHECK(node.stages[0].items == 7 && node.stages[0].errors == 2 && node.stages[0].bytes == 200 && node.stages[0].wait_ns == 18);
    for (int state = NODE_CALLING; state <= NODE_REFUSED; state++)
        CHECK(*node_state_name((enum node_state)state));
}
