#include "coordinator/node.h"

#include "common/clock.h"
#include "tests/test.h"

TEST(a_node_that_cannot_load_the_model_is_asked_after_growing_pauses)
{
    static const uint64_t seconds[] = { 1, 2, 4, 8, 16, 30, 30, 30 };
    struct node node = { .state = NODE_CALLING };
    for (size_t i = 0; i < ARRAY_SIZE(seconds); i++) {
        node_could_not_load(&node, 7);
        CHECK_INT(node.call_from_ns, 7 + seconds[i] * NS_PER_S);
    }
    for (int i = 0; i < 100; i++)
        node_could_not_load(&node, 7);
    CHECK_INT(node.call_from_ns, 7 + 30 * NS_PER_S);
    node.failures = 0;
    node_could_not_load(&node, 7);
    CHECK_INT(node.call_from_ns, 7 + NS_PER_S);
}
