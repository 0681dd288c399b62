#include "common/allowance.h"

bool allowance_take(struct allowance *allowance, double cost, double most, double refill, uint64_t now_ns)
{
    double back = now_ns > allowance->at_ns ? (double)(now_ns - allowance->at_ns) / 1e9 * refill : 0;
    allowance->spent = back < allowance->spent ? allowance->spent - back : 0;
    allowance->at_ns = now_ns;
    if (allowance->spent + cost > most)
        return false;
    allowance->spent += cost;
    return true;
}
