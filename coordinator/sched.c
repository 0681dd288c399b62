#include "coordinator/sched.h"

int sched_pick(const struct sched_node *nodes, int count, uint32_t images, uint64_t last)
{
    bool loading = false;
    int best = -1, ready = 0;
    for (int i = 0; i < count; i++) {
        loading |= nodes[i].loading;
        ready += nodes[i].ready;
        if (nodes[i].ready && nodes[i].credit >= images && (best < 0 || nodes[i].held < nodes[best].held))
            best = i;
    }
    bool near_end = last && ready > 1 && last <= (uint64_t)ready;
    return best >= 0 && (loading || near_end) && nodes[best].held ? -1 : best;
}
