#include "worker/demand.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

static bool is_free(const char *precision)
{
    return !*precision || !strcmp(precision, "auto");
}

int demand_from_hello(struct demand *ret, const struct msg_hello *hello, struct why *why)
{
    memset(ret, 0, sizeof(*ret));
    if (!is_free(hello->precision) && !tuning_knows_precision(hello->precision))
        return because(why, -EINVAL, "the job wants --precision %s, which this release does not know", hello->precision);
    if (hello->recheck > 100)
        return because(why, -EINVAL, "the job wants --recheck %u; it must be 0 to 100", hello->recheck);
    if (!is_free(hello->precision))
        snprintf(ret->precision, sizeof(ret->precision), "%s", hello->precision);
    ret->recheck = (int)hello->recheck;
    return 0;
}

bool demand_equal(const struct demand *a, const struct demand *b)
{
    return !strcmp(a->precision, b->precision) && a->recheck == b->recheck;
}

static int fill_precision(const char *precision, struct tuning *tuning, struct why *why)
{
    if (is_free(precision) || !strcmp(tuning->precision, precision))
        return 0;
    if (!is_free(tuning->precision))
        return because(why, -EINVAL, "its own options say --precision %s, and the job wants %s; leave it out there, or ask for the same", tuning->precision, precision);
    tuning->precision = precision;
    if (strcmp(precision, "int8"))
        tuning->recheck = 0; /* its own was meant for int8 */
    return 0;
}

int demand_fill(const struct demand *demand, struct tuning *tuning, struct why *why)
{
    int r = fill_precision(demand->precision, tuning, why);
    if (r < 0 || !demand->recheck)
        return r;
    if (!is_free(tuning->precision) && strcmp(tuning->precision, "int8"))
        return because(why, -EINVAL, "its own options say --precision %s, and the job wants --recheck %d, which is for int8; leave it out there, or do not ask for it",
                       tuning->precision, demand->recheck);
    if (tuning->recheck && tuning->recheck != demand->recheck)
        return because(why, -EINVAL, "its own options say --recheck %" PRId64 ", and the job wants %d; leave it out there, or ask for the same", tuning->recheck,
                       demand->recheck);
    tuning->recheck = demand->recheck;
    return 0;
}
