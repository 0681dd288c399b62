/* Wrong weights are told by tensor and shape; batch norm is folded as PyTorch evaluates it. */
#include "common/cleanup.h"
#include "tests/random_weights.h"
#include "tests/test.h"
#include "worker/weights/check.h"
#include "worker/weights/fold.h"
#include "worker/weights/safetensors_write.h"

#include <math.h>

static struct weights *make(const char *network, int classes)
{
    struct weights *weights;
    struct why why;
    if (random_weights_write("w.safetensors", network_find(network), classes, DTYPE_F32, 1, &why) < 0 ||
        weights_open("w.safetensors", &weights, &why) < 0)
        test_fail(__FILE__, __LINE__, "%s", why.text);
    return weights;
}

static struct tensor *find(struct weights *weights, const char *name)
{
    struct tensor *tensor = (struct tensor *)weights_find(weights, name);
    CHECK(tensor);
    return tensor;
}

static void refuse(struct weights *weights, const char *network, const char *sentence)
{
    int classes = -1;
    struct why why = { "" };
    CHECK_INT(weights_check(weights, network_find(network), &classes, &why), -EINVAL);
    CHECK_STR(why.text, sentence);
    CHECK_INT(classes, -1);
}

TEST(good_weights_pass_and_tell_their_classes)
{
    struct weights *weights = make("resnet18", 7);
    int classes;
    CHECK_INT(weights_check(weights, network_find("resnet18"), &classes, NULL), 0);
    CHECK_INT(classes, 7);
    weights_close(weights);
}

/* Those with more parameters are recognised in test_onednn.c, which makes their weights anyway. */
TEST(networks_are_recognised_by_names_and_shapes)
{
    static const char *const names[] = { "resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "resnext50_32x4d" };
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        struct weights *weights = make(names[i], 10);
        const struct network *network;
        CHECK_INT(network_detect(weights, &network, NULL), 0);
        CHECK_STR(network->name, names[i]);
        weights_close(weights);
    }
}

TEST(the_nearest_network_is_named_when_a_tensor_is_wrong)
{
    struct weights *weights = make("resnet50", 10);
    const struct network *network;
    struct tensor *tensor = find(weights, "layer1.0.conv2.weight");
    tensor->shape[2] = tensor->shape[3] = 1;
    CHECK_INT(network_detect(weights, &network, NULL), 0);
    CHECK_STR(network->name, "resnet50");
    refuse(weights, network->name, "w.safetensors: tensor layer1.0.conv2.weight has shape [64,64,1,1], expected [64,64,3,3]; is this "
                                   "a resnet50?");
    weights_close(weights);
}

TEST(weights_of_something_else_are_refused)
{
    struct tensor tensor = { .name = "encoder.weight", .dtype = DTYPE_F32, .dims = 1, .shape = { 1 }, .data = &(float){ 1 } };
    const struct network *network;
    struct weights *weights;
    struct why why;
    CHECK_INT(safetensors_write("else", &tensor, 1, NULL), 0);
    CHECK_INT(weights_open("else", &weights, NULL), 0);
    CHECK_INT(network_detect(weights, &network, &why), -EINVAL);
    CHECK_CONTAINS(why.text, "else: none of its 1 tensors");
    CHECK_CONTAINS(why.text, "the first is ");
    weights_close(weights);
}

TEST(a_missing_tensor_and_an_unexpected_one_are_named)
{
    struct weights *weights = make("resnet18", 10);
    refuse(weights, "resnet34", "w.safetensors: tensor layer1.2.conv1.weight is missing, expected shape [64,64,3,3]; is this a "
                                "resnet34?");
    weights_close(weights);
    weights = make("resnet34", 10);
    refuse(weights, "resnet18", "w.safetensors: tensor layer1.2.bn1.bias [64] is unexpected; is this a resnet18?");
    weights_close(weights);
}

TEST(the_fc_layer_must_fit_the_features_and_itself)
{
    struct weights *weights = make("resnet18", 10);
    find(weights, "fc.bias")->shape[0] = 9;
    refuse(weights, "resnet18", "w.safetensors: tensor fc.bias has shape [9], expected [10]; is this a resnet18?");
    find(weights, "fc.weight")->shape[1] = 513;
    refuse(weights, "resnet18", "w.safetensors: tensor fc.weight has shape [10,513], expected [10,512]; is this a resnet18?");
    find(weights, "fc.weight")->dims = 1;
    refuse(weights, "resnet18", "w.safetensors: tensor fc.weight has shape [10], expected [classes,512]; is this a resnet18?");
    weights_close(weights);
}

TEST(values_must_be_finite_and_variances_not_negative)
{
    struct weights *weights = make("resnet18", 10);
    struct tensor *tensor = find(weights, "layer2.0.bn1.running_var");
    const void *good = tensor->data;
    float bad[128] = { 1, 2, -0.25f };
    tensor->data = bad;
    refuse(weights, "resnet18", "w.safetensors: tensor layer2.0.bn1.running_var: value 2 is -0.25, and a variance cannot be negative; "
                                "the file is damaged");
    bad[1] = NAN;
    refuse(weights, "resnet18", "w.safetensors: tensor layer2.0.bn1.running_var: value 1 is not finite; the file is damaged or its "
                                "training failed");
    tensor->data = good;
    find(weights, "conv1.weight")->dtype = DTYPE_I64;
    refuse(weights, "resnet18", "w.safetensors: tensor conv1.weight has type I64, expected F32, F16, BF16 or F64");
    weights_close(weights);
}

static struct weights *one_conv(const float values[8])
{
    struct tensor tensors[] = {
        { .name = "c.weight", .dims = 4, .shape = { 2, 1, 1, 2 }, .data = (float[]){ 1, 2, 3, -4 } },
        { .name = "n.weight", .dims = 1, .shape = { 2 }, .data = values },
        { .name = "n.bias", .dims = 1, .shape = { 2 }, .data = values + 2 },
        { .name = "n.running_mean", .dims = 1, .shape = { 2 }, .data = values + 4 },
        { .name = "n.running_var", .dims = 1, .shape = { 2 }, .data = values + 6 },
    };
    struct weights *weights;
    CHECK_INT(safetensors_write("conv", tensors, 5, NULL), 0);
    CHECK_INT(weights_open("conv", &weights, NULL), 0);
    return weights;
}

/* The kernel is 1x2 in the file; as 2 inputs of 1x1 it has the same numbers in the same order. */
static const struct layer conv = { .kind = LAYER_CONV, .name = "c", .norm = "n", .inputs = 2, .outputs = 2, .kernel = 1, .groups = 1 };

TEST(folding_scales_filters_and_moves_means_into_the_bias)
{
    struct weights *weights = one_conv((float[]){ 2, -0.5f, 0.25f, 3, 10, -1, 4 - 1e-5f, 0 });
    float weight[4], bias[2];
    CHECK_INT(fold_conv(weights, &conv, weight, bias, NULL), 0);
    double scale[2] = { 2 / sqrt((double)(4 - 1e-5f) + 1e-5), -0.5 / sqrt(1e-5) };
    float expected[4] = { (float)scale[0], (float)(2 * scale[0]), (float)(3 * scale[1]), (float)(-4 * scale[1]) };
    CHECK(!memcmp(weight, expected, sizeof(expected)));
    CHECK(bias[0] == (float)(0.25 - 10 * scale[0]) && bias[1] == (float)(3 + scale[1]));
    weights_close(weights);
}

TEST(folding_that_overflows_is_refused)
{
    struct weights *weights = one_conv((float[]){ 3e38f, 1, 0, 0, 0, 0, 0, 1 });
    float weight[4], bias[2];
    struct why why;
    CHECK_INT(fold_conv(weights, &conv, weight, bias, &why), -ERANGE);
    CHECK_CONTAINS(why.text, "conv: n folded into c overflows");
    weights_close(weights);
    weights = one_conv((float[]){ 1, 1e30f, 0, 0, 0, 1e30f, 1, 1 }); /* the filters do not */
    CHECK_INT(fold_conv(weights, &conv, weight, bias, &why), -ERANGE);
    CHECK_CONTAINS(why.text, "conv: n folded into c overflows");
    weights_close(weights);
}
