#include "worker/fetch/rounds.h"

#include "common/clock.h"

#define ROUND   4                  /* how much a round tires a get; one that only the empty budget broke off, 1 */
#define TIRED   (4 * ROUND)        /* enough */
#define REST_NS (500 * NS_PER_MS)  /* for each of that, about */

bool rounds_go_on(struct get *get, double random, uint64_t *ret_rest_ns)
{
    get->tired += get->attempt.retry.attempts < ROUND_ATTEMPTS ? 1 : ROUND;
    if (get->tired >= TIRED)
        return false;
    get->attempt = (struct s3_try){ 0 };
    *ret_rest_ns = (uint64_t)((0.5 + random) * (double)(REST_NS * (unsigned)get->tired));
    return true;
}
