/* The sim engine, and with it the slots that all CPU engines share. */
#include "common/cleanup.h"
#include "tests/test.h"
#include "worker/engines.h"
#include "worker/network.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

static struct engines_opened open_sim(struct engine_spec spec)
{
    struct engines_opened it;
    struct why why;
    spec.height = spec.width = 224;
    spec.top = spec.top ? spec.top : 5;
    if (engines_open("sim", &spec, &it, &why) < 0)
        test_fail(__FILE__, __LINE__, "%s", why.text);
    return it;
}

static struct engine_slot *acquire(struct engines_opened it)
{
    struct engine_slot *slot;
    CHECK_INT(it.ops->slot_acquire(it.engine, &slot), 0);
    return slot;
}

static struct engine_slot *wait_slot(struct engines_opened it)
{
    struct engine_slot *slot;
    CHECK_INT(it.ops->wait(it.engine, &slot, NULL), 0);
    return slot;
}

static void write_seed(struct engines_opened it, struct engine_slot *slot, int at, uint64_t seed)
{
    CHECK_INT(it.ops->info(it.engine)->image_read, sizeof(seed));
    memcpy(slot->pixels + (size_t)at * it.ops->info(it.engine)->image_bytes, &seed, sizeof(seed));
}

/* One image alone. The slot is to be released. */
static struct engine_slot *classify(struct engines_opened it, uint64_t seed)
{
    struct engine_slot *slot = acquire(it);
    write_seed(it, slot, 0, seed);
    CHECK_INT(it.ops->submit(it.engine, slot, 1, NULL), 0);
    return wait_slot(it);
}

static double now(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static void check_plausible(const struct prediction *predictions, int top, int classes)
{
    double sum = 0;
    for (int i = 0; i < top; i++) {
        CHECK(predictions[i].index < (uint32_t)classes);
        CHECK(predictions[i].probability > 0);
        CHECK(i == 0 || predictions[i].probability < predictions[i - 1].probability);
        for (int j = 0; j < i; j++)
            CHECK(predictions[j].index != predictions[i].index);
        sum += (double)predictions[i].probability;
    }
    CHECK(sum <= 1.0001);
}

TEST(rows_are_plausible_for_any_number_of_classes)
{
    static const struct {
        int classes, top;
    } cases[] = { { 1000, 5 }, { 1, 1 }, { 2, 2 }, { 12, 12 }, { 1000, 1000 }, { 7, 3 } };
    for (size_t c = 0; c < ARRAY_SIZE(cases); c++) {
        struct engines_opened it = open_sim((struct engine_spec){ .classes = cases[c].classes, .top = cases[c].top });
        for (uint64_t seed = 0; seed < 50; seed++) {
            struct engine_slot *slot = classify(it, seed);
            check_plausible(slot->predictions, cases[c].top, cases[c].classes);
            it.ops->slot_release(it.engine, slot);
        }
        it.ops->close(it.engine);
    }
}

TEST(rows_depend_on_the_first_eight_bytes_alone)
{
    struct engines_opened one = open_sim((struct engine_spec){ .batch = 3 });
    struct engines_opened many = open_sim((struct engine_spec){ .batch = 60, .threads = 3, .cost_us = 10 });
    struct engine_slot *slot = acquire(many);
    memset(slot->pixels, 0xaa, 60 * many.ops->info(many.engine)->image_bytes);
    for (int i = 0; i < 60; i++)
        write_seed(many, slot, i, (uint64_t)i << 40);
    CHECK_INT(many.ops->submit(many.engine, slot, 60, NULL), 0);
    slot = wait_slot(many);
    int different = 0;
    for (int i = 0; i < 60; i++) {
        struct engine_slot *alone = classify(one, (uint64_t)i << 40);
        CHECK(!memcmp(alone->predictions, slot->predictions + 5 * i, 5 * sizeof(struct prediction)));
        different += alone->predictions[0].index != slot->predictions[0].index;
        one.ops->slot_release(one.engine, alone);
    }
    CHECK(different > 50);
    CHECK_STR(one.ops->info(one.engine)->fingerprint, many.ops->info(many.engine)->fingerprint);
    many.ops->slot_release(many.engine, slot);
    one.ops->close(one.engine);
    many.ops->close(many.engine);
}

TEST(logits_agree_with_predictions_and_features_have_their_width)
{
    struct engines_opened it = open_sim((struct engine_spec){ .emit = EMIT_LOGITS });
    struct engine_slot *slot = classify(it, 9);
    CHECK_INT(it.ops->info(it.engine)->values, 1000);
    for (int c = 0; c < 1000; c++)
        CHECK((uint32_t)c == slot->predictions[0].index || slot->values[c] < slot->values[slot->predictions[0].index]);
    it.ops->slot_release(it.engine, slot);
    it.ops->close(it.engine);
    it = open_sim((struct engine_spec){ .emit = EMIT_FEATURES, .network = network_find("resnet18") });
    CHECK_INT(it.ops->info(it.engine)->values, 512);
    CHECK_INT(it.ops->info(it.engine)->top, 0);
    slot = classify(it, 9);
    CHECK(slot->values[0] != slot->values[511]);
    it.ops->slot_release(it.engine, slot);
    it.ops->close(it.engine);
}

TEST(an_image_costs_its_time_and_no_cpu)
{
    struct engines_opened it = open_sim((struct engine_spec){ .cost_us = 2000, .batch = 10, .slots = 4 });
    double wall = now(CLOCK_MONOTONIC), cpu = now(CLOCK_PROCESS_CPUTIME_ID);
    for (int i = 0; i < 4; i++)
        CHECK_INT(it.ops->submit(it.engine, acquire(it), i == 0 ? 1 : 10, NULL), 0);
    for (int i = 0; i < 4; i++) {
        struct engine_slot *slot = wait_slot(it);
        CHECK_INT(slot->busy_ns, (i == 0 ? 1 : 10) * 2000000);
        it.ops->slot_release(it.engine, slot);
    }
    wall = now(CLOCK_MONOTONIC) - wall;
    cpu = now(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    CHECK(wall >= 0.062 && wall < 1);
    CHECK(cpu < wall / 2);
    it.ops->close(it.engine);
}

/* ---- slots ------------------------------------------------------------------------------------------------------------ */

TEST(slots_come_back_in_order_of_submission_though_threads_finish_in_another)
{
    struct engines_opened it = open_sim((struct engine_spec){ .cost_us = 1000, .threads = 3, .slots = 6, .batch = 20 });
    struct engine_slot *sent[6];
    for (int i = 0; i < 6; i++) {
        sent[i] = acquire(it);
        CHECK_INT(it.ops->submit(it.engine, sent[i], i % 3 == 0 ? 20 : 1, NULL), 0);
    }
    for (int i = 0; i < 6; i++)
        CHECK(wait_slot(it) == sent[i]);
    for (int i = 0; i < 6; i++)
        it.ops->slot_release(it.engine, sent[i]);
    it.ops->close(it.engine);
}

struct waiter {
    struct engines_opened it;
    int acquired, waited;
};

static void *wait_for_slot(void *argument)
{
    struct waiter *waiter = argument;
    struct engine_slot *slot;
    waiter->acquired = waiter->it.ops->slot_acquire(waiter->it.engine, &slot);
    return NULL;
}

static void *wait_for_rows(void *argument)
{
    struct waiter *waiter = argument;
    struct engine_slot *slot;
    waiter->waited = waiter->it.ops->wait(waiter->it.engine, &slot, NULL);
    return NULL;
}

TEST(an_interrupt_wakes_who_waits_for_a_slot_and_who_waits_for_rows)
{
    struct waiter waiter = { open_sim((struct engine_spec){ .slots = 1 }), 0, 0 };
    pthread_t first, second;
    struct engine_slot *slot = acquire(waiter.it);
    CHECK_INT(pthread_create(&first, NULL, wait_for_slot, &waiter), 0);
    CHECK_INT(pthread_create(&second, NULL, wait_for_rows, &waiter), 0);
    nanosleep(&(struct timespec){ 0, 20000000 }, NULL); /* lets them sleep first; right either way */
    waiter.it.ops->interrupt(waiter.it.engine);
    pthread_join(first, NULL);
    pthread_join(second, NULL);
    CHECK_INT(waiter.acquired, -EPIPE);
    CHECK_INT(waiter.waited, -EPIPE);
    waiter.it.ops->slot_release(waiter.it.engine, slot);
    waiter.it.ops->close(waiter.it.engine);
}

TEST(submitting_nonsense_is_refused)
{
    struct engines_opened it = open_sim((struct engine_spec){ .batch = 4 });
    struct engine_slot *slot = acquire(it);
    struct why why;
    CHECK_INT(it.ops->submit(it.engine, slot, 0, &why), -EINVAL);
    CHECK_INT(it.ops->submit(it.engine, slot, 5, &why), -EINVAL);
    CHECK_INT(it.ops->submit(it.engine, slot, 4, &why), 0);
    CHECK_INT(it.ops->submit(it.engine, slot, 4, &why), -EINVAL);
    CHECK(wait_slot(it) == slot);
    it.ops->slot_release(it.engine, slot);
    it.ops->close(it.engine);
}

struct flood {
    struct engines_opened it;
    atomic_int left;
};

static void *feed(void *argument)
{
    struct flood *flood = argument;
    struct engine_slot *slot;
    while (atomic_fetch_sub(&flood->left, 1) > 0) {
        CHECK_INT(flood->it.ops->slot_acquire(flood->it.engine, &slot), 0);
        CHECK_INT(flood->it.ops->submit(flood->it.engine, slot, 3, NULL), 0);
    }
    return NULL;
}

TEST(many_threads_may_feed_one_engine)
{
    struct flood flood = { .it = open_sim((struct engine_spec){ .batch = 3, .threads = 3, .slots = 5 }), .left = 3000 };
    pthread_t feeders[4];
    for (int i = 0; i < 4; i++)
        CHECK_INT(pthread_create(&feeders[i], NULL, feed, &flood), 0);
    for (int i = 0; i < 3000; i++) {
        struct engine_slot *slot = wait_slot(flood.it);
        CHECK_INT(slot->count, 3);
        flood.it.ops->slot_release(flood.it.engine, slot);
    }
    for (int i = 0; i < 4; i++)
        pthread_join(feeders[i], NULL);
    flood.it.ops->close(flood.it.engine);
}

TEST(what_its_slots_will_take_is_known_before_they_are_there)
{
    extern const struct engine_ops sim_engine;
    struct engine_spec spec = { .height = 100, .width = 100, .top = 5, .classes = 1000, .batch = 10, .threads = 2 };
    uint64_t image = 100 * 100 * 3 + 5 * sizeof(struct prediction);
    CHECK_INT(sim_engine.memory(&spec), 4 * 10 * image);
    spec.slots = 1;
    CHECK_INT(sim_engine.memory(&spec), 10 * image);
    spec.emit = EMIT_LOGITS;
    CHECK_INT(sim_engine.memory(&spec), 10 * (image + 1000 * sizeof(float)));
    spec.emit = EMIT_FEATURES;
    spec.network = network_find("resnet18");
    CHECK_INT(sim_engine.memory(&spec), 10 * (100 * 100 * 3 + 512 * sizeof(float)));
}

TEST(impossible_specs_are_refused)
{
    struct engines_opened it;
    struct why why;
    struct engine_spec spec = { .height = 224, .width = 224, .top = 1001 };
    CHECK_INT(engines_open("sim", &spec, &it, &why), -EINVAL);
    CHECK_CONTAINS(why.text, "top 1001 of 1000");
    spec = (struct engine_spec){ .height = 1, .width = 2, .top = 5 };
    CHECK_INT(engines_open("sim", &spec, &it, &why), -EINVAL);
    spec = (struct engine_spec){ .height = 224, .width = 224, .top = 5, .threads = -1 };
    CHECK_INT(engines_open("sim", &spec, &it, &why), -EINVAL);
    CHECK_CONTAINS(why.text, "threads -1 is impossible");
    spec = (struct engine_spec){ .height = 224, .width = 224, .top = 5, .batch = 1 << 30 };
    CHECK_INT(engines_open("sim", &spec, &it, &why), -EINVAL);
}
