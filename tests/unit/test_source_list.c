#include "coordinator/source/source.h"

#include "common/bytes.h"
#include "tests/test.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static struct why why;

static int open_args(char **args, int count, bool null_separated, struct source **ret)
{
    why.text[0] = '\0';
    return source_open(args, count, &(struct source_options){ .null_separated = null_separated }, ret, &why);
}

static const char *refused(char *arg)
{
    struct source *source;
    CHECK(open_args(&arg, 1, false, &source) < 0);
    return why.text;
}

/* URIs without the current directory, each with a '|'; or the sentence. */
static const char *entries(char *arg, bool null_separated)
{
    static struct bytes outs[2]; /* of this call and the one before */
    static int turn;
    struct bytes *out = &outs[turn++ % 2];
    char cwd[4096];
    CHECK(getcwd(cwd, sizeof(cwd)));
    struct source *source;
    struct rec_item item;
    bytes_done(out);
    bytes_init(out, 1 << 20);
    if (open_args(&arg, 1, null_separated, &source) < 0)
        return why.text;
    int r;
    while ((r = source_next(source, &item, &why)) > 0) {
        size_t local = strncmp(item.uri.data, cwd, strlen(cwd)) ? 0 : strlen(cwd) + 1;
        bytes_append(out, item.uri.data + local, item.uri.size - local);
        bytes_append_char(out, '|');
        CHECK(item.base > 0 && item.uri.data[item.base - 1] == '/' && !strchr(item.uri.data + item.base, '/'));
    }
    source_close(source);
    return r < 0 ? why.text : out->size ? out->data : "";
}

static const char *list(const char *text, size_t size, bool null_separated)
{
    test_write_file("list", text, size);
    return entries("@list", null_separated);
}

#define LINES(text) list(text, sizeof(text) - 1, false)
#define NULLS(text) list(text, sizeof(text) - 1, true)

TEST(a_list_has_one_path_a_line_in_its_own_order)
{
    CHECK_STR(LINES("b.jpg\na.jpg\nb.jpg\n"), "b.jpg|a.jpg|b.jpg|");
    CHECK_STR(LINES("/x/y//z.jpg\n./q/./r"), "/x/y/z.jpg|q/r|");
    CHECK_STR(LINES("\xef\xbb\xbf" "a\r\n\r\n\n two words \n\xff\"'\n@x\n*.jpg\n"), "a| two words |\xff\"'|@x|*.jpg|");
    CHECK_STR(LINES(""), "");
}

TEST(a_list_may_be_separated_by_nul)
{
    CHECK_STR(NULLS("a\nb\0c\r\0\0d"), "a\nb|c\r|d|");
}

TEST(a_list_of_lines_is_not_taken_for_one_separated_by_nul)
{
    static const char sentence[] = "@list: has lines, and no NUL that --null could take for the end of an entry; leave out --null, each line is an entry then";
    CHECK_STR(NULLS("a\nb\n"), sentence);
    CHECK_STR(NULLS("a\n"), sentence);
    CHECK_STR(NULLS("a\nb\0"), "a\nb|");
    char lines[3 * LIMIT_URI];
    memset(lines, 'x', sizeof(lines));
    lines[100] = '\n';
    CHECK_STR(list(lines, sizeof(lines), true), sentence);
}

TEST(a_bad_line_is_named_by_its_number)
{
    CHECK_CONTAINS(LINES("a\nsim:5\n"), "@list: line 2 begins with sim:");
    CHECK_CONTAINS(LINES("a\n\nftp://h/k\n"), "@list: line 3 ftp://h/k: ftp:// is not read");
    CHECK_CONTAINS(LINES("s3://bucket/\n"), "line 1 s3://bucket/: a whole bucket, not one image");
    CHECK_CONTAINS(LINES("http:///k\n"), "line 1 http://...: an address without a host");
    CHECK_CONTAINS(LINES("http://h/a b\n"), "write it as %20");
    CHECK(!strstr(LINES("https://me:hush@h/a b?hush\n"), "hush"));
    CHECK_CONTAINS(LINES("a\0b"), "line 1 holds a NUL byte");
    char longest[LIMIT_URI + 10];
    memset(longest, 'x', sizeof(longest));
    CHECK_CONTAINS(list(longest, sizeof(longest), false), "line 1 is too long");
    CHECK_CONTAINS(list(longest, sizeof(longest), true), "entry 1 is too long");
    CHECK_CONTAINS(list(longest, LIMIT_URI, false), "line 1 xxx");
    CHECK_CONTAINS(entries("@nowhere", false), "@nowhere: the list cannot be read: No such file");
    CHECK_CONTAINS(entries("@https://h/list.txt", false), "@https://h/list.txt: is no list; a list is a file, or an object in a store (@s3://BUCKET/KEY)");
    CHECK_CONTAINS(entries("@.", false), "a folder, not a list");
}

TEST(a_list_may_hold_addresses_as_they_are)
{
    CHECK_STR(LINES("https://me:pw@h/a?monkey=1&X-Amz-Signature=2\n"), "https://me:pw@h/a?monkey=1&X-Amz-Signature=2|");
    CHECK_STR(LINES("http://h:80/a/../b.jpg?v=1#f\nS\ns3://b/k//?#%41/x\nHTTPS://h\n"), "http://h:80/a/../b.jpg?v=1#f|S|s3://b/k//?#%41/x|HTTPS://h|");
}

TEST(a_list_may_come_from_standard_input)
{
    test_write_file("list", "a\nb\n", 4);
    CHECK(freopen("list", "r", stdin));
    CHECK_STR(entries("@-", false), "a|b|");
    char *twice[] = { "@-", "@-" };
    struct source *source;
    CHECK_INT(open_args(twice, 2, false, &source), -EINVAL);
    CHECK_CONTAINS(why.text, "only once");
}

TEST(sources_are_mixed_in_the_order_given)
{
    mkdir("d", 0755);
    test_write_file("d/x", "", 0);
    test_write_file("f.jpg", "", 0);
    test_write_file("list", "l\n", 2);
    char *args[] = { "sim:2", "f.jpg", "@list", "d", "sim:1" };
    const char *expected[] = { "0", "1", "f.jpg", "l", "x", "0" };
    struct source *source;
    struct rec_item item;
    CHECK_INT(open_args(args, 5, false, &source), 0);
    for (int i = 0; i < 6; i++) {
        CHECK_INT(source_next(source, &item, &why), 1);
        CHECK_STR(item.uri.data + item.base, expected[i]);
        CHECK(i > 1 || (!strncmp(item.uri.data, "sim:", 4) && item.base == 4));
    }
    CHECK_INT(source_next(source, &item, &why), 0);
    CHECK_INT(source_next(source, &item, &why), 0);
    source_close(source);
}

TEST(what_cannot_be_a_source_is_refused_with_what_to_do)
{
    CHECK_CONTAINS(refused("nowhere"), "nowhere: No such file or directory; give a folder");
    CHECK_CONTAINS(refused(""), "an empty SOURCE");
    CHECK_CONTAINS(refused("s3://bucket/dogs/"), "s3://bucket/dogs/: no object store is set up here");
    CHECK_CONTAINS(refused("ftp://host/x.jpg"), "ftp:// is not read");
    CHECK(!strstr(refused("https://host/x .jpg?token=hush"), "hush"));
    CHECK_CONTAINS(refused("sim:0"), "sim:0: not a number of made-up images");
    CHECK_CONTAINS(refused("sim:-1"), "sim:1 to sim:1000000000");
    CHECK_CONTAINS(refused("sim:1000000001"), "not a number");
    CHECK_CONTAINS(refused("sim:5x"), "not a number");
    CHECK_CONTAINS(refused("sim:"), "not a number");
    mkfifo("pipe", 0600);
    CHECK_CONTAINS(refused("pipe"), "pipe: neither a file nor a folder");
    CHECK_INT(symlink("nowhere", "link"), 0);
    CHECK_CONTAINS(refused("link"), "link: No such file");
    struct source *source;
    CHECK_INT(open_args(NULL, 0, false, &source), -EINVAL);
    CHECK_CONTAINS(why.text, "no SOURCE");
}

TEST(a_million_made_up_images_take_no_memory)
{
    char *args[] = { "sim:1000000" };
    struct source *source;
    struct rec_item item;
    struct rusage before, after;
    CHECK_INT(open_args(args, 1, false, &source), 0);
    getrusage(RUSAGE_SELF, &before);
    int count = 0;
    while (source_next(source, &item, NULL) > 0)
        count++;
    getrusage(RUSAGE_SELF, &after);
    CHECK_INT(count, 1000000);
    CHECK(after.ru_maxrss - before.ru_maxrss < 8192); /* KiB; a million names would take 32 MiB, a sanitizer takes some itself */
    source_close(source);
}

TEST(relative_paths_without_a_current_directory_are_refused)
{
    test_write_file("file", "", 0);
    char file[8192], cwd[4096];
    CHECK(getcwd(cwd, sizeof(cwd)));
    snprintf(file, sizeof(file), "@%s/list", cwd);
    test_write_file("list", "/abs\nrel\n", 9);
    CHECK_INT(mkdir("gone", 0755), 0);
    CHECK_INT(chdir("gone"), 0);
    CHECK_INT(rmdir("../gone"), 0);
    char *args[] = { file };
    struct source *source;
    struct rec_item item;
    CHECK_INT(open_args(args, 1, false, &source), 0);
    CHECK_INT(source_next(source, &item, &why), 1);
    CHECK_STR(item.uri.data, "/abs");
    CHECK_INT(source_next(source, &item, &why), -ENOENT);
    CHECK_CONTAINS(why.text, "the current directory no longer exists");
    source_close(source);
}
