#include "worker/calibration/widths.h"

#include "common/cleanup.h"

#include <math.h>
#include <string.h>

static const float factors[] = { 0.512f, 0.64f, 0.8f, 1, 1.25f, 1.5625f, 1.953f };
#define WIDTHS (int)ARRAY_SIZE(factors)

#define LATE   3    /* stage from which on features are those of things, of which other photos have others: wider is safer there, and costs little */
#define ROOM   0.03 /* that it may cost, of the least errors of all kinds together */

enum { STEM, BETWEEN, BLOCK, BRANCH, KINDS };
#define STAGES 5 /* in front of the first one, and four */
#define GROUPS (STAGES * KINDS)

static int kind_of(const struct layer *layer)
{
    return layer->residual != NETWORK_NONE ? BLOCK : layer->relu ? BETWEEN : BRANCH;
}

/* Names are torchvision's: "layer3.0.conv1". */
static int group_of(const struct layer *layer)
{
    const char stage[] = "layer";
    bool staged = strncmp(layer->name, stage, sizeof(stage) - 1) == 0;
    return staged ? (layer->name[sizeof(stage) - 1] - '0') * KINDS + kind_of(layer) : STEM;
}

struct search {
    const struct network *network;
    const struct histogram *histograms;
    widths_judge *judge;
    void *arg;
    struct range *of;
    int group;
};

static bool is_member(const struct search *search, int layer)
{
    return ranges_has_pair(search->network, layer) && group_of(&search->network->layers[layer]) == search->group;
}

/* A pair, so many times as wide, but not wider than what there is. Narrower: no side beyond a common limit; wider: each side by itself. */
static struct range widen(struct range range, float factor, const struct histogram *h)
{
    float limit = factor * fmaxf(-range.low, range.high);
    struct range narrow = { fmaxf(range.low, -limit), fminf(range.high, limit) };
    struct range wide = { fmaxf(h->low, factor * range.low), fminf(h->high, factor * range.high) };
    struct range ret = factor <= 1 ? narrow : wide;
    return ranges_has_step(ret) ? ret : range;
}

/* The group's ranges with this factor, by layer. Returns how many they are. */
static int make_rounded(const struct search *search, float factor, struct range *rounded)
{
    int members = 0;
    memset(rounded, 0, sizeof(*rounded) * (size_t)search->network->count);
    for (int i = 0; i < search->network->count; i++)
        if (is_member(search, i)) {
            rounded[i] = widen(search->of[i + 1], factor, &search->histograms[i]);
            members++;
        }
    return members;
}

/* The mean square errors of a group at each width, from the narrowest. Ranges that are all as wide as what there is are judged once. */
static int judge_widths(const struct search *search, double error[WIDTHS], struct why *why)
{
    struct range rounded[NETWORK_LAYERS_MAX], former[NETWORK_LAYERS_MAX];
    size_t size = sizeof(*rounded) * (size_t)search->network->count;
    int r = 0;
    for (int i = 0; i < WIDTHS && r == 0 && make_rounded(search, factors[i], rounded); i++) {
        if (i > 0 && memcmp(rounded, former, size) == 0)
            error[i] = error[i - 1];
        else if ((r = search->judge(search->arg, rounded, &error[i], why)) == 0)
            error[i] *= error[i];
        memcpy(former, rounded, size);
    }
    return r;
}

/* With a share of their neighbours': which numbers happen to lie near a step changes with every width, and of few photos one is little. */
static void smooth(double error[WIDTHS])
{
    double sharp[WIDTHS];
    memcpy(sharp, error, sizeof(sharp));
    for (int i = 0; i < WIDTHS; i++)
        error[i] = (sharp[i > 0 ? i - 1 : i] + 2 * sharp[i] + sharp[i < WIDTHS - 1 ? i + 1 : i]) / 4;
}

static double least(const double error[WIDTHS])
{
    double ret = error[0];
    for (int i = 1; i < WIDTHS; i++)
        ret = fmin(ret, error[i]);
    return ret;
}

/* The widest that costs no more than `room` over the least. */
static float choose(const double error[WIDTHS], double room)
{
    int i = WIDTHS - 1;
    while (error[i] > least(error) + room)
        i--;
    return factors[i];
}

static void apply(const struct search *search, float factor)
{
    for (int i = 0; i < search->network->count; i++)
        if (is_member(search, i))
            search->of[i + 1] = widen(search->of[i + 1], factor, &search->histograms[i]);
}

int widths_choose(const struct network *network, const struct histogram *histograms, widths_judge *judge, void *arg, struct range *of, struct why *why)
{
    struct search search = { network, histograms, judge, arg, of, 0 };
    double error[GROUPS][WIDTHS] = { { 0 } }, all = 0;
    int r = 0;
    for (search.group = 0; search.group < GROUPS && r == 0; search.group++) {
        r = judge_widths(&search, error[search.group], why);
        smooth(error[search.group]);
        all += least(error[search.group]);
    }
    for (search.group = 0; search.group < GROUPS && r == 0; search.group++)
        apply(&search, choose(error[search.group], search.group / KINDS >= LATE ? ROOM * all : 0));
    return r;
}
