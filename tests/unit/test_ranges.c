/* Activation ranges: kept beside the weights, and refused when they are not theirs or are damaged. */
#include "common/cleanup.h"
#include "tests/test.h"
#include "worker/weights/ranges.h"

#include <errno.h>
#include <fcntl.h>
#include <float.h>
#include <math.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static const float imagenet_mean[] = { 0.485f, 0.456f, 0.406f }, imagenet_std[] = { 0.229f, 0.224f, 0.225f };
static const float none_mean[] = { 0, 0, 0 }, none_std[] = { 1, 1, 1 };

static struct weights weights_of(char digit)
{
    struct weights weights = { .path = (char *)"model.pth" };
    memset(weights.sha256, digit, sizeof(weights.sha256) - 1);
    return weights;
}

/* Numbers that a decimal text does not hold exactly. */
static struct ranges make(const struct network *network, const float mean[3], const float std[3], float scale)
{
    struct ranges ranges = { .resize = 256, .crop = 224, .images = 7, .clipping = "percentile 99.9", .agreement = 1.0 / 3 };
    memcpy(ranges.mean, mean, sizeof(ranges.mean));
    memcpy(ranges.std, std, sizeof(ranges.std));
    ranges.of[NETWORK_IMAGE] = (struct range){ -2.1f, 2.64f };
    for (int i = 0; i < network->count; i++)
        if (ranges_has_pair(network, i))
            ranges.of[i + 1] = (struct range){ network->layers[i].relu ? 0 : -scale / 7, scale / (float)(i + 3) };
    CHECK_INT(ranges_finish(&ranges, network, NULL), 0);
    return ranges;
}

static void check_equal(const struct ranges *a, const struct ranges *b)
{
    CHECK(!memcmp(a->of, b->of, sizeof(a->of)));
    CHECK_STR(a->sha256, b->sha256);
    CHECK_STR(a->clipping, b->clipping);
    CHECK(a->images == b->images && a->resize == b->resize && a->crop == b->crop && fabs(a->agreement - b->agreement) < 1e-8);
}

TEST(ranges_come_back_as_they_were_saved_for_every_network)
{
    const struct weights weights = weights_of('a');
    const struct network *network;
    for (int i = 0; (network = network_at(i)); i++) {
        struct ranges ranges = make(network, imagenet_mean, imagenet_std, 1), back;
        CHECK_INT(ranges_save("file", &ranges, &weights, network, NULL), 0);
        CHECK_INT(ranges_open("file", &weights, network, imagenet_mean, imagenet_std, &back, NULL), 0);
        check_equal(&ranges, &back);
        CHECK_INT(remove("file"), 0);
    }
}

TEST(a_pool_has_the_range_of_what_it_reads)
{
    const struct network *network = network_find("resnet50");
    struct ranges ranges = make(network, imagenet_mean, imagenet_std, 1);
    CHECK(ranges.of[2].high == ranges.of[1].high && ranges.of[1].high > 0);
    CHECK(ranges.of[network->count - 1].high == ranges.of[network->count - 2].high);
    CHECK(ranges.of[network->count].high == 0);
}

TEST(a_file_holds_a_set_for_each_normalisation_and_the_newest_of_one_wins)
{
    const struct weights weights = weights_of('a');
    const struct network *network = network_find("resnet18");
    struct ranges first = make(network, imagenet_mean, imagenet_std, 1), second = make(network, none_mean, none_std, 2),
                  third = make(network, imagenet_mean, imagenet_std, 3), back;
    CHECK_INT(ranges_save("file", &first, &weights, network, NULL), 0);
    CHECK_INT(ranges_save("file", &second, &weights, network, NULL), 0);
    CHECK_INT(ranges_save("file", &third, &weights, network, NULL), 0);
    CHECK_INT(ranges_open("file", &weights, network, none_mean, none_std, &back, NULL), 0);
    check_equal(&second, &back);
    CHECK_INT(ranges_open("file", &weights, network, imagenet_mean, imagenet_std, &back, NULL), 0);
    check_equal(&third, &back);
    CHECK(strcmp(third.sha256, first.sha256));
}

TEST(a_full_file_loses_its_oldest_set_for_a_new_one_and_is_read_again)
{
    const struct weights weights = weights_of('a');
    const struct network *network = network_find("resnet18");
    struct ranges ranges, back;
    for (int i = 0; i < RANGES_SETS_MAX + 2; i++) {
        float mean[] = { (float)i / 32, 0, 0 };
        ranges = make(network, mean, none_std, 1);
        CHECK_INT(ranges_save("file", &ranges, &weights, network, NULL), 0);
        CHECK_INT(ranges_open("file", &weights, network, mean, none_std, &back, NULL), 0);
        check_equal(&ranges, &back);
    }
    for (int i = 0; i < RANGES_SETS_MAX + 2; i++) {
        float mean[] = { (float)i / 32, 0, 0 };
        CHECK_INT(ranges_open("file", &weights, network, mean, none_std, &back, NULL), i < 2 ? -ENOENT : 0);
    }
}

TEST(ranges_with_other_means_are_other_ranges)
{
    const struct network *network = network_find("resnet18");
    struct ranges ranges = make(network, imagenet_mean, imagenet_std, 1);
    char without[SHA256_HEX], with[SHA256_HEX];
    strcpy(without, ranges.sha256);
    ranges.means = calloc(ranges_means_offset(network, network->count + 1), sizeof(*ranges.means));
    CHECK_INT(ranges_finish(&ranges, network, NULL), 0);
    strcpy(with, ranges.sha256);
    CHECK(strcmp(with, without));
    ranges.means[ranges_means_offset(network, network->count + 1) - 1] = 0.5f;
    CHECK_INT(ranges_finish(&ranges, network, NULL), 0);
    CHECK(strcmp(ranges.sha256, with));
    ranges_done(&ranges);
}

static int synced, synced_at_rename;

/* In place of libc's. */
int fsync(int fd)
{
    synced++;
    return (int)syscall(SYS_fsync, fd);
}

int rename(const char *from, const char *to)
{
    synced_at_rename = synced;
    return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

TEST(ranges_are_on_the_disk_before_they_are_in_place)
{
    const struct weights weights = weights_of('a');
    const struct network *network = network_find("resnet18");
    struct ranges ranges = make(network, imagenet_mean, imagenet_std, 1);
    CHECK_INT(ranges_save("file", &ranges, &weights, network, NULL), 0);
    CHECK_INT(synced_at_rename, 1);
}

TEST(a_missing_file_and_a_missing_normalisation_are_told_apart_from_damage)
{
    const struct weights weights = weights_of('a');
    const struct network *network = network_find("resnet18");
    struct ranges ranges = make(network, imagenet_mean, imagenet_std, 1), back;
    struct why why;
    CHECK_INT(ranges_open("none", &weights, network, none_mean, none_std, &back, &why), -ENOENT);
    CHECK_CONTAINS(why.text, "none: ");
    CHECK_INT(ranges_save("file", &ranges, &weights, network, NULL), 0);
    CHECK_INT(ranges_open("file", &weights, network, none_mean, none_std, &back, &why), -ENOENT);
    CHECK_CONTAINS(why.text, "mean 0,0,0 and std 1,1,1");
}

TEST(ranges_of_other_weights_or_of_another_network_are_refused)
{
    const struct weights weights = weights_of('a'), others = weights_of('b');
    const struct network *network = network_find("resnet18");
    struct ranges ranges = make(network, imagenet_mean, imagenet_std, 1), back;
    struct why why;
    CHECK_INT(ranges_save("file", &ranges, &weights, network, NULL), 0);
    CHECK_INT(ranges_open("file", &others, network, imagenet_mean, imagenet_std, &back, &why), -EINVAL);
    CHECK_CONTAINS(why.text, "of other weights (sha256 aaaaaaaaaaaa...) than model.pth (bbbbbbbbbbbb...)");
    CHECK_INT(ranges_open("file", &weights, network_find("resnet34"), imagenet_mean, imagenet_std, &back, &why), -EINVAL);
    CHECK_CONTAINS(why.text, "of network resnet18, and these weights are a resnet34");
}

TEST(a_new_calibration_replaces_ranges_of_other_weights_but_no_other_file)
{
    const struct weights weights = weights_of('a'), others = weights_of('b');
    const struct network *network = network_find("resnet18");
    struct ranges ranges = make(network, imagenet_mean, imagenet_std, 1), back;
    struct why why;
    CHECK_INT(ranges_save("file", &ranges, &others, network, NULL), 0);
    CHECK_INT(ranges_save("file", &ranges, &weights, network, NULL), 0);
    CHECK_INT(ranges_open("file", &weights, network, imagenet_mean, imagenet_std, &back, NULL), 0);
    test_write_file("photo", "abc", 3);
    CHECK_INT(ranges_save("photo", &ranges, &weights, network, &why), -EINVAL);
    CHECK_CONTAINS(why.text, "not written over");
    CHECK_INT(mkdir("folder", 0700), 0);
    CHECK_INT(ranges_save("folder", &ranges, &weights, network, &why), -EINVAL);
    CHECK_INT(ranges_save("no/such/folder", &ranges, &weights, network, &why), -ENOENT);
    CHECK_CONTAINS(why.text, "no/such/folder: cannot write the activation ranges: No such file or directory");
}

/* The saved file with `from` replaced by `to`, which must be refused with `part`. */
static void refuse(const char *from, const char *to, const char *part)
{
    const struct weights weights = weights_of('a');
    const struct network *network = network_find("resnet18");
    struct ranges ranges = make(network, imagenet_mean, imagenet_std, 1), back;
    struct why why = { "" };
    CHECK_INT(ranges_save("file", &ranges, &weights, network, NULL), 0);
    CLEANUP(freep) char *text = test_read_file("file", NULL);
    CLEANUP(freep) char *changed = NULL;
    char *at = strstr(text, from);
    if (!at)
        test_fail(__FILE__, __LINE__, "no \"%s\" in %s", from, text);
    CHECK(asprintf(&changed, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from)) > 0);
    int r = ranges_from_memory("file", changed, strlen(changed), &weights, network, imagenet_mean, imagenet_std, &back, &why);
    if (r != -EINVAL)
        test_fail(__FILE__, __LINE__, "%s -> %s: %d, %s", from, to, r, why.text);
    CHECK_CONTAINS(why.text, part);
    CHECK_CONTAINS(why.text, "file: ");
}

TEST(damaged_ranges_are_refused_naming_file_and_tensor)
{
    refuse("\"layer1.0.conv2\"", "\"layer1.0.conv9\"", "the range of tensor layer1.0.conv2 is missing");
    refuse("\"layer1.0.conv2\"", "\"more\": [0, 1], \"layer1.0.conv2\"", "it has ranges of 22 tensors, resnet18 has 21");
    refuse("\"conv1\": [\n     0.0", "\"conv1\": [\n     -0.5", "tensor conv1 is impossible: it begins below 0");
    refuse("\"conv1\": [\n     0.0", "\"conv1\": [\n     0.1", "tensor conv1 is impossible: 0 is not in it");
    refuse("\"conv1\": [\n     0.0", "\"conv1\": [\n     \"0\"", "conv1 is not a pair of numbers");
    refuse("\"conv1\": [\n     0.0", "\"conv1\": [\n      0.0, 1.0", "conv1 is not a pair of numbers");
    refuse("\"image\": [\n     -2.0999999", "\"image\": [\n     -1e99", "tensor image is impossible: it is not finite");
    refuse("\"conv1\": [\n     0.0", "\"conv1\": [\n     NaN", "not valid JSON");
    refuse("\"conv1\":", "\"image\":", "not valid JSON");
    refuse("ranges 1", "ranges 2", "is \"sleddog ranges 2\", and this program reads \"sleddog ranges 1\"");
    refuse("sleddog ranges 1", "recipe", "not a file of activation ranges");
    refuse("\"images\": 7", "\"images\": -7", "\"images\"");
    refuse("\"images\": 7", "\"images\": 0", "\"images\"");
    refuse("\"crop\": 224", "\"crop\": 1000000001", "\"crop\"");
    refuse("\"resize\": 256", "\"resize\": 4294967552", "\"resize\"");
    refuse("\"clipping\"", "\"trimming\"", "\"clipping\"");
    refuse("\"mean\"", "\"mode\"", "set 0 has no \"mean\"");
    refuse("\"sets\"", "\"bets\"", "\"sets\" is not a list");
    refuse("\"weights\"", "\"heights\"", "does not say of which");
}

/* Such that low + step * level has a step, and 1 / step is a number. */
TEST(a_range_too_narrow_for_its_levels_is_refused)
{
    static const float narrow[] = { FLT_TRUE_MIN, 100 * FLT_TRUE_MIN, FLT_MIN, 254 * FLT_MIN };
    const struct network *network = network_find("resnet18");
    struct ranges ranges = make(network, imagenet_mean, imagenet_std, 1);
    struct why why;
    for (size_t i = 0; i < ARRAY_SIZE(narrow); i++) {
        ranges.of[3] = (struct range){ 0, narrow[i] };
        CHECK_INT(ranges_finish(&ranges, network, &why), -EINVAL);
        CHECK_CONTAINS(why.text, "tensor layer1.0.conv1 is impossible: it is too narrow for its levels");
    }
    ranges.of[3] = (struct range){ 0, 256 * FLT_MIN };
    CHECK_INT(ranges_finish(&ranges, network, &why), 0);
}

TEST(ranges_cut_off_anywhere_are_refused)
{
    const struct weights weights = weights_of('a');
    const struct network *network = network_find("resnet18");
    struct ranges ranges = make(network, imagenet_mean, imagenet_std, 1), back;
    size_t size;
    CHECK_INT(ranges_save("file", &ranges, &weights, network, NULL), 0);
    CLEANUP(freep) char *text = test_read_file("file", &size);
    CHECK(size > 100);
    for (size_t cut = 0; cut < size - 1; cut += 1 + cut / 50) /* the last byte is a newline */
        CHECK_INT(ranges_from_memory("file", text, cut < size - 2 ? cut : size - 2, &weights, network, imagenet_mean, imagenet_std, &back, NULL), -EINVAL);
}

TEST(what_is_no_regular_file_or_too_large_is_no_ranges)
{
    const struct weights weights = weights_of('a');
    const struct network *network = network_find("resnet18");
    struct ranges back;
    struct why why;
    CHECK_INT(mkdir("folder", 0700), 0);
    CHECK_INT(ranges_open("folder", &weights, network, none_mean, none_std, &back, &why), -EINVAL);
    CHECK_INT(mkfifo("pipe", 0600), 0);
    CHECK_INT(ranges_open("pipe", &weights, network, none_mean, none_std, &back, &why), -EINVAL);
    CLEANUP(fclosep) FILE *file = fopen("large", "w");
    CHECK(file && fseek(file, LIMIT_RANGES, SEEK_SET) == 0 && fputc('x', file) == 'x' && fflush(file) == 0);
    CHECK_INT(ranges_open("large", &weights, network, none_mean, none_std, &back, &why), -EFBIG);
    CHECK_CONTAINS(why.text, "large: 4194305 bytes");
}
