/* The layer table. Expected numbers: torchvision's documentation of each model (parameters), its source (names). */
#include "worker/network.h"

#include "tests/test.h"

static int find_layer(const struct network *network, const char *name)
{
    for (int i = 0; i < network->count; i++)
        if (!strcmp(network->layers[i].name, name))
            return i;
    test_fail(__FILE__, __LINE__, "%s has no layer %s", network->name, name);
}

static const struct layer *layer_of(const struct network *network, const char *name)
{
    return &network->layers[find_layer(network, name)];
}

static long count_parameters(const struct network *network, int classes)
{
    long count = 0;
    for (int i = 0; i < network->count; i++) {
        const struct layer *layer = &network->layers[i];
        if (layer->kind == LAYER_CONV)
            count += (long)layer->outputs * (layer->inputs / layer->groups * layer->kernel * layer->kernel + 2);
        else if (layer->kind == LAYER_FC)
            count += (long)classes * (layer->inputs + 1);
    }
    return count;
}

TEST(parameters_are_those_of_torchvision)
{
    static const struct {
        const char *name;
        int convs, features;
        long parameters;
    } expected[] = {
        { "resnet18", 20, 512, 11689512 },   { "resnet34", 36, 512, 21797672 },    { "resnet50", 53, 2048, 25557032 },
        { "resnet101", 104, 2048, 44549160 }, { "resnet152", 155, 2048, 60192808 },
        { "wide_resnet50_2", 53, 2048, 68883240 }, { "wide_resnet101_2", 104, 2048, 126886696 },
        { "resnext50_32x4d", 53, 2048, 25028904 }, { "resnext101_32x8d", 104, 2048, 88791336 },
        { "resnext101_64x4d", 104, 2048, 83455272 },
    };
    for (int n = 0; n < 10; n++) {
        const struct network *network = network_find(expected[n].name);
        CHECK(network);
        int convs = 0;
        for (int i = 0; i < network->count; i++)
            convs += network->layers[i].kind == LAYER_CONV;
        CHECK_INT(convs, expected[n].convs);
        CHECK_INT(network->features, expected[n].features);
        CHECK_INT(count_parameters(network, 1000), expected[n].parameters);
    }
    CHECK(!network_find("resnet51"));
    CHECK(!network_at(10));
}

TEST(a_bottleneck_strides_in_its_3x3)
{
    const struct network *network = network_find("resnet50");
    CHECK_INT(layer_of(network, "layer2.0.conv1")->stride, 1);
    CHECK_INT(layer_of(network, "layer2.0.conv2")->stride, 2);
    CHECK_INT(layer_of(network, "layer2.0.conv2")->padding, 1);
    CHECK_INT(layer_of(network, "layer2.0.downsample.0")->stride, 2);
    CHECK_STR(layer_of(network, "layer2.0.downsample.0")->norm, "layer2.0.downsample.1");
    CHECK(!layer_of(network, "layer2.0.downsample.0")->relu);
    CHECK_INT(layer_of(network, "layer4.2.conv3")->outputs, 2048);
    CHECK_STR(layer_of(network, "layer4.2.conv3")->norm, "layer4.2.bn3");
}

TEST(groups_are_in_the_3x3_only)
{
    const struct network *network = network_find("resnext50_32x4d");
    CHECK_INT(layer_of(network, "layer1.0.conv1")->groups, 1);
    CHECK_INT(layer_of(network, "layer1.0.conv2")->groups, 32);
    CHECK_INT(layer_of(network, "layer1.0.conv2")->outputs, 128);
    CHECK_INT(layer_of(network, "layer4.0.downsample.0")->groups, 1);
    CHECK_INT(layer_of(network_find("wide_resnet50_2"), "layer4.0.conv2")->outputs, 1024);
}

TEST(residuals_come_from_the_block_input_or_its_downsample)
{
    const struct network *network = network_find("resnet50");
    CHECK_INT(layer_of(network, "layer1.0.conv3")->residual, find_layer(network, "layer1.0.downsample.0") + 1);
    CHECK_INT(layer_of(network, "layer1.1.conv3")->residual, find_layer(network, "layer1.0.conv3") + 1);
    CHECK_INT(layer_of(network, "layer1.1.conv1")->input, find_layer(network, "layer1.0.conv3") + 1);
    network = network_find("resnet18");
    CHECK_INT(layer_of(network, "layer1.0.conv2")->residual, find_layer(network, "maxpool") + 1);
    CHECK_INT(layer_of(network, "layer2.0.conv2")->residual, find_layer(network, "layer2.0.downsample.0") + 1);
}

static void check_planes(int size, const int expected[6])
{
    static const char *const names[] = { "conv1", "maxpool", "layer1.2.conv3", "layer2.3.conv3", "layer3.5.conv3",
                                         "layer4.2.conv3" };
    const struct network *network = network_find("resnet50");
    struct plane planes[NETWORK_LAYERS_MAX + 1];
    CHECK_INT(network_planes(network, (struct plane){ size, size + 32 }, planes), 0);
    for (int i = 0; i < 6; i++)
        CHECK_INT(planes[find_layer(network, names[i]) + 1].height, expected[i]);
    CHECK_INT(planes[find_layer(network, "maxpool") + 1].width, expected[1] + 8);
    CHECK_INT(planes[network->count].height, 1);
}

TEST(planes_shrink_as_in_pytorch_at_224_and_250)
{
    check_planes(224, (int[]){ 112, 56, 56, 28, 14, 7 });
    check_planes(250, (int[]){ 125, 63, 63, 32, 16, 8 });
}

TEST(impossible_images_are_refused)
{
    struct plane planes[NETWORK_LAYERS_MAX + 1];
    CHECK_INT(network_planes(network_find("resnet50"), (struct plane){ 0, 224 }, planes), -EINVAL);
    CHECK_INT(network_planes(network_find("resnet50"), (struct plane){ 224, 1 << 30 }, planes), -EINVAL);
    CHECK_INT(network_planes(network_find("resnet50"), (struct plane){ 1, 1 }, planes), 0);
}

/* Runs the network symbolically: each arena holds the number of an activation, and every read must find the right one. */
static void check_arenas(const struct network *network, bool in_place)
{
    int arena[NETWORK_LAYERS_MAX + 1], holds[NETWORK_LAYERS_MAX + 1] = { 0 };
    CHECK_INT(network_arenas(network, in_place, arena), 3);
    holds[arena[NETWORK_IMAGE]] = NETWORK_IMAGE;
    for (int i = 0; i < network->count; i++) {
        const struct layer *layer = &network->layers[i];
        CHECK_INT(holds[arena[layer->input]], layer->input);
        CHECK(arena[i + 1] != arena[layer->input]);
        if (layer->residual != NETWORK_NONE) {
            CHECK_INT(holds[arena[layer->residual]], layer->residual);
            CHECK((arena[i + 1] == arena[layer->residual]) == in_place);
        }
        holds[arena[i + 1]] = i + 1;
    }
}

TEST(arenas_keep_what_is_still_needed)
{
    const struct network *network;
    for (int i = 0; (network = network_at(i)); i++) {
        check_arenas(network, true);
        check_arenas(network, false);
    }
}
