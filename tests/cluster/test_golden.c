/* The whole way, against PyTorch: 355 real photos, two networks with real weights, two presets, four workers. */
#include "tests/cluster/lib/cluster.h"
#include "tests/cluster/lib/table.h"

#include "common/cleanup.h"

#include <limits.h>
#include <math.h>

/* Dogs lie in folders named nNNNNNNNN-Breed_name, the others are named nNNNNNNNN_class.JPEG. */
#define TRUTH "/n[0-9]+-([^/]+)/[^/]*$|/imagenet/(n[0-9]+)_"

static void classify(const char *network, const char *preset)
{
    char weights[PATH_MAX], images[PATH_MAX];
    snprintf(weights, sizeof(weights), "%s/weights/%s-imagenet-pqf.safetensors", test_data(), network);
    snprintf(images, sizeof(images), "%s/images", test_data());
    CHECK_INT(COORDINATE("run", "run", "--local", "4", "--weights", weights, "--preset", preset, "--truth", TRUTH, "--job", "job", images), 0);
}

/* The golden lines are in no particular order. */
static const json_t *find_file(const struct table *golden, const char *uri)
{
    const char *file = strstr(uri, "/images/") + strlen("/images/");
    for (size_t i = 0; i < golden->count; i++)
        if (!strcmp(json_string_value(json_object_get(golden->rows[i], "file")), file))
            return golden->rows[i];
    test_fail(__FILE__, __LINE__, "PyTorch was not asked about %s", file);
}

static double compare_row(const json_t *row, const json_t *golden)
{
    json_t *ours = json_object_get(row, "predictions"), *theirs = json_object_get(golden, "top5"), *entry;
    double worst = 0;
    size_t i;
    CHECK_INT(json_array_size(ours), 5);
    json_array_foreach(theirs, i, entry) {
        const json_t *prediction = json_array_get(ours, i);
        double p = json_number_value(json_array_get(entry, 1)), q = json_real_value(json_object_get(prediction, "probability"));
        if (i == 0 && json_integer_value(json_object_get(prediction, "index")) != json_integer_value(json_array_get(entry, 0)))
            test_fail(__FILE__, __LINE__, "%s: another first class than PyTorch's", row_uri(row));
        worst = fmax(worst, fabs(p - q));
    }
    return worst;
}

static void compare(const char *path, int dogs_right, int others_right)
{
    struct table table, golden;
    int dogs = 0, others = 0;
    double worst = 0;
    table_read(&table, "job/predictions.jsonl");
    table_read(&golden, path);
    CHECK_INT(table.count, 355);
    CHECK_INT(golden.count, 355);
    for (size_t i = 0; i < table.count; i++) {
        const json_t *row = table.rows[i];
        worst = fmax(worst, compare_row(row, find_file(&golden, row_uri(row))));
        int *right = strstr(row_uri(row), "/images/dogs/") ? &dogs : &others;
        CHECK(json_is_boolean(json_object_get(row, "match")));
        *right += json_is_true(json_object_get(row, "match"));
    }
    printf("largest difference of a probability: %.2g\n", worst);
    CHECK(worst <= 1e-4);
    CHECK_INT(dogs, dogs_right);
    CHECK_INT(others, others_right);
    table_done(&table);
    table_done(&golden);
}

static void check_against_file(const char *network, const char *preset, int dogs, int others)
{
    char golden[PATH_MAX];
    snprintf(golden, sizeof(golden), "%s/golden/%s-%s.jsonl", test_data(), network, preset);
    classify(network, preset);
    compare(golden, dogs, others);
}

TEST_WITHIN(200, resnet50_with_the_torchvision_preset_answers_as_PyTorch_does)
{
    check_against_file("resnet50", "torchvision", 144, 165);
    check_contains("run.out", "classified correctly  309 of 355");
}

TEST_WITHIN(200, resnet50_with_the_article_preset_answers_as_PyTorch_does)
{
    check_against_file("resnet50", "article", 109, 93);
}

TEST_WITHIN(200, resnet18_with_the_torchvision_preset_answers_as_PyTorch_does)
{
    check_against_file("resnet18", "torchvision", 131, 148);
}

TEST_WITHIN(200, resnet18_with_the_article_preset_answers_as_PyTorch_does_now)
{
    CLEANUP(freep) char *output = NULL;
    int right[2] = { 0, 0 };
    const char *data = test_data();
    int status = test_shell(&output, "/usr/bin/python3 %s/tests/golden/classify.py resnet18 %s/weights/resnet18-imagenet-pqf.safetensors "
                            "article %s/images golden.jsonl", test_source(), data, data);
    if (status == 77 || status == 127)
        test_skip("no judge (python3-torch, python3-torchvision and python3-pil for /usr/bin/python3): %s", output);
    if (status)
        test_fail(__FILE__, __LINE__, "%s", output);
    classify("resnet18", "article");
    struct table table;
    table_read(&table, "job/predictions.jsonl");
    for (size_t i = 0; i < table.count; i++)
        right[!strstr(row_uri(table.rows[i]), "/images/dogs/")] += json_is_true(json_object_get(table.rows[i], "match"));
    table_done(&table);
    compare("golden.jsonl", right[0], right[1]);
}
