#include "worker/engines/rows.h"

#include <errno.h>
#include <math.h>
#include <string.h>

int rows_check(const float *values, size_t count)
{
    float sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += values[i] * 0; /* 0, or NaN from an infinity or a NaN */
    return sum == 0 ? 0 : -ERANGE;
}

/* Indices of the largest, kept sorted while the row goes by; `probability` holds the logit meanwhile. */
static void select_top(const float *logits, int classes, int top, struct prediction *best)
{
    int held = 0;
    for (int c = 0; c < classes; c++) {
        if (held == top && !(logits[c] > best[top - 1].probability))
            continue;
        int at = held < top ? held++ : top - 1;
        for (; at > 0 && logits[c] > best[at - 1].probability; at--)
            best[at] = best[at - 1];
        best[at] = (struct prediction){ (uint32_t)c, logits[c] };
    }
}

int rows_predict(const float *logits, int classes, int top, struct prediction *ret_predictions)
{
    if (rows_check(logits, (size_t)classes) < 0)
        return -ERANGE;
    select_top(logits, classes, top, ret_predictions);
    float max = ret_predictions[0].probability, sum = 0;
    for (int c = 0; c < classes; c++)
        sum += expf(logits[c] - max);
    for (int i = 0; i < top; i++)
        ret_predictions[i].probability = expf(ret_predictions[i].probability - max) / sum;
    return 0;
}

bool rows_are_close(const float *logits, int classes, int percent)
{
    float first = -INFINITY, second = -INFINITY;
    for (int c = 0; c < classes; c++) {
        float held = fminf(first, logits[c]);
        first = fmaxf(first, logits[c]);
        second = fmaxf(second, held);
    }
    return 100 * expf(second - first) >= 100 - (float)percent;
}
