#include "coordinator/export/export.h"
#include "coordinator/export/image_path.h"

#include "common/cleanup.h"
#include "common/utf8.h"
#include "tests/test.h"

#include <sys/stat.h>
#include <unistd.h>

static struct why why;
static struct labels *labels;

static const char *path_of(struct image_paths *paths, const char *key, uint64_t row)
{
    static struct bytes out;
    static char text[8192];
    bytes_init(&out, 1 << 16);
    CHECK_INT(image_path(paths, (struct span){ key, (uint32_t)strlen(key) }, row, &out), 0);
    snprintf(text, sizeof(text), "%s", out.data);
    bytes_done(&out);
    return text;
}

TEST(a_plain_key_is_its_own_path)
{
    struct image_paths paths;
    CHECK_INT(image_paths_init(&paths), 0);
    CHECK_STR(path_of(&paths, "n02085620-Chihuahua/1.jpg", 1), "n02085620-Chihuahua/1.jpg.json");
    CHECK_STR(path_of(&paths, "..a/b..", 2), "..a/b...json");
    CHECK_STR(path_of(&paths, "\xff new\nline", 3), "\xff new\nline.json");
    image_paths_done(&paths);
}

TEST(no_key_leads_out_of_the_folder)
{
    struct image_paths paths;
    CHECK_INT(image_paths_init(&paths), 0);
    CHECK_STR(path_of(&paths, "../../etc/passwd", 1), "_../_../etc/passwd.json");
    CHECK_STR(path_of(&paths, "/etc/passwd", 2), "_/etc/passwd.json");
    CHECK_STR(path_of(&paths, "a//./..", 3), "a/_/_./_...json");
    CHECK_STR(path_of(&paths, "a/", 4), "a/_.json");
    CHECK_STR(path_of(&paths, "", 5), "_.json");
    image_paths_done(&paths);
}

TEST(a_path_given_away_gets_the_number_of_its_row)
{
    struct image_paths paths;
    CHECK_INT(image_paths_init(&paths), 0);
    CHECK_STR(path_of(&paths, "a.jpg", 1), "a.jpg.json");
    CHECK_STR(path_of(&paths, "a.jpg", 2), "a.jpg~2.json");
    CHECK_STR(path_of(&paths, "a.jpg~4", 3), "a.jpg~4.json");
    CHECK_STR(path_of(&paths, "a.jpg", 4), "a.jpg~4~4.json");
    CHECK_STR(path_of(&paths, "summary", 5), "summary~5.json");
    CHECK_STR(path_of(&paths, "a.jpg.json/b", 6), "a.jpg.json_/b.json");
    image_paths_done(&paths);
}

TEST(a_hundred_thousand_keys_are_told_apart)
{
    struct image_paths paths;
    CHECK_INT(image_paths_init(&paths), 0);
    char key[32], expected[64];
    for (int round = 0; round < 2; round++)
        for (uint64_t i = 0; i < 100000; i++) {
            snprintf(key, sizeof(key), "k%d", (int)i);
            snprintf(expected, sizeof(expected), round ? "%s~%d.json" : "%s.json", key, (int)i + 200000);
            CHECK_STR(path_of(&paths, key, i + 200000), expected);
        }
    image_paths_done(&paths);
}

TEST(a_name_too_long_for_a_file_is_cut_and_stays_its_own)
{
    struct image_paths paths;
    CHECK_INT(image_paths_init(&paths), 0);
    char a[300], first[300];
    memset(a, 'x', 299);
    a[299] = '\0';
    snprintf(first, sizeof(first), "%s", path_of(&paths, a, 1));
    CHECK_INT(strlen(first), 180 + 17 + 5);
    a[298] = 'y';
    CHECK(strcmp(first, path_of(&paths, a, 2)));
    for (int i = 0; i < 3; i++) { /* never in the middle of a character */
        memset(a, 'x', 177 + i);
        memcpy(a + 177 + i, "\xe2\x82\xac", 3);
        CHECK(utf8_valid(path_of(&paths, a, 2), strlen(path_of(&paths, a, 2))));
    }
    char deep[4001];
    memset(deep, '/', 4000);
    deep[4000] = '\0';
    CHECK_INT(strlen(path_of(&paths, deep, 3)), 6 + 16 + 5);
    CHECK(!strncmp(path_of(&paths, deep, 4), "_long/", 6));
    image_paths_done(&paths);
}

static struct exporters *opened(uint64_t rows)
{
    CHECK_INT(labels_open(NULL, &labels, NULL), 0);
    struct export_options options = { .directory = "out", .formats = EXPORT_PER_IMAGE | EXPORT_JSONL, .labels = labels,
                                      .rows = rows };
    struct exporters *exporters;
    if (exporters_open(&options, &exporters, &why) < 0)
        test_fail(__FILE__, __LINE__, "%s", why.text);
    return exporters;
}

static int put(struct exporters *exporters, const char *uri, uint32_t base)
{
    struct rec_prediction prediction = { 5, 0.5f };
    struct rec_item item = { .uri = { uri, (uint32_t)strlen(uri) }, .base = base };
    struct rec_row row = { .predictions = &prediction, .predictions_count = 1 };
    struct export_row out = { &item, &row, { NULL, 0 }, MATCH_NONE };
    return exporters_row(exporters, &out, &why);
}

TEST(every_image_has_a_file_with_its_line)
{
    static const char *const uris[] = { "/d/a/1.jpg", "/d/a/2.jpg", "/d/a/b/1.jpg", "/d/c", "/e/a/1.jpg", "/d/../x",
                                        "/d/a/1.jpg.json/z" };
    static const char *const files[] = { "a/1.jpg.json", "a/2.jpg.json", "a/b/1.jpg.json", "c.json", "a/1.jpg~5.json",
                                         "_../x.json", "a/1.jpg.json_/z.json" };
    struct exporters *exporters = opened(7);
    for (int i = 0; i < 7; i++)
        CHECK_INT(put(exporters, uris[i], 3), 0);
    CHECK_INT(exporters_close(exporters, &why), 0);
    char *all = test_read_file("out/predictions.jsonl", NULL), *line = all;
    for (int i = 0; i < 7; i++) {
        char path[256];
        snprintf(path, sizeof(path), "out/%s", files[i]);
        char *text = test_read_file(path, NULL);
        CHECK_CONTAINS(text, uris[i]);
        CHECK(!strncmp(line, text, strlen(text)) && text[strlen(text) - 1] == '\n');
        line += strlen(text);
        free(text);
    }
    CHECK_STR(line, "");
    free(all);
    CHECK_INT(test_shell(NULL, "test $(find out -type f | wc -l) = 8"), 0);
    labels_close(labels);
}

TEST(writing_again_replaces_what_is_there)
{
    for (int i = 0; i < 2; i++) {
        struct exporters *exporters = opened(1);
        CHECK_INT(put(exporters, "/d/a/1.jpg", 3), 0);
        CHECK_INT(exporters_close(exporters, &why), 0);
        labels_close(labels);
    }
    CHECK_INT(test_shell(NULL, "test $(find out -type f | wc -l) = 2"), 0);
}

TEST(a_link_in_the_output_folder_is_not_followed)
{
    CHECK_INT(test_shell(NULL, "mkdir -p out elsewhere && ln -s ../elsewhere out/a && ln -s ../elsewhere/f out/f.json"), 0);
    struct exporters *exporters = opened(2);
    CHECK_INT(put(exporters, "/d/f", 3), 0);
    CHECK(put(exporters, "/d/a/1.jpg", 3) < 0);
    CHECK_CONTAINS(why.text, "out/a/1.jpg.json: cannot be written");
    CHECK_CONTAINS(why.text, "in the way");
    exporters_abort(exporters);
    CHECK_INT(test_shell(NULL, "test -z \"$(ls elsewhere)\" && test -f out/f.json && ! test -L out/f.json"), 0);
    labels_close(labels);
}

TEST(a_link_in_place_of_an_unfinished_file_is_not_followed)
{
    CHECK_INT(test_shell(NULL, "mkdir -p out && ln -s ../elsewhere out/.sleddog.part"), 0);
    struct exporters *exporters = opened(1);
    CHECK_INT(put(exporters, "/d/f", 3), -ELOOP);
    CHECK_CONTAINS(why.text, "out/f.json: cannot be written");
    exporters_abort(exporters);
    CHECK(access("elsewhere", F_OK) < 0);
    labels_close(labels);
}

TEST(a_folder_where_the_file_must_be_is_one_sentence)
{
    CHECK_INT(test_shell(NULL, "mkdir -p out/f.json"), 0);
    struct exporters *exporters = opened(1);
    CHECK_INT(put(exporters, "/d/f", 3), -EISDIR);
    CHECK_CONTAINS(why.text, "out/f.json: cannot be written: Is a directory");
    exporters_abort(exporters);
    CHECK_INT(test_shell(NULL, "test -z \"$(find out -type f)\""), 0);
    labels_close(labels);
}
