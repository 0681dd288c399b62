#include "coordinator/sched.h"

#include "tests/test.h"

#define READY(credit, held) { true, false, credit, held }
#define LOADING             { false, true, 0, 0 }
#define AWAY                { false, false, 500, 0 }

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
