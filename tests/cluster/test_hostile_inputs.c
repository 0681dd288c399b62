/* Folders as people have them: every file gets exactly one row, and what is no photo says why. */
#include "tests/cluster/lib/cluster.h"
#include "tests/cluster/lib/photos.h"
#include "tests/cluster/lib/table.h"

#include "common/cleanup.h"
#include "tests/jpegs.h"

#include <sys/stat.h>
#include <unistd.h>

static const struct expected {
    const char *name, *kind, *detail;
} bad[] = {
    { "truncated.jpg", "decode", "" },
    { "a GIF.jpg", "unsupported", "GIF" },
    { "zero.jpg", "decode", "empty" },
    { "60000x60000.jpg", "too_large", "60000" },
    { "text.jpg", "unsupported", "HTML" },
    { "dangling.jpg", "not_found", "a symbolic link to nowhere.jpg, which is not there" },
};

static const char *const good[] = {
    "plain.jpg", "with space.jpg", "quotes\"'`$.jpg", "two\nlines.jpg", "comma,semicolon;.jpg", "t\xc3\xbcr.jpg", "not-utf8-\xff\xfe.jpg",
    "tab\there.jpg", "-dash.jpg", "percent%s%n.jpg", "back\\slash.jpg", "sub folder/=cmd.jpg", "no-ending",
};

static char *draw(size_t *ret_size)
{
    struct jpeg_recipe recipe = { .name = "victim", .width = 320, .height = 280, .h = 2, .v = 2 };
    return (char *)jpeg_draw(&recipe, ret_size);
}

/* SOF0: marker, length, precision, then height and width, big-endian. */
static void claim_size(char *data, size_t size, unsigned pixels)
{
    char *sof = memmem(data, size, "\xff\xc0\x00\x11\x08", 5);
    CHECK(sof);
    for (int i = 5; i < 9; i += 2) {
        sof[i] = (char)(pixels >> 8);
        sof[i + 1] = (char)pixels;
    }
}

static void make_bad_files(void)
{
    static const char gif[] = "GIF89a\1\0\1\0\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\1\0\1\0\0\2\2D\1\0;";
    size_t size;
    CLEANUP(freep) char *data = draw(&size);
    test_write_file("mixed/truncated.jpg", data, size / 2);
    test_write_file("mixed/a GIF.jpg", gif, sizeof(gif) - 1);
    test_write_file("mixed/zero.jpg", "", 0);
    claim_size(data, size, 60000);
    test_write_file("mixed/60000x60000.jpg", data, size);
    write_text("mixed/text.jpg", "<html><body>404 Not Found</body></html>\n");
    CHECK_INT(symlink("nowhere.jpg", "mixed/dangling.jpg"), 0);
    CHECK_INT(mkfifo("mixed/fifo.jpg", 0600), 0);
}

static void make_folder(void)
{
    char path[256];
    CHECK_INT(mkdir("mixed", 0777), 0);
    CHECK_INT(mkdir("mixed/sub folder", 0777), 0);
    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        snprintf(path, sizeof(path), "mixed/%s", good[i]);
        photo_draw(path, (int)i);
    }
    make_bad_files();
}

static void check_bad_rows(const struct table *table)
{
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        const json_t *row = table_find(table, bad[i].name);
        CHECK_STR(row_error_kind(row), bad[i].kind);
        CHECK_CONTAINS(row_error_detail(row), bad[i].detail);
        CHECK(strlen(row_error_detail(row)) > 10);
        CHECK_INT(json_array_size(json_object_get(row, "predictions")), 0);
    }
}

static void check_tables(const char *job)
{
    struct table table;
    char path[64];
    CLEANUP(freep) char *output = NULL;
    snprintf(path, sizeof(path), "%s/predictions.jsonl", job);
    table_read(&table, path);
    CHECK_INT(table.count, ARRAY_SIZE(good) + ARRAY_SIZE(bad));
    CHECK_INT(table_count(&table, ""), ARRAY_SIZE(good));
    check_bad_rows(&table);
    table_done(&table);
    int status = test_shell(&output, "/usr/bin/python3 %s/tests/golden/check_folder.py mixed %s", test_source(), job);
    if (status)
        test_fail(__FILE__, __LINE__, "%s", output);
}

TEST(every_file_of_a_messy_folder_has_one_typed_row_in_order)
{
    make_folder();
    CHECK_INT(COORDINATE("run", "run", "--local", "2", "--batch", "4", "--engine", "sim", "--format", "jsonl,csv", "--job", "job", "mixed"), 0);
    check_tables("job");
    check_contains("run.out", "without a prediction  6");
    check_contains("run.out", " (1 entry was neither file nor folder and was left out)\n");
    check_contains("run.err", "1 entry is neither file nor folder and passed over: ");
    check_contains("run.err", "fifo.jpg");
    CHECK_INT(COORDINATE("strict", "run", "--strict", "--engine", "sim", "--format", "jsonl,csv", "--job", "strict", "mixed"), 3);
    check_tables("strict");
}

TEST(strict_is_content_when_every_image_was_classified)
{
    photos_draw("photos", 3);
    CHECK_INT(COORDINATE("run", "run", "--strict", "--engine", "sim", "--job", "job", "photos"), 0);
}

TEST(a_fifo_named_in_a_list_is_a_row_and_holds_nobody_up)
{
    struct table table;
    CHECK_INT(mkfifo("pipe.jpg", 0600), 0);
    CHECK_INT(mkdir("folder.jpg", 0700), 0);
    photo_draw("photo.jpg", 1);
    write_text("list", "pipe.jpg\nphoto.jpg\nfolder.jpg\n/dev/null\n");
    CHECK_INT(COORDINATE("run", "run", "--engine", "sim", "--job", "job", "@list"), 0);
    table_read(&table, "job/predictions.jsonl");
    CHECK_INT(table.count, 4);
    CHECK_STR(row_error_kind(table_find(&table, "/pipe.jpg")), "unsupported");
    CHECK_STR(row_error_kind(table_find(&table, "/photo.jpg")), "");
    CHECK_STR(row_error_kind(table_find(&table, "/folder.jpg")), "unsupported");
    CHECK_STR(row_error_kind(table_find(&table, "/dev/null")), "unsupported");
    table_done(&table);
}

TEST(a_file_that_the_worker_may_not_read_is_denied)
{
    CLEANUP(freep) char *output = NULL;
    struct table table;
    photos_draw("photos", 2);
    CHECK_INT(chmod("photos/a/000.jpg", 0), 0);
    CHECK_INT(test_shell(NULL, "chmod 777 . && chmod -R a+X photos && chmod a+r photos/b/*"), 0);
    const char *as = geteuid() ? "" : "setpriv --reuid=65534 --regid=65534 --clear-groups";
    if (test_shell(NULL, "%s test -x %s/sleddog-worker 2>&1", as, test_build()))
        test_skip("the programs cannot be run by another user here");
    int status = test_shell(&output, "%s %s/sleddog-coordinator run --engine sim --job job photos", as, test_build());
    if (status)
        test_fail(__FILE__, __LINE__, "%s", output);
    table_read(&table, "job/predictions.jsonl");
    CHECK_INT(table.count, 2);
    CHECK_STR(row_error_kind(table_find(&table, "000.jpg")), "denied");
    CHECK_STR(row_error_kind(table_find(&table, "001.jpg")), "");
    table_done(&table);
}

/* ---- sources that hold nothing ---- */

static void expect_refusal(const char *source, int status, const char *part)
{
    CHECK_INT(COORDINATE("refused", "run", "--engine", "sim", "--job", "refused-job", source), status);
    check_contains("refused.err", part);
}

TEST(a_source_that_cannot_be_is_named_before_anything_is_made)
{
    expect_refusal("missing-folder", 1, "missing-folder: No such file");
    expect_refusal("missing/*.jpg", 1, "/missing/: there is no such folder");
    expect_refusal("@missing-list", 1, "@missing-list: the list cannot be read: No such file");
    expect_refusal("ftp://host/photos/", 2, "ftp://host/photos/: ftp:// is not read");
    expect_refusal("", 2, "empty SOURCE");
    expect_refusal("sim:many", 2, "sim:many");
    CHECK(access("refused-job", F_OK) < 0);
}

TEST(a_source_without_images_ends_with_a_sentence_and_status_1)
{
    CHECK_INT(mkdir("empty", 0777), 0);
    CHECK_INT(COORDINATE("folder", "run", "--engine", "sim", "--job", "job1", "empty"), 1);
    check_contains("folder.err", "empty");
    CHECK_INT(COORDINATE("glob", "run", "--engine", "sim", "--job", "job2", "empty/*.jpg"), 1);
    check_contains("glob.err", "empty/*.jpg");
    write_text("list", "\n\n");
    CHECK_INT(COORDINATE("list", "run", "--engine", "sim", "--job", "job3", "@list"), 1);
    check_contains("list.err", "no images");
}
