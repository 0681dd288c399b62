#include "coordinator/sched.h"

int sched_pick(const struct sched_node *nodes, int count, uint32_t images)
{
    bool loading = false;
    int best = -1;
    for (int i = 0; i < count; i++) {
        loading |= nodes[i].loading;
        if (nodes[i].ready && nodes[i].credit >= images && (best < 0 || nodes[i].held < nodes[best].held))
            best = i;
    }
    return best >= 0 && loading && nodes[best].held ? -1 : best;
}
