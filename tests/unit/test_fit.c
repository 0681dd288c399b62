/* What turns features into the last layer: the readers of NumPy and JSON lines, the ridge regression, the finished model. */
#include "tests/demo/fit.h"

#include "tests/demo/backbone.h"
#include "tests/demo/npy.h"
#include "tests/demo/random.h"
#include "tests/demo/ridge.h"
#include "tests/test.h"
#include "worker/network.h"
#include "worker/weights/fold.h"

#include <math.h>
#include <stdint.h>

/* Writes a version 1 file with this dictionary and so many bytes after it. */
static void write_npy(const char *path, const char *dictionary, const void *data, size_t size)
{
    FILE *file = fopen(path, "wb");
    size_t length = strlen(dictionary);
    fprintf(file, "%cNUMPY%c%c%c%c", 0x93, 1, 0, (int)(length & 255), (int)(length >> 8));
    fputs(dictionary, file);
    fwrite(data, 1, size, file);
    fclose(file);
}

static void write_array(const char *path, const float *values, size_t rows, size_t columns)
{
    char dictionary[128];
    snprintf(dictionary, sizeof(dictionary), "{'descr': '<f4', 'fortran_order': False, 'shape': (%zu, %zu), }\n", rows, columns);
    write_npy(path, dictionary, values, rows * columns * sizeof(float));
}

TEST(an_array_that_numpy_wrote_is_read)
{
    const float *expected = (const float[]){ 1, 2, 3, 4, 5, 6 };
    struct npy npy;
    struct why why = { "" };
    int status = test_shell(NULL, "/usr/bin/python3 -c 'import numpy; numpy.save(\"a.npy\", "
                                  "numpy.arange(1, 7, dtype=\"f4\").reshape(2, 3))' 2>errors");
    if (status)
        test_skip("no /usr/bin/python3 with numpy");
    if (npy_read("a.npy", &npy, &why) < 0)
        test_fail(__FILE__, __LINE__, "%s", why.text);
    CHECK_INT(npy.rows, 2);
    CHECK_INT(npy.columns, 3);
    CHECK(!memcmp(npy.values, expected, 6 * sizeof(float)));
    npy_done(&npy);
}

TEST(what_is_not_an_array_of_f32_in_rows_is_refused_by_name)
{
    static const char *const bad[] = {
        "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 1), }",
        "{'descr': '<f4', 'fortran_order': True, 'shape': (1, 2), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 3), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2, 1), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-1, -2), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 2), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967298), }",
        "{'descr': '<f4', 'fortran_order': False, }",
        "",
    };
    struct npy npy;
    struct why why;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        write_npy("bad.npy", bad[i], "\0\0\0\0\0\0\0", 8);
        if (npy_read("bad.npy", &npy, &why) != -EINVAL)
            test_fail(__FILE__, __LINE__, "accepted: %s", bad[i]);
        CHECK_CONTAINS(why.text, "bad.npy");
    }
    CHECK_INT(npy_read("missing.npy", &npy, &why), -ENOENT);
}

TEST(a_numpy_file_cut_anywhere_is_refused)
{
    const float values[6] = { 1, 2, 3, 4, 5, 6 };
    struct npy npy;
    struct why why;
    size_t size;
    write_array("whole.npy", values, 2, 3);
    CLEANUP(freep) char *whole = test_read_file("whole.npy", &size);
    for (size_t cut = 0; cut < size; cut++) {
        test_write_file("cut.npy", whole, cut);
        CHECK_INT(npy_read("cut.npy", &npy, &why), -EINVAL);
    }
}

static const char *const names[] = { "big_cats", "dogs", "ants" };

/* `count` rows of 20 features around one of three directions, of quite different lengths; row i has the truth names[i % 3]. */
static void write_problem(size_t count, uint64_t seed)
{
    CLEANUP(freep) float *values = calloc(count * 20, sizeof(float));
    struct dice dice = dice_for(seed, 0);
    FILE *lines = fopen("predictions.jsonl", "w");
    for (size_t i = 0; i < count; i++) {
        double length = dice_between(&dice, 1, 10);
        for (size_t j = 0; j < 20; j++)
            values[i * 20 + j] = (float)(length * (1 + (j % 3 == i % 3) + 0.2 * dice_normal(&dice)));
        fprintf(lines, "{\"uri\":\"file:///%zu.jpg\",\"truth\":\"%s\"}\n", i, names[i % 3]);
    }
    fclose(lines);
    write_array("features.npy", values, count, 20);
}

static struct samples *read_problem(void)
{
    struct samples *samples;
    struct why why;
    if (samples_read("features.npy", "predictions.jsonl", &samples, &why) < 0)
        test_fail(__FILE__, __LINE__, "%s", why.text);
    return samples;
}

TEST(samples_have_length_one_and_sorted_classes)
{
    write_problem(9, 1);
    CLEANUP(samples_freep) struct samples *samples = read_problem();
    CHECK_INT(samples->count, 9);
    CHECK_INT(samples->named, 3);
    CHECK_STR(samples->names[0], "ants");
    CHECK_STR(samples->names[1], "big_cats");
    CHECK_STR(samples->names[samples->classes[4]], names[1]);
    for (size_t i = 0; i < 9; i++) {
        double square = 0;
        for (size_t j = 0; j < 20; j++)
            square += samples->rows[i * 20 + j] * samples->rows[i * 20 + j];
        CHECK(fabs(square - 1) < 1e-12);
        CHECK(samples->lengths[i] > 1);
    }
}

TEST(images_that_failed_are_left_out)
{
    float values[4][2] = { { NAN, NAN }, { 3, 4 }, { INFINITY, 1 }, { 0, 2 } };
    static const char lines[] = "{\"truth\":\"a\"}\n{\"truth\":\"b\"}\n{\"truth\":\"c\"}\n{\"truth\":\"d\"}\n";
    struct samples *samples;
    write_array("features.npy", values[0], 4, 2);
    test_write_file("predictions.jsonl", lines, sizeof(lines) - 1);
    CHECK_INT(samples_read("features.npy", "predictions.jsonl", &samples, NULL), 0);
    CHECK_INT(samples->count, 2);
    CHECK_INT(samples->failed, 2);
    CHECK_STR(samples->names[samples->classes[0]], "b");
    CHECK_STR(samples->names[samples->classes[1]], "d");
    CHECK(fabs(samples->rows[1] - 0.8) < 1e-12);
    samples_free(samples);
}

TEST(lines_that_do_not_fit_the_rows_are_refused)
{
    static const char *const bad[] = {
        "{\"truth\":\"a\"}\n",
        "{\"truth\":\"a\"}\n{\"truth\":\"b\"}\n{\"truth\":\"c\"}\n",
        "{\"truth\":\"a\"}\n{\"truth\":null}\n",
        "{\"truth\":\"a\"}\n[]\n",
        "{\"truth\":\"a\"}\nnonsense\n",
        "{\"truth\":\"a\"}\n{\"truth\":\"a\"}\n", /* one class */
    };
    const float values[4] = { 1, 2, 3, 4 };
    struct samples *samples;
    struct why why;
    write_array("features.npy", values, 2, 2);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        test_write_file("predictions.jsonl", bad[i], strlen(bad[i]));
        CHECK_INT(samples_read("features.npy", "predictions.jsonl", &samples, &why), -EINVAL);
        CHECK_CONTAINS(why.text, "predictions.jsonl");
    }
}

TEST(ridge_regression_solves_its_equations)
{
    write_problem(6, 2);
    CLEANUP(samples_freep) struct samples *samples = read_problem();
    double weight[3 * 20], left_out[6 * 3];
    CHECK_INT(ridge_fit(samples, 0.1, weight, left_out, NULL), 0);
    /* The primal gradient vanishes: X'(X w - y) + lambda w = 0. */
    for (size_t k = 0; k < 3; k++)
        for (size_t j = 0; j < 20; j++) {
            double gradient = 0.1 * weight[k * 20 + j];
            for (size_t i = 0; i < 6; i++) {
                double error = samples->classes[i] == (int)k ? -1 : 1;
                for (size_t f = 0; f < 20; f++)
                    error += weight[k * 20 + f] * samples->rows[i * 20 + f];
                gradient += error * samples->rows[i * 20 + j];
            }
            CHECK(fabs(gradient) < 1e-10);
        }
}

TEST(left_out_answers_are_those_of_a_fit_without_the_image)
{
    write_problem(7, 3);
    CLEANUP(samples_freep) struct samples *samples = read_problem();
    double weight[3 * 20], left_out[7 * 3], unused[6 * 3];
    CHECK_INT(ridge_fit(samples, 0.1, weight, left_out, NULL), 0);
    samples->count = 6; /* without the last one */
    CHECK_INT(ridge_fit(samples, 0.1, weight, unused, NULL), 0);
    for (size_t k = 0; k < 3; k++) {
        double score = 0;
        for (size_t f = 0; f < 20; f++)
            score += weight[k * 20 + f] * samples->rows[6 * 20 + f];
        CHECK(fabs(score - left_out[6 * 3 + k]) < 1e-9);
    }
}

/* softmax of the row's class under the fit, for features as long as they came. */
static double probability(const struct samples *samples, const struct fit *fit, size_t i)
{
    double sum = 0, own = 0;
    for (size_t k = 0; k < samples->named; k++) {
        double score = 0;
        for (size_t f = 0; f < samples->width; f++)
            score += (double)fit->weight[k * samples->width + f] * samples->rows[i * samples->width + f] * samples->lengths[i];
        sum += exp(score);
        own = samples->classes[i] == (int)k ? exp(score) : own;
    }
    return own / sum;
}

TEST(a_fit_tells_unseen_images_of_separable_classes_apart)
{
    struct fit fit;
    write_problem(60, 4);
    CLEANUP(samples_freep) struct samples *samples = read_problem();
    CHECK_INT(fit_make(samples, &fit, NULL), 0);
    CHECK_INT(fit.right, 60);
    write_problem(60, 5);
    CLEANUP(samples_freep) struct samples *unseen = read_problem();
    double surest = 0;
    for (size_t i = 0; i < 60; i++) {
        CHECK(probability(unseen, &fit, i) > 0.5);
        surest = fmax(surest, probability(unseen, &fit, i));
    }
    CHECK(surest > 0.9);
    fit_done(&fit);
}

TEST(the_backbone_is_a_resnet_50_whose_convolutions_fold_to_no_bias)
{
    struct why why = { "" };
    CLEANUP(weights_closep) struct weights *weights = NULL;
    const struct network *network = network_find("resnet50");
    CLEANUP(freep) float *weight = malloc(2048 * 512 * 9 * sizeof(float));
    float bias[2048];
    if (backbone_write("backbone.safetensors", 1, &why) < 0 || weights_open("backbone.safetensors", &weights, &why) < 0)
        test_fail(__FILE__, __LINE__, "%s", why.text);
    CHECK_INT(weights->count, 267);
    for (int i = 0; i < network->count; i++) {
        if (network->layers[i].kind != LAYER_CONV)
            continue;
        CHECK_INT(fold_conv(weights, &network->layers[i], weight, bias, &why), 0);
        for (int k = 0; k < network->layers[i].outputs; k++)
            CHECK(fabsf(bias[k]) < 1e-6f);
    }
}

TEST(the_model_is_the_backbone_with_the_fitted_layer)
{
    struct why why = { "" };
    struct samples samples = { .width = 2048, .named = 2, .names = (char *[]){ (char *)"ants", (char *)"big_cats" } };
    CLEANUP(freep) float *weight = calloc(2 * 2048, sizeof(float));
    CLEANUP(weights_closep) struct weights *model = NULL;
    weight[2049] = 0.5f;
    const struct fit fit = { weight, 0 };
    CHECK_INT(backbone_write("backbone.safetensors", 1, &why), 0);
    if (fit_write_model("model.safetensors", "backbone.safetensors", &samples, &fit, &why) < 0 ||
        weights_open("model.safetensors", &model, &why) < 0)
        test_fail(__FILE__, __LINE__, "%s", why.text);
    const struct tensor *fc = weights_find(model, "fc.weight");
    CHECK_INT(fc->shape[0], 2);
    CHECK(!memcmp(fc->data, weight, 2 * 2048 * sizeof(float)));
    CHECK_INT(weights_find(model, "fc.bias")->shape[0], 2);
    CHECK_INT(model->count, 267);

    CHECK_INT(fit_write_labels("labels.txt", &samples, &why), 0);
    CLEANUP(freep) char *labels = test_read_file("labels.txt", NULL);
    CHECK_STR(labels, "ants\nbig cats\n");
    samples.width = 512;
    CHECK_INT(fit_write_model("other.safetensors", "backbone.safetensors", &samples, &fit, &why), -EINVAL);
    CHECK_CONTAINS(why.text, "backbone.safetensors");
}
