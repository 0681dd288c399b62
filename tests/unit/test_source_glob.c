#include "coordinator/source/source.h"

#include "common/bytes.h"
#include "tests/test.h"

#include <sys/stat.h>
#include <unistd.h>

static void tree(void)
{
    CHECK_INT(test_shell(NULL, "mkdir -p p/dogs/n1-A p/dogs/n2-B/deep p/dogs/.h p/cats && cd p &&"
                               " touch dogs/n1-A/1.jpg dogs/n1-A/2.jpg dogs/n1-A/.x.jpg dogs/n1-A/t.txt dogs/n2-B/1.jpg"
                               " dogs/n2-B/deep/9.jpg dogs/.h/1.jpg cats/c.jpg top.jpg"), 0);
}

static struct why why;

static int open_one(char *arg, struct source **ret)
{
    char *args[] = { arg };
    return source_open(args, 1, &(struct source_options){ .null_separated = false }, ret, &why);
}

/* Keys below the base, each with a '|'; or the sentence. */
static const char *matched(char *pattern)
{
    static struct bytes outs[2]; /* of this call and the one before */
    static int turn;
    struct bytes *out = &outs[turn++ % 2];
    struct source *source;
    struct rec_item item;
    bytes_done(out);
    bytes_init(out, 1 << 20);
    if (open_one(pattern, &source) < 0)
        return why.text;
    int r;
    while ((r = source_next(source, &item, &why)) > 0) {
        CHECK_INT(access(item.uri.data, F_OK), 0);
        bytes_append(out, item.uri.data + item.base, item.uri.size - item.base);
        bytes_append_char(out, '|');
    }
    source_close(source);
    return r < 0 ? why.text : out->data;
}

TEST(wildcards_stay_within_a_component)
{
    tree();
    CHECK_STR(matched("p/dogs/*/*.jpg"), "n1-A/1.jpg|n1-A/2.jpg|n2-B/1.jpg|");
    CHECK_STR(matched("p/dogs/n?-[AB]/1.*"), "n1-A/1.jpg|n2-B/1.jpg|");
    CHECK_STR(matched("p/*.jpg"), "top.jpg|");
    CHECK_STR(matched("p/dogs/n[!1]*/*"), "n2-B/1.jpg|");
    CHECK_STR(matched("p/*/n1-A/t.txt"), "dogs/n1-A/t.txt|");
}

TEST(two_stars_match_any_depth_and_nothing_twice)
{
    tree();
    CHECK_STR(matched("p/**/*.jpg"), "cats/c.jpg|dogs/n1-A/1.jpg|dogs/n1-A/2.jpg|dogs/n2-B/1.jpg|"
                                     "dogs/n2-B/deep/9.jpg|top.jpg|");
    CHECK_STR(matched("p/**/**/*.jpg"), matched("p/**/*.jpg"));
    CHECK_STR(matched("p/dogs/**/deep/*"), "n2-B/deep/9.jpg|");
    CHECK_STR(matched("p/cats/**"), "c.jpg|");
    CHECK_STR(matched("p/**/n*/**/?.jpg"), "dogs/n1-A/1.jpg|dogs/n1-A/2.jpg|dogs/n2-B/1.jpg|dogs/n2-B/deep/9.jpg|");
}

TEST(a_leading_dot_needs_a_dot)
{
    tree();
    CHECK_STR(matched("p/dogs/.*/*"), ".h/1.jpg|");
    CHECK_STR(matched("p/dogs/n1-A/.*"), ".x.jpg|");
}

TEST(a_pattern_without_a_folder_before_it_stands_in_the_current_one)
{
    tree();
    CHECK_INT(mkdir("p/cwd[1]", 0755), 0);
    CHECK_INT(chdir("p/cwd[1]"), 0);
    test_write_file("x.jpg", "", 0);
    CHECK_STR(matched("*.jpg"), "x.jpg|");
    CHECK_STR(matched("./*.jpg"), "x.jpg|");
    CHECK_STR(matched("../c*/*.jpg"), "cats/c.jpg|cwd[1]/x.jpg|");
}

TEST(a_real_name_wins_over_the_pattern)
{
    test_write_file("a[1].jpg", "", 0);
    test_write_file("a1.jpg", "", 0);
    CHECK_STR(matched("a[1].jpg"), "a[1].jpg|");
    CHECK_INT(unlink("a[1].jpg"), 0);
    CHECK_STR(matched("a[1].jpg"), "a1.jpg|");
    CHECK_INT(mkdir("what?", 0755), 0);
    test_write_file("what?/z", "", 0);
    CHECK_STR(matched("what?"), "z|");
}

TEST(a_pattern_that_matches_nothing_is_named)
{
    tree();
    CHECK_CONTAINS(matched("p/*.png"), "p/*.png: no file matches this pattern; look at its spelling");
    CHECK_CONTAINS(matched("p/d*"), "end it with /**");
    CHECK_CONTAINS(matched("nowhere/*.png"), "nowhere/: there is no such folder");
}

TEST(folders_where_files_are_asked_for_are_counted)
{
    tree();
    struct source *source;
    struct rec_item item;
    const char *first;
    CHECK_INT(open_one("p/*", &source), 0);
    CHECK_INT(source_next(source, &item, &why), 1);
    CHECK_STR(item.uri.data + item.base, "top.jpg");
    CHECK_INT(source_next(source, &item, &why), 0);
    CHECK_INT(source_skipped(source, &first), 2);
    CHECK(strstr(first, "/p/dogs") || strstr(first, "/p/cats"));
    source_close(source);
}

TEST(a_pattern_of_too_many_parts_is_refused)
{
    char pattern[200] = "";
    for (int i = 0; i < 61; i++)
        strcat(pattern, "*/");
    CHECK_CONTAINS(matched(pattern), "more than 60 components");
}
