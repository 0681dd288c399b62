/* `sleddog-worker weights`: what a person sees of a file. */
#include "tests/random_weights.h"
#include "tests/test.h"

#include <unistd.h>

static void make(const char *path, const char *network, int classes, enum dtype dtype)
{
    struct why why;
    if (random_weights_write(path, network_find(network), classes, dtype, 1, &why) < 0)
        test_fail(__FILE__, __LINE__, "%s", why.text);
}

static char *show(int expected, const char *files)
{
    char *output;
    CHECK_INT(test_shell(&output, "%s/sleddog-worker weights %s", test_build(), files), expected);
    return output;
}

TEST(a_good_file_is_described)
{
    make("dogs.safetensors", "resnet18", 1000, DTYPE_F16);
    char *output = show(0, "dogs.safetensors"), *hash;
    CHECK_INT(test_shell(&hash, "sha256sum <dogs.safetensors | cut -d' ' -f1"), 0);
    CHECK_CONTAINS(output, "dogs.safetensors\n");
    CHECK_CONTAINS(output, "network     resnet18\n");
    CHECK_CONTAINS(output, "classes     1000\n");
    CHECK_CONTAINS(output, "type        F16\n");
    CHECK_CONTAINS(output, "parameters  11689512\n");
    CHECK_CONTAINS(output, "format      safetensors, 102 tensors");
    CHECK_CONTAINS(output, hash);
    CHECK(!strstr(output, "wrong"));
    free(hash);
    free(output);
}

TEST(what_is_wrong_is_said_and_the_next_file_is_shown)
{
    make("model-01234567.safetensors", "resnet18", 3, DTYPE_BF16);
    make("good.safetensors", "resnet18", 3, DTYPE_BF16);
    char *output = show(1, "model-01234567.safetensors nowhere.pth good.safetensors");
    CHECK_CONTAINS(output, "its name says that its sha256 begins with 01234567");
    CHECK_CONTAINS(output, "wrong       nowhere.pth: cannot open the weights");
    CHECK_CONTAINS(output, "good.safetensors\n  network     resnet18\n  classes     3\n");
    free(output);
    CHECK_INT(truncate("good.safetensors", 1000000), 0);
    output = show(1, "good.safetensors");
    CHECK_CONTAINS(output, "is the file complete?");
    free(output);
}

TEST(without_a_file_it_says_how_to_use_it)
{
    char *output = show(2, "");
    CHECK_CONTAINS(output, "sleddog-worker weights FILE...");
    free(output);
}
