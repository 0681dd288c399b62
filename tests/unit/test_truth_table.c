#include "coordinator/truth_table.h"

#include "common/cleanup.h"
#include "tests/test.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

DEFINE_FREEP(truth_table_free, struct truth_table)

static struct why why;

static struct truth_table *parse(const char *text)
{
    struct truth_table *table;
    if (truth_table_parse("t.csv", text, strlen(text), &table, &why) < 0)
        test_fail(__FILE__, __LINE__, "%s", why.text);
    return table;
}

/* What a table says of an image. */
static const char *look(struct truth_table *table, const char *uri)
{
    static char text[256];
    struct span truth = truth_table_find(table, (struct span){ uri, (uint32_t)strlen(uri) });
    snprintf(text, sizeof(text), "%.*s", (int)truth.size, truth.data ? truth.data : "");
    return truth.data ? text : "(none)";
}

static const char *found(const char *text, const char *uri)
{
    CLEANUP(truth_table_freep) struct truth_table *table = parse(text);
    return look(table, uri);
}

TEST(an_image_is_known_by_its_uri_or_the_end_of_it_with_or_without_extension)
{
    CHECK_STR(found("/p/dogs/a.jpg,beagle\n", "/p/dogs/a.jpg"), "beagle");
    CHECK_STR(found("dogs/a.jpg,beagle\n", "/p/dogs/a.jpg"), "beagle");
    CHECK_STR(found("a.jpg,beagle\n", "s3://bucket/dogs/a.jpg"), "beagle");
    CHECK_STR(found("a,beagle\n", "s3://bucket/dogs/a.jpg"), "beagle");
    CHECK_STR(found("dogs/a,beagle\n", "/p/dogs/a.jpg"), "beagle");
    CHECK_STR(found("a.b,beagle\n", "/p/a.b.jpg"), "beagle");
    CHECK_STR(found("a.jpg,beagle\n", "a.jpg"), "beagle");
    CHECK_STR(found("n.jpg,beagle\n", "/p/an.jpg"), "(none)"); /* whole components only */
    CHECK_STR(found("dogs,beagle\n", "/p/dogs/a.jpg"), "(none)");
    CHECK_STR(found("a,beagle\n", "/p/a.b.jpg"), "(none)");
    CHECK_STR(found("p,beagle\n", "/p.d/jpg"), "(none)");
    CHECK_STR(found(".hidden,beagle\n", "/p/.hidden"), "beagle");
    CHECK_STR(found("a.jpg,beagle\n", ""), "(none)");
    CHECK_STR(found("a.jpg,beagle\n", "/p/a.jpg/"), "(none)");
}

TEST(a_name_in_the_shadow_of_a_longer_one_is_not_counted_as_nobody_s)
{
    CLEANUP(truth_table_freep) struct truth_table *table = parse("id,breed\na,1\na.jpg,2\ncats/a.jpg,3\n");
    size_t first;
    CHECK_STR(look(table, "/p/cats/a.jpg"), "3");
    CHECK_INT(truth_table_unused(table, &first), 0);
}

TEST(the_longest_name_counts)
{
    CLEANUP(truth_table_freep) struct truth_table *table = parse("a,1\na.jpg,2\ncats/a,3\ncats/a.jpg,4\n");
    CHECK_STR(look(table, "/p/cats/a.jpg"), "4");
    CHECK_STR(look(table, "/p/cats/a.png"), "3");
    CHECK_STR(look(table, "/p/dogs/a.jpg"), "2");
    CHECK_STR(look(table, "/p/dogs/a.png"), "1");
}

TEST(columns_are_separated_as_the_first_line_does_it)
{
    CHECK_STR(found("a,x;y z\n", "/a"), "x;y z");
    CHECK_STR(found("a;x y\nb;z,1\n", "/b"), "z,1");
    CHECK_STR(found("a\tx, y\tmore\n", "/a"), "x, y");
    CHECK_STR(found("a;tench, Tinca tinca\nb;pug\n", "/b"), "pug");
    CHECK_STR(found("\"a, b.jpg\";pug\n", "/a, b.jpg"), "pug");
    CHECK_STR(found("\"a\"\"; b.jpg\",pug\n", "/a\"; b.jpg"), "pug");
    CHECK_STR(found("a.jpg   pug  more\n  b.jpg  dog\n   \n", "/a.jpg"), "pug"); /* columns that were lined up */
    CHECK_STR(found("a.jpg   pug  more\n  b.jpg  dog\n   \n", "/b.jpg"), "dog");
    CHECK_STR(found("ILSVRC2012_val_00000001.JPEG n01751748\nb n01751749\n", "/v/ILSVRC2012_val_00000001.JPEG"), "n01751748");
}

TEST(quotes_blanks_headings_line_ends_and_a_byte_order_mark_are_read_as_spreadsheets_write_them)
{
    CHECK_STR(found("\xef\xbb\xbfid,breed\r\na,beagle\r\n", "/a.jpg"), "beagle");
    CHECK_STR(found("\xef\xbb\xbf" "a,beagle", "/a.jpg"), "beagle");
    CHECK_STR(found("\"a, b.jpg\",\"say \"\"x\"\"\"\n", "/a, b.jpg"), "say \"x\"");
    CHECK_STR(found("a , beagle dog ,more\n", "/a"), "beagle dog");
    CHECK_STR(found("\n\na,beagle\n\n", "/a"), "beagle");
    CHECK_STR(found("a,\xff\xfe\n", "/a"), "\xff\xfe");
    CHECK_STR(found("a,beagle\nb,\n", "/b"), "(none)"); /* an empty truth is none */
}

TEST(lines_that_say_the_same_are_one_and_those_that_do_not_are_named)
{
    CLEANUP(truth_table_freep) struct truth_table *table = parse("b,2\na,1\na,1\n");
    struct truth_table *other;
    CHECK_INT(truth_table_count(table), 2);
    const char text[] = "a,1\nb,2\nc,3\nb,4\n";
    CHECK_INT(truth_table_parse("t.csv", text, strlen(text), &other, &why), -EINVAL);
    CHECK_STR(why.text, "t.csv: lines 2 and 4 say that b shows 2 and 4; leave one of them");
}

static void refused(const char *text, const char *sentence)
{
    struct truth_table *table;
    CHECK_INT(truth_table_parse("t.csv", text, strlen(text), &table, &why), -EINVAL);
    CHECK_CONTAINS(why.text, sentence);
}

TEST(what_is_no_table_is_refused_with_its_line)
{
    char longest[LIMIT_URI + 8];
    refused("", "t.csv: no truth in it; a line has the name of an image and its truth");
    refused("\n\n", "t.csv: no truth in it");
    refused("a,\n", "t.csv: no truth in it");
    refused("a,1\n\nb\n", "t.csv: line 3: one column only;");
    refused("a,1\r\nb", "t.csv: line 2: one column only;");
    refused("a,1\n,2\n", "t.csv: line 2: the name of the image, in the first column, is empty");
    refused("a,1\nb,\"2\n", "t.csv: line 2: a quote that is not closed");
    refused("a,1\nb,2\"2\"\n", "t.csv: line 2: a quote that is not closed, or stands inside a field");
    refused("a,1\rb\r", "t.csv: line 2: one column only;"); /* as old Macs end lines */
    refused("a,1\r\n\r\nb\r\n", "t.csv: line 3: one column only;");
    refused("a,\"1\n1\r\n1\"\nb\n", "t.csv: line 4: one column only;");
    refused("a \n", "t.csv: line 1: one column only;");
    memset(longest, 'x', sizeof(longest));
    memcpy(longest + sizeof(longest) - 4, ",1\n", 4);
    refused(longest, "t.csv: line 1: longer than the name of an image or of a class can be");
}

TEST(what_is_no_text_is_refused)
{
    struct truth_table *table;
    static const char utf16[] = "\xff\xfe" "a\0,\0" "1\0\n";
    CHECK_INT(truth_table_parse("t.csv", utf16, sizeof(utf16), &table, &why), -EINVAL);
    CHECK_CONTAINS(why.text, "t.csv: no plain text, it has NUL bytes; save it as CSV in UTF-8");
}

TEST(headings_may_stand_behind_empty_lines_and_before_any_line_end)
{
    static const char *const texts[] = { "\n\nid,breed\nb,2\n", "id,breed\rb,2\r", "\r\nid,\"bre\ned\"\r\nb,2\r\n" };
    static const size_t lines[] = { 4, 2, 4 };
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        CLEANUP(truth_table_freep) struct truth_table *table = parse(texts[i]);
        size_t first = 0;
        CHECK_INT(truth_table_unused(table, &first), 1);
        CHECK_INT(first, lines[i]);
    }
}

TEST(names_that_no_image_has_are_counted_and_headings_are_none)
{
    CLEANUP(truth_table_freep) struct truth_table *table = parse("id,breed\na,1\nb,2\nc,3\nd,4\n");
    size_t first = 0;
    CHECK_INT(truth_table_unused(table, &first), 4);
    CHECK_INT(first, 2);
    look(table, "/a.jpg");
    look(table, "/d.jpg");
    CHECK_INT(truth_table_unused(table, &first), 2);
    CHECK_INT(first, 3);
}

TEST(a_hundred_thousand_lines_are_found_again)
{
    char *text = malloc(100000 * 32), uri[32], truth[32];
    size_t size = 0;
    CHECK(text);
    for (int i = 0; i < 100000; i++)
        size += (size_t)sprintf(text + size, "%" PRIx32 ".jpg,%d\n", (uint32_t)i * 2654435761u, i);
    CLEANUP(truth_table_freep) struct truth_table *table = parse(text);
    free(text);
    for (int i = 0; i < 100000; i += 7) {
        snprintf(uri, sizeof(uri), "/p/%" PRIx32 ".jpg", (uint32_t)i * 2654435761u);
        snprintf(truth, sizeof(truth), "%d", i);
        CHECK_STR(look(table, uri), truth);
    }
}

TEST(a_file_that_cannot_be_read_is_named)
{
    struct truth_table *table;
    CHECK_INT(truth_table_read("none.csv", &table, &why), -ENOENT);
    CHECK_CONTAINS(why.text, "none.csv: No such file or directory");
}

TEST(what_is_no_file_or_too_large_is_refused_without_reading_it)
{
    struct truth_table *table;
    CHECK_INT(mkfifo("pipe", 0600), 0);
    CHECK_INT(truth_table_read("pipe", &table, &why), -EINVAL);
    CHECK_STR(why.text, "pipe: no ordinary file; it is read more than once, so put what it gives into one");
    CHECK_INT(truth_table_read(".", &table, &why), -EINVAL);
    test_write_file("huge.csv", "a,1\n", 4);
    CHECK_INT(truncate("huge.csv", ((off_t)1 << 30) + 1), 0);
    CHECK_INT(truth_table_read("huge.csv", &table, &why), -EINVAL);
    CHECK_STR(why.text, "huge.csv: larger than 1024 MiB; is it a file of names and truths?");
}
