/* The whole way, against PyTorch: 355 real photos, two networks with real weights, two presets, four workers. */
#include "tests/cluster/lib/cluster.h"
#include "tests/cluster/lib/golden.h"
#include "tests/cluster/lib/table.h"

#include "common/cleanup.h"

#include <limits.h>

static void classify(const char *network, const char *preset)
{
    char weights[PATH_MAX], images[PATH_MAX];
    snprintf(weights, sizeof(weights), "%s/weights/%s-imagenet-pqf.safetensors", test_data(), network);
    snprintf(images, sizeof(images), "%s/images", test_data());
    CHECK_INT(COORDINATE("run", "run", "--local", "4", "--weights", weights, "--preset", preset, "--truth", GOLDEN_TRUTH, "--job", "job", images), 0);
}

static void check_against_file(const char *network, const char *preset, int dogs, int others)
{
    char golden[PATH_MAX];
    snprintf(golden, sizeof(golden), "%s/golden/%s-%s.jsonl", test_data(), network, preset);
    classify(network, preset);
    golden_compare(golden, dogs, others);
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
    golden_compare("golden.jsonl", right[0], right[1]);
}
