#include "common/labels.h"

#include "tests/test.h"

static struct labels *parsed(const char *text)
{
    struct labels *labels = NULL;
    struct why why = { "" };
    if (labels_parse("names.txt", text, strlen(text), &labels, &why) < 0)
        test_fail(__FILE__, __LINE__, "%s", why.text);
    return labels;
}

static const char *refused(const char *text, size_t size)
{
    static struct why why;
    struct labels *labels;
    CHECK_INT(labels_parse("names.txt", text, size, &labels, &why), -EINVAL);
    return why.text;
}

TEST(the_built_in_names_are_imagenet_s)
{
    struct labels *labels;
    CHECK_INT(labels_open(NULL, &labels, NULL), 0);
    CHECK_INT(labels_count(labels), 1000);
    CHECK_STR(labels_name(labels, 0), "tench, Tinca tinca");
    CHECK_STR(labels_wordnet(labels, 151), "n02085620");
    CHECK_STR(labels_name(labels, 151), "Chihuahua");
    CHECK_STR(labels_name(labels, 999), "toilet tissue, toilet paper, bathroom tissue");
    CHECK(!labels_name(labels, 1000) && !labels_wordnet(labels, UINT32_MAX));
    CHECK(labels_have_wordnet(labels));
    labels_close(labels);
}

TEST(the_built_in_names_equal_the_shared_list)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/labels/imagenet-1k.txt", test_data());
    struct labels *ours, *theirs;
    CHECK_INT(labels_open(NULL, &ours, NULL), 0);
    CHECK_INT(labels_open(path, &theirs, NULL), 0);
    CHECK_INT(labels_count(theirs), labels_count(ours));
    for (uint32_t i = 0; i < labels_count(ours); i++) {
        CHECK_STR(labels_name(ours, i), labels_name(theirs, i));
        CHECK_STR(labels_wordnet(ours, i), labels_wordnet(theirs, i));
    }
    labels_close(ours);
    labels_close(theirs);
}

TEST(a_file_may_have_wordnet_ids_crlf_a_byte_order_mark_and_empty_lines_at_its_end)
{
    struct labels *labels = parsed("\xef\xbb\xbfn01440764 tench, Tinca tinca\r\n  a b \nn1 c\nn01440765\n\n \r\n");
    CHECK_INT(labels_count(labels), 4);
    CHECK_STR(labels_wordnet(labels, 0), "n01440764");
    CHECK_STR(labels_name(labels, 0), "tench, Tinca tinca");
    CHECK_STR(labels_name(labels, 1), "a b");
    CHECK(!labels_wordnet(labels, 1));
    CHECK_STR(labels_name(labels, 2), "n1 c");
    CHECK_STR(labels_name(labels, 3), "n01440765");
    CHECK_STR(labels_wordnet(labels, 3), "n01440765");
    labels_close(labels);
}

TEST(a_file_without_wordnet_ids_says_so)
{
    struct labels *labels = parsed("stripes\nchecks");
    CHECK_INT(labels_count(labels), 2);
    CHECK(!labels_have_wordnet(labels));
    labels_close(labels);
}

TEST(a_bad_line_is_named)
{
    char longest[LABELS_LINE_MAX + 2];
    memset(longest, 'x', sizeof(longest));
    CHECK_CONTAINS(refused("a\n\nb\n", 5), "names.txt: line 2 is empty");
    CHECK_CONTAINS(refused("a\nb\0c\n", 6), "line 2 holds a NUL");
    CHECK_CONTAINS(refused(longest, LABELS_LINE_MAX + 1), "line 1 is longer than 1024");
    CHECK_CONTAINS(refused("\n \n", 3), "no class names");
    CHECK_CONTAINS(refused("", 0), "no class names");
    struct labels *labels;
    CHECK_INT(labels_parse("x", longest, LABELS_LINE_MAX, &labels, NULL), 0);
    labels_close(labels);
}

TEST(more_classes_than_a_network_may_have_are_refused)
{
    char *text = malloc(2 * (LABELS_MAX + 1));
    for (uint32_t i = 0; i <= LABELS_MAX; i++)
        memcpy(text + 2 * i, "x\n", 2);
    CHECK_CONTAINS(refused(text, 2 * (LABELS_MAX + 1)), "more than 65536 lines");
    struct labels *labels;
    CHECK_INT(labels_parse("x", text, 2 * LABELS_MAX, &labels, NULL), 0);
    CHECK_INT(labels_count(labels), LABELS_MAX);
    labels_close(labels);
    free(text);
}

TEST(a_missing_or_unreadable_file_is_named)
{
    struct labels *labels;
    struct why why;
    CHECK_INT(labels_open("nowhere.txt", &labels, &why), -ENOENT);
    CHECK_CONTAINS(why.text, "nowhere.txt: No such file");
    CHECK(labels_open(".", &labels, &why) < 0);
    test_write_file("l.txt", "x\ny\n", 4);
    CHECK_INT(labels_open("l.txt", &labels, &why), 0);
    CHECK_INT(labels_count(labels), 2);
    labels_close(labels);
}
