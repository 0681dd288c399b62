/* What calibration judges by: distances between logits, tensors rounded on their way, and widths that fit. */
#include "common/cleanup.h"
#include "tests/test.h"
#include "worker/calibration/agreement.h"
#include "worker/calibration/observation.h"
#include "worker/calibration/widths.h"

#include <errno.h>
#include <math.h>
#include <string.h>

TEST(agreement_counts_what_would_be_computed_again_and_what_that_mends)
{
    struct agreement agreement = { .images = 0 };
    const float expected[] = { 1, 0, -1 }, tied[] = { 0, 0.07f, -1 }, far[] = { 0, 1, -1 };
    agreement_add(&agreement, expected, expected, 3); /* sure, and right */
    agreement_add(&agreement, expected, far, 3);      /* sure, and wrong: the second is at 37 % of the first */
    CHECK(agreement.same == 1 && agreement.close[3] == 0 && agreement.mended[3] == 0);
    agreement_add(&agreement, expected, tied, 3);     /* undecided, and wrong: 93 % */
    CHECK(agreement.same == 1);
    for (int i = 0; i < AGREEMENT_RECHECKS; i++) {
        CHECK_INT(agreement.close[i], agreement_rechecks[i] >= 7);
        CHECK_INT(agreement.mended[i], agreement_rechecks[i] >= 7);
    }
}

TEST(agreement_is_the_same_top_class_and_the_distance_of_the_next_ones)
{
    struct agreement agreement = { .images = 0 };
    const float expected[] = { 1, 9, 5, 7, 0, -1 }, moved[] = { 1, 9, 6, 7, 0, -1 }, other[] = { 1, 9, 5, 9.5f, 0, -1 };
    agreement_add(&agreement, expected, expected, 6);
    CHECK(agreement.images == 1 && agreement.same == 1 && agreement.pairs == 4 && agreement_error(&agreement) == 0);
    agreement = (struct agreement){ .images = 0 };
    agreement_add(&agreement, expected, moved, 6);
    CHECK(agreement.same == 1 && fabs(agreement_error(&agreement) - 0.5) < 1e-9);
    agreement_add(&agreement, expected, other, 6);
    CHECK(agreement.images == 2 && agreement.same == 1 && agreement.pairs == 8);
    agreement = (struct agreement){ .images = 0 };
    agreement_add(&agreement, expected, expected, 1);
    CHECK(agreement.same == 1 && agreement.pairs == 0 && agreement_error(&agreement) == 0);
    const float tied[] = { 9, 5, 5, 5, 1 };
    agreement = (struct agreement){ .images = 0 };
    agreement_add(&agreement, tied, tied, 5);
    CHECK(agreement.same == 1 && agreement.pairs == 4);
}

TEST(a_rounded_tensor_takes_the_levels_of_its_range_and_others_stay)
{
    struct observation seen = { .not_finite = false };
    struct why why;
    CHECK_INT(observation_init(&seen, network_find("resnet18"), &why), 0);
    float values[] = { -3, -1, -0.24f, 0, 0.26f, 1.1f, 127, 300 };
    const float first[] = { 0, 0, 0, 0, 0.5f, 1, 127, 127.5f }, second[] = { -1, -1, 0, 0, 0, 1, 127, 254 };
    seen.rounded[0] = (struct range){ 0, 127.5f };
    seen.rounded[3] = (struct range){ -1, 254 };
    float some[ARRAY_SIZE(values)];
    memcpy(some, values, sizeof(some));
    observation_observe(&seen, 1, some, ARRAY_SIZE(some), 1);
    CHECK(memcmp(some, first, sizeof(some)) == 0);
    memcpy(some, values, sizeof(some));
    observation_observe(&seen, 4, some, ARRAY_SIZE(some), 1);
    CHECK(memcmp(some, second, sizeof(some)) == 0);
    memcpy(some, values, sizeof(some));
    observation_observe(&seen, 2, some, ARRAY_SIZE(some), 1);
    observation_observe(&seen, NETWORK_IMAGE, some, ARRAY_SIZE(some), 1);
    CHECK(memcmp(some, values, sizeof(some)) == 0 && seen.histograms[1].total == 0);
    observation_done(&seen);
}

TEST(what_is_looked_at_is_averaged_by_channel)
{
    struct observation seen = { .looking = true };
    struct ranges ranges = { .images = 2 };
    struct why why;
    const struct network *network = network_find("resnet18");
    CHECK_INT(observation_init(&seen, network, &why), 0);
    float image[] = { 1, 2, 3, 2, 4, 6 }, more[] = { 6, 0, 3 };
    const float seen_first[] = { 1, 2, 3, 2, 4, 6 };
    observation_observe(&seen, NETWORK_IMAGE, image, 6, 2);
    observation_observe(&seen, NETWORK_IMAGE, more, 3, 1);
    CHECK(memcmp(image, seen_first, sizeof(image)) == 0);
    CHECK_INT(seen.pixels[NETWORK_IMAGE], 3);
    CHECK_INT(observation_means(&seen, &ranges, &why), 0);
    const float *means = ranges_means(&ranges, network, NETWORK_IMAGE), *others = ranges_means(&ranges, network, 1);
    CHECK(means[0] == 3 && means[1] == 2 && means[2] == 4 && others[0] == 0);
    CHECK(!atomic_load(&seen.not_finite));
    free(ranges.means);
    observation_done(&seen);
}

TEST(a_number_that_is_not_finite_is_noticed)
{
    struct observation seen = { .looking = true };
    struct why why;
    CHECK_INT(observation_init(&seen, network_find("resnet18"), &why), 0);
    float values[64] = { [7] = INFINITY };
    observation_observe(&seen, 1, values, ARRAY_SIZE(values), 1);
    CHECK(atomic_load(&seen.not_finite));
    observation_done(&seen);
}

/* ---- widths --------------------------------------------------------------------------------------------------------------- */

struct bed {
    const struct network *network;
    struct histogram histograms[NETWORK_LAYERS_MAX];
    struct range of[NETWORK_LAYERS_MAX + 1];
    double best; /* the width that the judge likes */
    int fails;   /* after so many calls, if it is not 0 */
    char flat;   /* of this stage it likes all widths */
    int calls;
};

/* All ranges have a limit of 1; there is as much as `most`. */
static struct bed make_bed(float most, double best)
{
    struct bed bed = { .network = network_find("resnet50"), .best = best, .flat = '-' };
    for (int i = 0; i < bed.network->count; i++) {
        const struct layer *layer = &bed.network->layers[i];
        if (!ranges_has_pair(bed.network, i))
            continue;
        bed.histograms[i] = (struct histogram){ .low = layer->relu ? 0 : -most, .high = most };
        bed.of[i + 1] = (struct range){ layer->relu ? 0 : -1, 1 };
    }
    return bed;
}

/* All that is rounded at once is of one kind. */
static void check_kind(const struct bed *bed, const struct layer *first, const struct layer *layer, struct range range)
{
    CHECK_INT(strncmp(first->name, layer->name, sizeof("layer1") - 1), 0);
    CHECK_INT(first->residual == NETWORK_NONE, layer->residual == NETWORK_NONE);
    CHECK_INT(first->relu, layer->relu);
    CHECK(layer->relu ? range.low == 0 : range.low < 0);
    float most = bed->histograms[layer - bed->network->layers].high;
    CHECK(range.high <= fmaxf(most, 1));
}

static int judge(void *arg, const struct range *rounded, double *ret_error, struct why *why)
{
    struct bed *bed = arg;
    const struct layer *first = NULL;
    if (++bed->calls == bed->fails)
        return because(why, -EIO, "the judge is ill");
    for (int i = 0; i < bed->network->count; i++)
        if (rounded[i].high > rounded[i].low) {
            first = first ? first : &bed->network->layers[i];
            check_kind(bed, first, &bed->network->layers[i], rounded[i]);
            *ret_error = 0.1 + (first->name[5] == bed->flat ? 1e-4 * (double)rounded[i].high : fabs(log((double)rounded[i].high / bed->best)));
        }
    CHECK(first);
    return 0;
}

static void check_widths(float most, double best, float expected)
{
    struct bed bed = make_bed(most, best);
    struct why why;
    CHECK_INT(widths_choose(bed.network, bed.histograms, judge, &bed, bed.of, &why), 0);
    for (int i = 0; i < bed.network->count; i++)
        if (ranges_has_pair(bed.network, i)) {
            CHECK(fabsf(bed.of[i + 1].high - expected) < 1e-6f);
            CHECK(bed.of[i + 1].low == (bed.network->layers[i].relu ? 0 : -bed.of[i + 1].high));
        } else
            CHECK(bed.of[i + 1].high == 0);
}

TEST(widths_of_a_kind_are_where_the_answers_have_the_least_error)
{
    check_widths(10, 0.64, 0.64f);
    check_widths(10, 1, 1);
    check_widths(10, 1.3, 1.25f);
    check_widths(10, 50, 1.953f);
}

/* All widths of a stage cost nearly as little, the narrowest the least. */
static void check_flat(char stage, float expected)
{
    struct bed bed = make_bed(10, 0.8);
    struct why why;
    bed.flat = stage;
    CHECK_INT(widths_choose(bed.network, bed.histograms, judge, &bed, bed.of, &why), 0);
    for (int i = 0; i < bed.network->count; i++)
        if (ranges_has_pair(bed.network, i))
            CHECK(fabsf(bed.of[i + 1].high - (bed.network->layers[i].name[5] == stage ? expected : 0.8f)) < 1e-6f);
}

TEST(in_late_stages_the_widest_of_those_that_cost_as_little_is_taken)
{
    check_flat('4', 1.953f);
    check_flat('3', 1.953f);
    check_flat('2', 0.512f);
}

TEST(no_width_is_beyond_what_there_is)
{
    check_widths(1.1f, 50, 1.1f);
    check_widths(1.1f, 0.5, 0.512f);
}

TEST(each_side_of_a_pair_has_its_own_limit)
{
    struct bed bed = make_bed(2, 1.25), narrow = make_bed(2, 0.64);
    struct why why;
    int branch = 0;
    while (bed.network->layers[branch].kind != LAYER_CONV || bed.network->layers[branch].relu)
        branch++;
    bed.of[branch + 1] = narrow.of[branch + 1] = (struct range){ -0.24f, 1 };
    CHECK_INT(widths_choose(bed.network, bed.histograms, judge, &bed, bed.of, &why), 0);
    CHECK(fabsf(bed.of[branch + 1].low + 0.3f) < 1e-6f && fabsf(bed.of[branch + 1].high - 1.25f) < 1e-6f);
    CHECK_INT(widths_choose(narrow.network, narrow.histograms, judge, &narrow, narrow.of, &why), 0);
    CHECK(narrow.of[branch + 1].low == -0.24f && fabsf(narrow.of[branch + 1].high - 0.64f) < 1e-6f);
}

TEST(a_tensor_of_zeros_keeps_its_range)
{
    struct bed bed = make_bed(10, 1);
    struct why why;
    bed.histograms[0].high = 0;
    bed.of[1].high = 0.001f;
    CHECK_INT(widths_choose(bed.network, bed.histograms, judge, &bed, bed.of, &why), 0);
    CHECK(bed.of[1].low == 0 && bed.of[1].high == 0.001f);
}

TEST(what_the_judge_cannot_do_is_handed_on)
{
    struct bed bed = make_bed(10, 1);
    struct why why;
    bed.fails = 9;
    CHECK_INT(widths_choose(bed.network, bed.histograms, judge, &bed, bed.of, &why), -EIO);
    CHECK_STR(why.text, "the judge is ill");
    CHECK_INT(bed.calls, 9);
}
