#include "coordinator/truth.h"

#include "tests/test.h"

static struct span span(const char *text)
{
    return (struct span){ text, (uint32_t)strlen(text) };
}

static const char *found(const char *regex, const char *uri)
{
    static char text[256];
    struct truth *truth;
    struct why why;
    if (truth_open(regex, &truth, &why) < 0)
        test_fail(__FILE__, __LINE__, "%s", why.text);
    struct span of = truth_of(truth, span(uri));
    snprintf(text, sizeof(text), "%.*s", (int)of.size, of.data ? of.data : "");
    truth_close(truth);
    return of.data ? text : "(none)";
}

static enum match match(const char *truth, uint32_t index)
{
    struct labels *labels;
    CHECK_INT(labels_open(NULL, &labels, NULL), 0);
    struct rec_prediction prediction = { index, 0.9f };
    struct rec_row row = { .predictions = &prediction, .predictions_count = 1 };
    enum match result = truth_match(span(truth), &row, labels);
    labels_close(labels);
    return result;
}

TEST(the_first_group_that_matched_is_the_truth)
{
    const char *uri = "s3://b/dogs/Images/n02085620-Chihuahua/n02085620_10074.jpg";
    CHECK_STR(found("n[0-9]+-([^/]+)/", uri), "Chihuahua");
    CHECK_STR(found("/(n[0-9]{8})-", uri), "n02085620");
    CHECK_STR(found("(cat)|(Chi)", uri), "Chi");
    CHECK_STR(found("/(x*)Images", uri), "(none)");
    CHECK_STR(found("/(cat)/", uri), "(none)");
    CHECK_STR(found("/([^/]*)-", "/a/\xff\xfe-1.jpg"), "\xff\xfe");
}

TEST(a_table_knows_web_addresses_without_their_queries)
{
    test_write_file("t.csv", "a.jpg,dog\nb,cat\n", 16);
    CHECK_STR(found("@t.csv", "https://host/p/a.jpg?..."), "dog");
    CHECK_STR(found("@t.csv", "http://host/b.jpg?..."), "cat");
    CHECK_STR(found("@t.csv", "/p/b.jpg"), "cat");
    CHECK_STR(found("@t.csv", "/p/a.jpg?..."), "(none)"); /* a file of that name */
}

TEST(no_expression_means_no_truth)
{
    CHECK(!truth_of(NULL, span("/a/b")).data);
}

TEST(an_expression_that_cannot_serve_is_refused_with_a_reason)
{
    struct truth *truth;
    struct why why;
    CHECK_INT(truth_open("a(b", &truth, &why), -EINVAL);
    CHECK_CONTAINS(why.text, "--truth 'a(b': Unmatched (");
    CHECK_INT(truth_open("abc", &truth, &why), -EINVAL);
    CHECK_CONTAINS(why.text, "no group");
}

TEST(a_name_matches_when_it_occurs_in_the_label)
{
    CHECK_INT(match("Chihuahua", 151), MATCH_TRUE);
    CHECK_INT(match("chihuahua", 151), MATCH_FALSE);
    CHECK_INT(match("Chihuahua", 152), MATCH_FALSE);
    CHECK_INT(match("great_white_shark", 2), MATCH_TRUE);
    CHECK_INT(match("Carcharodon carcharias", 2), MATCH_TRUE);
    CHECK_INT(match("Carcharodon carchariasx", 2), MATCH_FALSE);
    CHECK_INT(match("tench", 70000), MATCH_FALSE);
}

TEST(a_wordnet_id_is_compared_exactly)
{
    CHECK_INT(match("n02085620", 151), MATCH_TRUE);
    CHECK_INT(match("n02085620", 152), MATCH_FALSE);
    CHECK_INT(match("n0208562", 151), MATCH_FALSE);
}

TEST(a_number_is_an_index_unless_labels_have_numbers_in_them)
{
    CHECK_INT(match("151", 151), MATCH_TRUE);
    CHECK_INT(match("0151", 151), MATCH_TRUE);
    CHECK_INT(match("15", 151), MATCH_FALSE);
    CHECK_INT(match("70000", 151), MATCH_FALSE);
    struct labels *labels;
    CHECK_INT(labels_parse("l", "boat\nBoeing 707\n", 16, &labels, NULL), 0);
    CHECK(labels_have_digits(labels));
    CHECK(truth_matches(span("707"), 1, labels));
    CHECK(truth_matches(span("7"), 1, labels));
    CHECK(!truth_matches(span("1"), 1, labels));
    labels_close(labels);
}

TEST(underscores_in_a_label_count_as_spaces_too)
{
    struct labels *labels;
    CHECK_INT(labels_parse("l", "two_tone stripes\n", 17, &labels, NULL), 0);
    struct rec_prediction prediction = { 0, 1 };
    struct rec_row row = { .predictions = &prediction, .predictions_count = 1 };
    CHECK_INT(truth_match(span("two tone_stripes"), &row, labels), MATCH_TRUE);
    CHECK_INT(truth_match(span("n02085620"), &row, labels), MATCH_FALSE);
    CHECK(truth_hopeless(span("n02085620"), labels));
    CHECK(!truth_hopeless(span("stripes"), labels));
    CHECK(!truth_hopeless((struct span){ NULL, 0 }, labels));
    labels_close(labels);
}

TEST(without_truth_or_answer_there_is_no_match)
{
    struct labels *labels;
    CHECK_INT(labels_open(NULL, &labels, NULL), 0);
    struct rec_prediction prediction = { 151, 1 };
    struct rec_row answered = { .predictions = &prediction, .predictions_count = 1 };
    struct rec_row failed = { .error = ROW_DECODE, .predictions = &prediction, .predictions_count = 1 };
    struct rec_row silent = { 0 };
    CHECK_INT(truth_match((struct span){ NULL, 0 }, &answered, labels), MATCH_NONE);
    CHECK_INT(truth_match(span("Chihuahua"), &failed, labels), MATCH_NONE);
    CHECK_INT(truth_match(span("Chihuahua"), &silent, labels), MATCH_NONE);
    labels_close(labels);
}
