/* Files that were made to break decoders, through a real worker with a limit: one row each, and the limits hold. */
#include "tests/cluster/lib/cluster.h"
#include "tests/cluster/lib/table.h"

#include "common/cleanup.h"
#include "tests/hostile.h"
#include "tests/jpegs.h"

#include <sys/stat.h>

#define LIMIT_MIB   256
#define LIMIT_TEXT "256M"

static void start(struct daemon *daemon)
{
    WORKER(daemon, "worker", "--engine", "sim", "--threads", "16", "--memory-limit", is_sanitized() ? "2G" : LIMIT_TEXT,
           "--image-cpu-limit", "1");
    write_nodes("nodes", (const struct daemon *const[]){ daemon }, 1);
}

/* No slack: the quarter that the budgets leave alone must suffice for everything else. */
static void check_limits(struct daemon *daemon)
{
    daemon_stop(daemon);
    printf("peak %ld MiB, %.1f s of processor time\n", daemon->process.peak_kib >> 10, daemon->process.cpu_s);
    if (!is_sanitized())
        CHECK(daemon->process.peak_kib >> 10 <= LIMIT_MIB);
}

static void check_kind(const char *kind)
{
    static const char *const kinds[] = { "decode", "unsupported", "too_large", "timeout" };
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        if (!strcmp(kind, kinds[i]))
            return;
    test_fail(__FILE__, __LINE__, "an error of kind %s", kind);
}

/* How many failed. */
static int check_rows(const struct table *table)
{
    int failed = 0;
    for (size_t i = 0; i < table->count; i++) {
        if (!*row_error_kind(table->rows[i]))
            continue;
        check_kind(row_error_kind(table->rows[i]));
        CHECK(strlen(row_error_detail(table->rows[i])) > 10);
        failed++;
    }
    return failed;
}

static void check_one(const struct table *table, const char *ending, const char *kind)
{
    int found = 0;
    for (size_t i = 0; i < table->count; i++) {
        const char *uri = row_uri(table->rows[i]), *got = row_error_kind(table->rows[i]);
        if (!strstr(uri, ending))
            continue;
        found++;
        if (strcmp(got, kind))
            test_fail(__FILE__, __LINE__, "%s: \"%s\" (%s), expected \"%s\"", uri, got, *got ? row_error_detail(table->rows[i]) : "", kind);
    }
    CHECK(found > 0);
}

TEST(three_hundred_hostile_files_have_one_row_each_and_the_limits_hold)
{
    struct daemon daemon;
    struct table table;
    CHECK_INT(mkdir("hostile", 0777), 0);
    int count = hostile_jpegs("hostile", 0);
    count += hostile_pngs("hostile", count);
    count += hostile_webps("hostile", count);
    CHECK(count >= 300);
    start(&daemon);
    CHECK_INT(COORDINATE("run", "run", "--nodes", "nodes", "--job", "job", "--exif-orient", "hostile"), 0);
    check_limits(&daemon);
    table_read(&table, "job/predictions.jsonl");
    CHECK_INT(table.count, count);
    int failed = check_rows(&table);
    CHECK(failed > count / 2 && failed < count);
    check_one(&table, "60000x60000.jpg", "too_large");
    check_one(&table, "5000-scans.jpg", "decode");
    check_one(&table, "sound.", "");
    check_one(&table, "exif.jpg", "");
    check_one(&table, "huge.png", "too_large");
    check_one(&table, "tables.webp", "too_large");
    if (!is_sanitized()) { /* whose memory leaves less of the limit, and which is slow */
        check_one(&table, "bomb.png", "");
        check_one(&table, "slow-scans.jpg", "timeout");
        check_one(&table, "bomb-interlaced.png", "too_large");
        check_one(&table, "large.webp", "too_large");
        check_one(&table, "flat.webp", "too_large");
        CHECK(daemon.process.cpu_s < 60);
    }
    table_done(&table);
}

/* Each would fit, 24 of them at once would not: they wait for each other. */
TEST(pictures_that_fit_one_by_one_are_all_decoded)
{
    struct jpeg_recipe recipe = { .name = "large", .width = 2600, .height = 2600, .progressive = true };
    if (is_sanitized())
        test_skip("a sanitizer's own memory leaves too little of the limit");
    struct daemon daemon;
    struct table table;
    size_t size;
    CLEANUP(freep) uint8_t *file = jpeg_draw(&recipe, &size);
    CHECK_INT(mkdir("large", 0777), 0);
    for (int i = 0; i < 24; i++) {
        char path[64];
        snprintf(path, sizeof(path), "large/%02d.jpg", i);
        test_write_file(path, file, size);
    }
    start(&daemon);
    CHECK_INT(COORDINATE("run", "run", "--nodes", "nodes", "--job", "job", "large"), 0);
    check_limits(&daemon);
    table_read(&table, "job/predictions.jsonl");
    CHECK_INT(table.count, 24);
    CHECK_INT(check_rows(&table), 0);
    table_done(&table);
}
