#include "coordinator/source/source.h"

#include "common/bytes.h"
#include "common/cleanup.h"
#include "tests/test.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static void touch(const char *path)
{
    char folder[4096];
    for (const char *slash = path; (slash = strchr(slash, '/')); slash++) {
        snprintf(folder, sizeof(folder), "%.*s", (int)(slash - path), path);
        if (*folder)
            mkdir(folder, 0755);
    }
    test_write_file(path, "", 0);
}

static struct filter filter; /* of what opened() opens */

static struct source *opened(char *arg)
{
    struct source *source = NULL;
    struct why why = { "" };
    char *args[] = { arg };
    if (source_open(args, 1, &(struct source_options){ .filter = filter }, &source, &why) < 0)
        test_fail(__FILE__, __LINE__, "%s", why.text);
    return source;
}

/* The keys of all items below their bases, each with a '|' behind it; or the sentence. */
static const char *listed(char *arg)
{
    static struct bytes outs[2]; /* of this call and the one before */
    static int turn;
    struct bytes *out = &outs[turn++ % 2];
    static struct why why;
    struct source *source = opened(arg);
    struct rec_item item;
    bytes_done(out);
    bytes_init(out, 1 << 20);
    int r;
    while ((r = source_next(source, &item, &why)) > 0) {
        CHECK(item.uri.data[0] == '/' && item.uri.data[item.uri.size] == '\0');
        CHECK(item.base <= item.uri.size && item.uri.data[item.base - 1] == '/');
        CHECK_INT(access(item.uri.data, F_OK), 0);
        bytes_append(out, item.uri.data + item.base, item.uri.size - item.base);
        bytes_append_char(out, '|');
    }
    source_close(source);
    return r < 0 ? why.text : out->size ? out->data : "";
}

TEST(a_folder_is_read_in_bytewise_order_of_the_full_path)
{
    touch("d/a/x");
    touch("d/a.jpg");
    touch("d/a-b/x");
    touch("d/a0");
    touch("d/B");
    touch("d/.hidden");
    touch("d/\xc3\xa9t\xc3\xa9");
    CHECK_STR(listed("d"), ".hidden|B|a-b/x|a.jpg|a/x|a0|\xc3\xa9t\xc3\xa9|");
    CHECK_STR(listed("./d//."), listed("d/"));
}

TEST(any_name_a_file_can_have_is_an_entry)
{
    touch("d/two words");
    touch("d/\"quoted'");
    touch("d/new\nline");
    touch("d/\xff\xfe");
    touch("d/back\\slash");
    CHECK_STR(listed("d"), "\"quoted'|back\\slash|new\nline|two words|\xff\xfe|");
}

TEST(a_folder_s_items_are_relative_to_it_and_absolute_as_a_whole)
{
    touch("d/sub/x.jpg");
    char cwd[4096], expected[8192];
    CHECK(getcwd(cwd, sizeof(cwd)));
    snprintf(expected, sizeof(expected), "%s/d/../d/sub/x.jpg", cwd);
    struct source *source = opened("d/../d");
    struct rec_item item;
    CHECK_INT(source_next(source, &item, NULL), 1);
    CHECK_STR(item.uri.data, expected);
    CHECK_STR(item.uri.data + item.base, "sub/x.jpg");
    CHECK_INT(source_next(source, &item, NULL), 0);
    source_close(source);
}

TEST(links_are_followed_and_a_broken_one_is_an_entry)
{
    touch("real/x");
    touch("d/a");
    CHECK_INT(symlink("../real", "d/folder"), 0);
    CHECK_INT(symlink("a", "d/file"), 0);
    CHECK_INT(symlink("nowhere", "d/broken"), 0);
    struct source *source = opened("d");
    struct rec_item item;
    const char *expected[] = { "a", "broken", "file", "folder/x" };
    for (int i = 0; i < 4; i++) {
        CHECK_INT(source_next(source, &item, NULL), 1);
        CHECK_STR(item.uri.data + item.base, expected[i]);
    }
    CHECK_INT(source_next(source, &item, NULL), 0);
    source_close(source);
}

TEST(a_link_that_leads_back_is_refused_by_name)
{
    touch("d/sub/x");
    CHECK_INT(symlink("..", "d/sub/up"), 0);
    CHECK_CONTAINS(listed("d"), "d/sub/up/: this link leads back to /");
    CHECK_CONTAINS(listed("d/**/x"), "leads back");
}

TEST(what_is_neither_file_nor_folder_is_counted)
{
    touch("d/a");
    CHECK_INT(mkfifo("d/pipe", 0600), 0);
    CHECK_INT(mkfifo("d/pipe2", 0600), 0);
    struct source *source = opened("d");
    struct rec_item item;
    const char *first = "";
    CHECK_INT(source_skipped(source, &first), 0);
    CHECK(!first);
    CHECK_INT(source_next(source, &item, NULL), 1);
    CHECK_INT(source_next(source, &item, NULL), 0);
    CHECK_INT(source_skipped(source, &first), 2);
    CHECK_CONTAINS(first, "/d/pipe");
    source_close(source);
}

TEST(an_empty_folder_has_no_items)
{
    mkdir("d", 0755);
    mkdir("d/e", 0755);
    CHECK_STR(listed("d"), "");
}

TEST(a_folder_that_cannot_be_read_is_named)
{
    touch("d/a");
    touch("d/secret/x");
    CHECK_INT(chmod(".", 0755), 0);
    CHECK_INT(chmod("d/secret", 0), 0);
    CHECK(geteuid() != 0 || seteuid(65534) == 0); /* root may read everything */
    CHECK_CONTAINS(listed("d"), "d/secret/: this folder cannot be read: Permission denied");
    char *args[] = { "d/secret" };
    struct source *source;
    struct why why;
    CHECK_INT(source_open(args, 1, &(struct source_options){ .null_separated = false }, &source, &why), -EACCES);
    CHECK_CONTAINS(why.text, "d/secret");
    CHECK(seteuid(getuid()) == 0);
}

TEST(a_path_too_long_for_the_system_is_an_error)
{
    char name[201];
    memset(name, 'n', 200);
    name[200] = '\0';
    mkdir("d", 0755);
    CHECK_INT(chdir("d"), 0);
    for (int i = 0; i < 21; i++) {
        CHECK_INT(mkdir(name, 0755), 0);
        CHECK_INT(chdir(name), 0);
    }
    for (int i = 0; i < 22; i++)
        CHECK_INT(chdir(".."), 0);
    CHECK_CONTAINS(listed("d"), "the path is longer than 4095 bytes");
    test_shell(NULL, "rm -rf d");
}

/* SUBS folders of FILES files each with names of 200 bytes: 8 MB of names in all, 0.4 MB (and their order) at a time. */
TEST(only_the_names_of_a_folder_being_read_are_in_memory)
{
    enum { SUBS = 20, FILES = 2000, LIMIT_KIB = 3072 };
    char path[512];
    mkdir("d", 0755);
    for (int sub = 0; sub < SUBS; sub++) {
        snprintf(path, sizeof(path), "d/%02d", sub);
        mkdir(path, 0755);
        for (int i = 0; i < FILES; i++) {
            snprintf(path, sizeof(path), "d/%02d/%0200d", sub, i * 7919 % FILES);
            int fd = creat(path, 0600);
            CHECK(fd >= 0);
            close(fd);
        }
    }
    struct rusage before, after;
    getrusage(RUSAGE_SELF, &before);
    struct source *source = opened("d");
    struct rec_item item;
    int count = 0;
    char last[4096] = "";
    for (; source_next(source, &item, NULL) > 0; count++) {
        CHECK(strcmp(last, item.uri.data) < 0);
        snprintf(last, sizeof(last), "%s", item.uri.data);
    }
    source_close(source);
    getrusage(RUSAGE_SELF, &after);
    CHECK_INT(count, SUBS * FILES);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) /* which keep freed memory for a while */
    CHECK(after.ru_maxrss - before.ru_maxrss < LIMIT_KIB);
#endif
}

/* As those whom a folder is none of their business would. */
static void become_somebody(void)
{
    CHECK(geteuid() != 0 || seteuid(65534) == 0);
}

TEST(a_folder_that_is_excluded_as_a_whole_is_not_even_read)
{
    char *exclude[] = { "secret/*", "*/loop/*", "text\\*" };
    touch("d/a");
    touch("d/b/c");
    touch("d/secret/x");
    touch("d/text*/y");
    CHECK_INT(symlink("..", "d/b/loop"), 0);
    CHECK_INT(chmod(".", 0755), 0);
    CHECK_INT(chmod("d/secret", 0), 0);
    become_somebody();
    CHECK_CONTAINS(listed("d"), "begin a new job that leaves it out, with --exclude");
    filter = (struct filter){ .exclude = exclude, .exclude_count = 3 };
    CHECK_STR(listed("d"), "a|b/c|text*/y|");
    CHECK(seteuid(getuid()) == 0);
}

/* What a shell makes of the pattern that a sentence proposes. */
static char *proposed(const char *sentence)
{
    CLEANUP(freep) char *line = NULL;
    char *pattern = NULL;
    const char *at = strstr(sentence, " --exclude "), *end = at ? strstr(at, ", or with ") : NULL;
    CHECK(end);
    CHECK(asprintf(&line, "printf %%s %.*s >pattern", (int)(end - at) - 11, at + 11) > 0);
    CHECK_INT(system(line), 0); /* NOLINT: that a shell takes it is what is tested */
    CHECK_INT(test_shell(&pattern, "cat pattern"), 0);
    return pattern;
}

TEST(the_pattern_proposed_for_a_folder_that_loops_or_cannot_be_read_leaves_out_just_that)
{
    char *exclude[2];
    touch("d/a");
    touch("d/it's [1]*/b/x");
    touch("d/it's 1/y");
    CHECK_INT(symlink("..", "d/it's [1]*/loop"), 0);
    exclude[0] = proposed(listed("d"));
    CHECK_STR(exclude[0], "it's \\[1]\\*/loop/*");
    filter = (struct filter){ .exclude = exclude, .exclude_count = 1 };
    CHECK_INT(chmod(".", 0755), 0);
    CHECK_INT(chmod("d/it's [1]*/b", 0), 0);
    become_somebody();
    const char *sentence = listed("d");
    CHECK(seteuid(getuid()) == 0);
    exclude[1] = proposed(sentence);
    become_somebody();
    filter.exclude_count = 2;
    CHECK_STR(listed("d"), "a|it's 1/y|");
    CHECK(seteuid(getuid()) == 0);
    free(exclude[0]);
    free(exclude[1]);
}

TEST(a_source_that_cannot_be_read_itself_has_no_pattern_proposed)
{
    struct source *source = NULL;
    struct why why = { "" };
    char *args[] = { (char *)"d" };
    touch("d/a");
    CHECK_INT(chmod(".", 0755), 0);
    CHECK_INT(chmod("d", 0), 0);
    become_somebody();
    CHECK_INT(source_open(args, 1, &(struct source_options){ .filter = filter }, &source, &why), -EACCES);
    CHECK(seteuid(getuid()) == 0);
    CHECK_CONTAINS(why.text, "d/: this folder cannot be read: Permission denied; allow it, or begin a job with the images in a list, @FILE");
}

TEST(a_pattern_that_does_not_end_in_an_asterisk_excludes_files_only)
{
    char *exclude[] = { "b/", "c", "*.jpg" };
    touch("d/b/x");
    touch("d/c/x");
    touch("d/e.jpg/x");
    filter = (struct filter){ .exclude = exclude, .exclude_count = 3 };
    CHECK_STR(listed("d"), "b/x|c/x|e.jpg/x|");
}

TEST(what_jobs_wrote_into_a_folder_of_photos_is_left_out_and_photos_are_not)
{
    static const char *const files[] = { "job.db", "job.db-wal", "job.lock", "private.db", "predictions.jsonl", "predictions.csv", "summary.json",
                                         "worker-1.log", "report.html", "sub/a.json" };
    char path[64];
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        snprintf(path, sizeof(path), "d/sleddog-job-1/%s", files[i]);
        touch(path);
    }
    touch("d/a.jpg");
    touch("d/b.json");
    touch("d/sleddog-job-1/photo.jpg");
    touch("d/sleddog-job-1/sub/photo.png");
    CHECK_STR(listed("d"), "a.jpg|b.json|sleddog-job-1/photo.jpg|sleddog-job-1/sub/photo.png|");
    touch("d/job.db");
    touch("d/job.lock");
    CHECK_STR(listed("d"), "a.jpg|sleddog-job-1/photo.jpg|sleddog-job-1/sub/photo.png|");
}

/* Names that folders still give; then the disk fails. -1: all. */
static int names_left = -1;

__attribute__((visibility("default"))) struct dirent *readdir(DIR *folder)
{
    struct dirent *(*real)(DIR *);
    *(void **)&real = dlsym(RTLD_NEXT, "readdir");
    if (!names_left)
        errno = EIO;
    return names_left && names_left-- ? real(folder) : NULL;
}

TEST(a_folder_that_breaks_off_is_an_error_and_no_shorter_list)
{
    for (int i = 0; i < 10; i++) {
        char path[16];
        snprintf(path, sizeof(path), "d/%d.jpg", i);
        touch(path);
    }
    names_left = 6;
    const char *said = listed((char *)"d");
    names_left = -1;
    CHECK_CONTAINS(said, "/d/: this folder cannot be read: Input/output error");
}
