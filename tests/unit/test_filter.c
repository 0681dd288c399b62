#include "coordinator/source/filter.h"

#include "common/cleanup.h"
#include "tests/test.h"

#include <inttypes.h>

static bool takes(uint32_t sample, const char *name)
{
    const struct filter filter = { .sample = sample };
    return filter_wants(&filter, name, strlen(name));
}

static int count(uint32_t sample, const char *form, int from, int to)
{
    int taken = 0;
    for (int i = from; i < to; i++) {
        char name[64];
        snprintf(name, sizeof(name), form, i);
        taken += takes(sample, name);
    }
    return taken;
}

TEST(a_sample_is_about_one_in_so_many_of_any_names)
{
    CHECK_INT(count(0, "%d", 0, 1000), 1000);
    CHECK_INT(count(1, "%d", 0, 1000), 1000);
    static const char *const forms[] = { "%d", "%08d.jpg", "a/b/c/photo-%d.png", "%d/0.jpg" };
    for (size_t i = 0; i < ARRAY_SIZE(forms); i++)
        for (uint32_t sample = 2; sample <= 128; sample *= 4) {
            int taken = count(sample, forms[i], 0, 100000), expected = 100000 / (int)sample;
            if (taken < expected * 9 / 10 || taken > expected * 11 / 10)
                test_fail(__FILE__, __LINE__, "%s: %d of 100000 at one in %" PRIu32, forms[i], taken, sample);
        }
}

TEST(which_images_are_in_a_sample_is_the_same_on_every_machine_and_in_every_release)
{
    char taken[256] = "";
    for (int i = 0; i < 60; i++) {
        char name[16];
        snprintf(name, sizeof(name), "%d.jpg", i);
        if (takes(10, name))
            sprintf(taken + strlen(taken), " %s", name);
    }
    CHECK_STR(taken, " 3.jpg 30.jpg 47.jpg 59.jpg");
}

TEST(patterns_choose_within_a_sample)
{
    char *include[] = { (char *)"*1.jpg" };
    const struct filter both = { .include = include, .include_count = 1, .sample = 3 };
    for (int i = 0; i < 200; i++) {
        char name[16];
        snprintf(name, sizeof(name), "%d.jpg", i);
        CHECK_INT(filter_wants(&both, name, strlen(name)), takes(3, name) && i % 10 == 1);
    }
}
