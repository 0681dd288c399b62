#include "worker/calibration/agreement.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>

#define RANKS 5 /* classes of a photo that are compared */

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

void agreement_add(struct agreement *agreement, const float *expected, const float *values, int classes)
{
    int first = next_best(expected, classes, -1), other = first;
    agreement->images++;
    agreement->same += next_best(values, classes, -1) == first;
    for (int rank = 1; rank < RANKS && (other = next_best(expected, classes, other)) >= 0; rank++) {
        double apart = (double)(values[first] - values[other]) - (double)(expected[first] - expected[other]);
        agreement->apart += apart * apart;
        agreement->pairs++;
    }
}
