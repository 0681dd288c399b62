#include "coordinator/sched.h"

#include "tests/test.h"

#define READY(credit, held) { true, false, credit, held, false }
#define LOADING             { false, true, 0, 0, false }
#define AVOIDED(credit, held) { true, false, credit, held, true }
#define AWAY                { false, false, 500, 0, false }

static const struct {
    const char *sentence;
    struct sched_node nodes[4];
    int count, images, picked;
    uint64_t last;
} table[] = {
    { "nobody is there", { AWAY }, 0, 60, -1, 0 },
    { "nobody is ready", { AWAY, LOADING }, 2, 60, -1, 0 },
    { "the only one gets it", { READY(60, 0) }, 1, 60, 0, 0 },
    { "one image too little credit", { READY(59, 0) }, 1, 60, -1, 0 },
    { "the one that holds least", { READY(200, 60), READY(100, 10), READY(300, 11) }, 3, 60, 1, 0 },
    { "the first of equals", { READY(100, 60), READY(100, 60) }, 2, 60, 0, 0 },
    { "the one that holds least has no credit", { READY(59, 0), READY(60, 600) }, 2, 60, 1, 0 },
    { "one that is away does not count", { AWAY, READY(60, 60) }, 2, 60, 1, 0 },
    { "while one loads, the ready get one batch", { LOADING, READY(500, 0) }, 2, 60, 1, 0 },
    { "while one loads, the ready get no second", { LOADING, READY(500, 60) }, 2, 60, -1, 0 },
    { "while one loads, the idle one gets it", { READY(500, 60), LOADING, READY(500, 0) }, 3, 60, 2, 0 },
    { "a small last batch fits small credit", { READY(5, 60) }, 1, 5, 0, 0 },
    { "near the end the ready get no second", { READY(500, 60), READY(500, 60) }, 2, 60, -1, 2 },
    { "near the end the idle one gets it", { READY(500, 60), READY(500, 0) }, 2, 60, 1, 1 },
    { "the end is not near while there is one for each and more", { READY(500, 60), READY(500, 60) }, 2, 60, 0, 3 },
    { "one alone is never kept waiting", { READY(500, 60), AWAY }, 2, 60, 0, 1 },
    { "counts beyond 32 bits", { READY(1ull << 40, 1ull << 33), READY(1ull << 40, 1ull << 32) }, 2, 60, 1, 0 },
};

TEST(every_line_of_the_table_holds)
{
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        int picked = sched_pick(table[i].nodes, table[i].count, (uint32_t)table[i].images, table[i].last);
        if (picked != table[i].picked)
            test_fail(__FILE__, __LINE__, "%s: picked %d, expected %d", table[i].sentence, picked, table[i].picked);
    }
}

static const struct {
    const char *sentence;
    struct sched_node nodes[4];
    int count, picked;
} guards[] = {
    { "nobody is ready", { AWAY, LOADING }, 2, -1 },
    { "the one with the least to finish", { READY(0, 120), READY(300, 60), READY(0, 90) }, 3, 1 },
    { "the idle one", { READY(500, 60), READY(500, 0) }, 2, 1 },
    { "not the one that it was blamed for, even if that is idle", { AVOIDED(500, 0), READY(0, 60) }, 2, 1 },
    { "the one that it was blamed for if there is no other", { AWAY, AVOIDED(500, 0) }, 2, 1 },
    { "an idle one that grants nothing is of no use", { READY(0, 0), READY(0, 60) }, 2, 1 },
    { "one alone that grants nothing neither", { READY(0, 0) }, 1, -1 },
};

TEST(the_guard_of_suspects_is_as_the_table_says)
{
    for (size_t i = 0; i < sizeof(guards) / sizeof(guards[0]); i++) {
        int picked = sched_pick_alone(guards[i].nodes, guards[i].count);
        if (picked != guards[i].picked)
            test_fail(__FILE__, __LINE__, "%s: picked %d, expected %d", guards[i].sentence, picked, guards[i].picked);
    }
}

#define MS 1000000ull

static const struct {
    const char *sentence;
    struct sched_copy copy;
    bool helps;
} copies[] = {
    { "two equals, the last batch has just begun", { 0, 60, 50 * MS, 50 * MS, 60 }, false },
    { "two equals, it is half done", { 1500 * MS, 60, 50 * MS, 50 * MS, 60 }, false },
    { "two equals, it is a little late", { 3300 * MS, 60, 50 * MS, 50 * MS, 60 }, false },
    { "two equals, it takes much longer than ever", { 6000 * MS, 60, 50 * MS, 50 * MS, 60 }, true },
    { "a slow one has just begun", { 0, 60, 1000 * MS, 50 * MS, 60 }, true },
    { "a slow one is nearly there", { 59000 * MS, 60, 1000 * MS, 50 * MS, 60 }, false },
    { "an equal has three others before it", { 0, 240, 50 * MS, 50 * MS, 60 }, true },
    { "a batch that takes no time is not worth it", { 0, 60, 4 * MS, 1 * MS, 60 }, false },
    { "the slow one would copy what the fast one has", { 0, 60, 50 * MS, 1000 * MS, 60 }, false },
    { "it has finished nothing yet, and was given what others do in less", { 9000 * MS, 60, 0, 50 * MS, 60 }, true },
    { "it has finished nothing yet, and hardly could have", { 2000 * MS, 60, 0, 50 * MS, 60 }, false },
    { "nobody has finished anything yet", { 4000 * MS, 60, 0, 0, 60 }, false },
    { "nobody has finished anything for long", { 6000 * MS, 60, 0, 0, 60 }, true },
};

TEST(a_copy_helps_when_it_would_be_finished_first)
{
    for (size_t i = 0; i < sizeof(copies) / sizeof(copies[0]); i++)
        if (sched_copy_helps(&copies[i].copy) != copies[i].helps)
            test_fail(__FILE__, __LINE__, "%s: expected %d", copies[i].sentence, copies[i].helps);
}
