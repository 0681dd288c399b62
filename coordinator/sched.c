#include "coordinator/sched.h"

#define WORTH_NS   300000000u  /* a batch that takes no longer is not worth a copy */
#define UNKNOWN_NS 5000000000u /* where nobody has finished anything yet, nobody is known to be slow */

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

int sched_pick_alone(const struct sched_node *nodes, int count)
{
    int best = -1;
    for (int i = 0; i < count; i++) {
        if (!nodes[i].ready || (!nodes[i].held && !nodes[i].credit))
            continue;
        bool better = best < 0 || nodes[best].avoid > nodes[i].avoid ||
                      (nodes[best].avoid == nodes[i].avoid && nodes[i].held < nodes[best].held);
        best = better ? i : best;
    }
    return best;
}

bool sched_copy_helps(const struct sched_copy *copy)
{
    uint64_t holder = copy->holder_ns_image ? copy->holder_ns_image : copy->own_ns_image;
    uint64_t own = copy->own_ns_image ? copy->own_ns_image : copy->holder_ns_image;
    uint64_t expected = holder * copy->ahead;
    /* What is overdue will take as long again as it has taken already: nobody knows better. */
    uint64_t left = expected > copy->waited_ns ? expected - copy->waited_ns : copy->waited_ns;
    uint64_t again = own * copy->images;
    if (!own)
        return copy->waited_ns > UNKNOWN_NS;
    return left > WORTH_NS && left > again + again / 2;
}
