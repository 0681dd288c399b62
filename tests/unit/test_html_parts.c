/* test_html_parts.c: sections of the report as a page, made of JSON. What the page is as a whole, a browser's parser judges in test_report. */
#include "coordinator/html/parts.h"

#include "common/cleanup.h"
#include "tests/test.h"

#include <jansson.h>

static json_t *class_of(int number)
{
    char truth[32];
    snprintf(truth, sizeof(truth), "class %04d", number);
    return json_pack("{ss si si sf}", "truth", truth, "images", 1000, "correct", number, "rate", number / 1000.0);
}

/* So many classes, the best first. */
static json_t *classes_of(int count)
{
    json_t *classes = json_array();
    for (int i = count - 1; i >= 0; i--)
        json_array_append_new(classes, class_of(i));
    return json_pack("{s{so si}}", "evaluation", "classes", classes, "left_out", 0);
}

static char *page_of(void (*part)(struct bytes *out, const json_t *all), json_t *all)
{
    struct bytes out;
    bytes_init(&out, 1 << 20);
    part(&out, all);
    bytes_append(&out, "", 1);
    json_decref(all);
    return bytes_take(&out);
}

static int count_of(const char *text, const char *part)
{
    int count = 0;
    for (; (text = strstr(text, part)); text += strlen(part))
        count++;
    return count;
}

TEST(the_two_hundred_worst_classes_are_shown_and_the_others_counted)
{
    CLEANUP(freep) char *all = page_of(part_classes, classes_of(200)), *more = page_of(part_classes, classes_of(207));
    CHECK_INT(count_of(all, " of 1"), 200);
    CHECK(!strstr(all, "more; report --classes"));
    CHECK_INT(count_of(more, " of 1"), 200);
    CHECK_CONTAINS(more, "and 7 more; report --classes or --json has all of them");
    CHECK(strstr(more, "class 0000") < strstr(more, "class 0001") && strstr(more, "class 0199") && !strstr(more, "class 0200"));
}

TEST(a_few_classes_are_open_to_the_eye_and_many_folded)
{
    CLEANUP(freep) char *few = page_of(part_classes, classes_of(30)), *many = page_of(part_classes, classes_of(31)), *none = page_of(part_classes, classes_of(0));
    CHECK_CONTAINS(few, "<details open>");
    CHECK_CONTAINS(many, "<details>");
    CHECK_STR(none, "");
}

TEST(failures_come_with_what_to_do_and_examples)
{
    json_t *all = json_pack("{s[{ss si ss sb} {ss si ss sb}] s{s{s[{ss ss}]}}}", "failures", "kind", "not_found", "count", 3, "advice", "look <there>", "retryable", 0,
                            "kind", "timeout", "count", 1, "advice", "wait", "retryable", 1, "evaluation", "failures", "not_found", "uri", "/photos/1.jpg", "detail",
                            "no such file");
    CLEANUP(freep) char *some = page_of(part_failures, all), *none = page_of(part_failures, json_pack("{s[]}", "failures"));
    CHECK_CONTAINS(some, "<b>not_found</b><br><span class=\"tag\">final</span></td><td class=\"num failed\">3</td><td>look &lt;there&gt;");
    CHECK_CONTAINS(some, "<b>timeout</b><br><span class=\"tag\">worth retrying</span></td><td class=\"num failed\">1</td><td>wait");
    CHECK_CONTAINS(some, "/photos/1.jpg");
    CHECK_CONTAINS(some, "no such file");
    CHECK_CONTAINS(none, "None: every image has a prediction.");
}
