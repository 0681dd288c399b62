#include "worker/calibration/agreement.h"

#include "worker/engines/rows.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>

#define RANKS 5 /* classes of a photo that are compared */

const int agreement_rechecks[AGREEMENT_RECHECKS] = { 5, 10, 20, 30 };

double agreement_error(const struct agreement *agreement)
{
    return agreement->pairs ? sqrt(agreement->apart / agreement->pairs) : 0;
}

/* The most probable class that is less probable than `above`, or the most probable of all; ties by index. -1: none is left. */
static int next_best(const float *values, int count, int above)
{
    const float *limit = above < 0 ? NULL : &values[above];
    int at = -1;
    for (int i = 0; i < count; i++) {
        bool below = !limit || values[i] < *limit || (values[i] == *limit && i > above);
        at = below && (at < 0 || values[i] > values[at]) ? i : at;
    }
    return at;
}

static void count_close(struct agreement *agreement, const float *values, int classes, bool same)
{
    for (int i = 0; i < AGREEMENT_RECHECKS; i++) {
        bool close = rows_are_close(values, classes, agreement_rechecks[i]);
        agreement->close[i] += close;
        agreement->mended[i] += close && !same;
    }
}

void agreement_add(struct agreement *agreement, const float *expected, const float *values, int classes)
{
    int first = next_best(expected, classes, -1), other = first;
    bool same = next_best(values, classes, -1) == first;
    agreement->images++;
    agreement->same += same;
    count_close(agreement, values, classes, same);
    for (int rank = 1; rank < RANKS && (other = next_best(expected, classes, other)) >= 0; rank++) {
        double apart = (double)(values[first] - values[other]) - (double)(expected[first] - expected[other]);
        agreement->apart += apart * apart;
        agreement->pairs++;
    }
}
