#include "coordinator/comparison_print.h"

#include "common/cleanup.h"
#include "tests/test.h"

static void keep(struct comparison_surest *surest, const char *uri, float first, float second)
{
    const struct comparison_change change = { .uri = { uri, (uint32_t)strlen(uri) }, .truth = { "cat", 3 },
                                              .answer = { { .label = "dog", .probability = first }, { .label = "cat", .probability = second } } };
    CHECK_INT(comparison_keep_surest(surest, &change, NULL), 0);
}

TEST(the_changes_of_which_both_were_surest_are_kept_the_surest_first)
{
    struct comparison_surest surest = { .count = 0 };
    char uri[16];
    for (int i = 0; i < 40; i++) {
        snprintf(uri, sizeof(uri), "%d", i);
        keep(&surest, uri, 1, (float)((i * 7) % 40) / 40); /* each of 0 to 39 once */
    }
    keep(&surest, "one is not sure", 1, 0.01f);
    CHECK_INT(surest.count, COMPARISON_SHOWN);
    for (int i = 0; i < COMPARISON_SHOWN; i++) {
        CHECK(surest.change[i].answer[1].probability == (float)(39 - i) / 40);
        CHECK_INT(atoi(surest.change[i].uri.data) * 7 % 40, 39 - i);
        CHECK(!memcmp(surest.change[i].truth.data, "cat", 3));
    }
    comparison_surest_done(&surest);
    CHECK_INT(surest.count, 0);
}

TEST(an_image_that_failed_in_one_of_them_is_no_change_of_mind)
{
    struct comparison_surest surest = { .count = 0 };
    const struct comparison_change change = { .uri = { "a", 1 }, .answer = { { .error = ROW_DECODE, .label = "" }, { .label = "cat", .probability = 1 } } };
    CHECK_INT(comparison_keep_surest(&surest, &change, NULL), 0);
    CHECK_INT(surest.count, 0);
}

TEST(a_changed_answer_is_a_line_of_csv)
{
    CLEANUP(bytes_done) struct bytes out;
    const struct comparison_change change = { .uri = { "/a, b", 5 }, .truth = { "x\"y", 3 },
                                              .answer = { { .label = "one, two", .probability = 0.5f, .match = MATCH_TRUE }, { .error = ROW_DECODE, .label = "" } } };
    bytes_init(&out, 4096);
    comparison_csv_line(&out, &change);
    bytes_append_char(&out, '\0');
    CHECK_STR(out.data, "\"/a, b\",\"x\"\"y\",\"one, two\",0.500000,true,,,,,decode\n");
}
