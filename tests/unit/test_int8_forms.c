/* How numbers become 8 bits: filters and biases in whole numbers, and which activations are kept how. */
#include "tests/test.h"
#include "worker/engines/onednn_int8.h"

#include <math.h>

/* ---- the arithmetic ------------------------------------------------------------------------------------------------------- */

/* One output of two channels, computed as the CPU does, against the same in real numbers. */
TEST(a_rounded_filter_gives_what_the_filter_gives)
{
    const struct layer layer = { .kind = LAYER_CONV, .inputs = 2, .outputs = 2, .kernel = 1, .groups = 1 };
    const struct int8_place place = { .in = { .kind = FORM_U8, .low = 0, .step = 0.02f }, .out = { .kind = FORM_U8, .low = -1, .step = 0.01f }, .residual_low = 0.25f, .most = INT8_MOST };
    const float weight[] = { 0.5f, -0.25f, 1, 127 };
    float bias[] = { 0.1f, -1 }, scale[2];
    int8_t rounded[4];
    int8_quantise(&layer, &place, weight, bias, rounded, scale);
    CHECK_INT(rounded[0], 127);
    CHECK_INT(rounded[3], 127);
    CHECK_INT(rounded[2], 1);
    double sum = 100.0 * rounded[0] + 50.0 * rounded[1], stored = (double)scale[0] * (sum + (double)bias[0]);
    double real = 2 * 0.5 - 1 * 0.25 + 0.1 + 0.25; /* 100 and 50 stand for 2 and 1; 0.25 is what the residual's 0 stands for */
    CHECK(fabs(stored * 0.01 - 1 - real) < 0.005);
}

TEST(a_filter_of_zeros_and_a_bias_that_dwarfs_its_filter_stay_finite)
{
    const struct layer layer = { .kind = LAYER_CONV, .inputs = 1, .outputs = 3, .kernel = 1, .groups = 1 };
    const struct int8_place place = { .in = { .kind = FORM_U8, .low = 0, .step = 1e-20f }, .out = { .kind = FORM_U8, .low = 0, .step = 0.5f }, .most = INT8_MOST };
    const float weight[] = { 0, 1e-30f, 0 };
    float bias[] = { 0, 3, -1e20f }, scale[3];
    int8_t rounded[3];
    int8_quantise(&layer, &place, weight, bias, rounded, scale);
    CHECK(scale[0] * bias[0] == 0);
    CHECK(fabsf(scale[1] * bias[1] - 6) < 1e-4f);
    CHECK(isfinite(scale[2] * bias[2]) && scale[2] * bias[2] < 0);
}

TEST(the_mean_of_the_input_takes_the_rounding_out_of_the_bias)
{
    const struct layer layer = { .kind = LAYER_CONV, .inputs = 2, .outputs = 1, .kernel = 1, .groups = 1 };
    const float weight[] = { 127, 0.4f }, means[] = { 0.1f, 2 };
    struct int8_place place = { .in = { .kind = FORM_U8, .low = 0, .step = 0.02f }, .out = { .kind = FORM_U8, .low = 0, .step = 0.01f }, .in_means = means, .most = INT8_MOST };
    float bias[] = { 1 }, scale[1];
    int8_t rounded[2];
    int8_quantise(&layer, &place, weight, bias, rounded, scale);
    CHECK_INT(rounded[1], 0);
    CHECK(fabs((double)bias[0] * 0.02 - (1 + 2 * 0.4)) < 1e-5); /* the filter's 0.4 is gone, and comes back for the mean */
}

TEST(the_filters_of_a_group_meet_the_means_of_its_own_channels)
{
    const struct layer layer = { .kind = LAYER_CONV, .inputs = 4, .outputs = 4, .kernel = 1, .groups = 2 };
    const float weight[] = { 127, 0.4f, 127, 0.4f, 127, 0.4f, 127, 0.4f }, means[] = { 0.1f, 2, 0.3f, 5 };
    const struct int8_place place = { .in = { .kind = FORM_U8, .low = 0, .step = 0.02f }, .out = { .kind = FORM_U8, .low = 0, .step = 0.01f },
                                      .in_means = means, .most = INT8_MOST };
    float bias[] = { 1, 1, 1, 1 }, scale[4];
    int8_t rounded[8];
    int8_quantise(&layer, &place, weight, bias, rounded, scale);
    for (int o = 0; o < 4; o++)
        CHECK(fabs((double)bias[o] * 0.02 - (1 + (o < 2 ? 2 : 5) * 0.4)) < 1e-5);
}

/* ---- how activations are kept ------------------------------------------------------------------------------------------- */

/* The forms of a network whose activations all lie between 0 and 1. */
static void find_forms(const char *network, struct form *ret)
{
    struct why why;
    struct ranges ranges = { .images = 1 };
    for (int a = 0; a <= NETWORK_LAYERS_MAX; a++)
        ranges.of[a] = (struct range){ 0, 1 };
    const struct engine_spec spec = { .network = network_find(network), .std = { 1, 1, 1 }, .ranges = &ranges };
    if (int8_forms(&spec, ret, &why) < 0)
        test_fail(__FILE__, __LINE__, "%s", why.text);
}

static struct form form_named(const struct network *network, const struct form *forms, const char *layer)
{
    for (int i = 0; i < network->count; i++)
        if (!strcmp(network->layers[i].name, layer))
            return forms[i + 1];
    test_fail(__FILE__, __LINE__, "%s has no %s", network->name, layer);
}

TEST(convolutions_read_u8_in_every_network)
{
    struct form forms[NETWORK_LAYERS_MAX + 1];
    for (int n = 0; network_at(n); n++) {
        const struct network *network = network_at(n);
        find_forms(network->name, forms);
        for (int i = 0; i < network->count; i++)
            CHECK(network->layers[i].kind != LAYER_CONV || forms[network->layers[i].input].kind == FORM_U8);
    }
}

TEST(residuals_of_basic_blocks_are_kept_in_f32_and_those_of_bottlenecks_in_u8)
{
    struct form forms[NETWORK_LAYERS_MAX + 1];
    for (int n = 0; network_at(n); n++) {
        const struct network *network = network_at(n);
        find_forms(network->name, forms);
        for (int i = 0; i < network->count; i++) {
            int residual = network->layers[i].residual;
            if (residual == NETWORK_NONE)
                continue;
            CHECK_INT(form_kept(forms[residual]).kind, network->bottleneck ? FORM_U8 : FORM_F32);
            CHECK_INT(form_kept(forms[i + 1]).kind, form_kept(forms[residual]).kind); /* the sum is written over the residual */
        }
    }
}

TEST(the_first_layer_is_as_precise_as_the_residuals_that_it_begins)
{
    struct form forms[NETWORK_LAYERS_MAX + 1];
    find_forms("resnet18", forms);
    CHECK_INT(form_named(network_find("resnet18"), forms, "conv1").kind, FORM_F32);
    CHECK_INT(form_named(network_find("resnet18"), forms, "layer1.0.conv1").kind, FORM_U8);
    CHECK(!form_named(network_find("resnet18"), forms, "layer1.0.conv1").copied);
    find_forms("resnet50", forms);
    CHECK_INT(form_named(network_find("resnet50"), forms, "conv1").kind, FORM_U8);
}
