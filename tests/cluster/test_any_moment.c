/* A coordinator is killed, or its disk fails, in the place of any of its changes to files: making the job, listing, storing, writing tables. What
 * follows is always the same: `resume` (or `run`, if there was no job yet), and the files of an undisturbed run.
 *
 * The changes are counted and hit by tests/preload/fault.c, so a moment is a number, not a time. SLEDDOG_MOMENTS=N tries N of them instead of a few;
 * SLEDDOG_SEED chooses others. */
#include "tests/cluster/lib/cluster.h"
#include "tests/cluster/lib/moments.h"
#include "tests/cluster/lib/photos.h"

#include "common/cleanup.h"

#include <sys/stat.h>
#include <unistd.h>

#define RUN ARGV("run", "--engine", "sim", "--batch", "4", "--per-image", "--format", "jsonl,csv", "--output", "out", "--job", "job", "sim:30")
#define RESUME ARGV("resume", "--engine", "sim", "job")

/* The files of an undisturbed run in "expected", and how many changes it took. */
static long make_expected(void)
{
    CHECK_INT(mkdir("faults", 0777), 0);
    CHECK_INT(coordinate_with("count faults/count", RUN), 0);
    CLEANUP(freep) char *count = read_text("faults/count");
    CHECK_INT(test_shell(NULL, "mv out expected && rm -r job"), 0);
    long changes = atol(count);
    CHECK(changes > 150);
    return changes;
}

static void expect_same_files(const char *moment)
{
    CLEANUP(freep) char *difference = NULL;
    if (test_shell(&difference, "diff -r expected out && test -s job/summary.json"))
        test_fail(__FILE__, __LINE__, "%s: %s", moment, difference);
    CHECK_INT(COORDINATE("status", "status", "job"), 0);
    check_contains("status.out", "state     complete\n");
    CHECK_INT(test_shell(NULL, "rm -r out job"), 0);
}

/* Resumes the job, or begins it again with `run` if it was not one yet. */
static void go_on(const char *const *run, const char *moment, const char *fault)
{
    bool begun = access("job/job.db", F_OK) == 0;
    int status = coordinate_with(fault, begun ? RESUME : run);
    if (status != 0 && !(*fault && status == 128 + 9))
        test_fail(__FILE__, __LINE__, "%s: %s ended with %d", moment, begun ? "resume" : "run", status);
}

TEST_WITHIN(600, a_coordinator_may_be_killed_at_any_change_of_a_file)
{
    long changes = make_expected(), count = moments(24);
    for (long i = 0; i < count; i++) {
        char moment[64], again[64];
        long at = moments_at(i, count, changes);
        /* A busy machine commits more at once: where a run ends before its moment has come, an earlier one is tried. */
        for (bool hit = false; !hit; at -= at / 10 + 1) {
            CHECK(at > 0);
            CHECK_INT(test_shell(NULL, "rm -rf out job"), 0);
            snprintf(moment, sizeof(moment), "kill %ld", at);
            hit = coordinate_with(moment, RUN) == 128 + 9;
        }
        snprintf(again, sizeof(again), "kill %ld", 1 + moments_below(changes));
        go_on(RUN, again, again);
        go_on(RUN, moment, "");
        expect_same_files(moment);
    }
    fprintf(stderr, "%ld runs killed at one of %ld changes, each resumed to the same files\n", count, changes);
}

/* ---- while it lists ---- */

#define LISTING ARGV("run", "--engine", "sim", "--batch", "2", "--job", "job", "folder", "@list", "sim:20000", "folder/3*")

static long make_listing(void)
{
    CHECK_INT(test_shell(NULL, "mkdir folder && cd folder && seq 1000 3999 | xargs touch && mkdir 2500d && touch 2500d/a && cd .. && "
                               "ls folder | sed 's|^|folder/|' | sort -R --random-source=/dev/zero >list"), 0);
    CHECK_INT(coordinate_with("count count", LISTING), 0);
    CLEANUP(freep) char *count = read_text("count");
    CHECK_INT(test_shell(NULL, "mv job expected"), 0);
    return atol(count);
}

static bool was_listing(void)
{
    if (access("job/job.db", F_OK) < 0)
        return false;
    CHECK_INT(COORDINATE("status", "status", "job"), 0);
    CLEANUP(freep) char *status = read_text("status.out");
    return strstr(status, ", listing is not finished") && !strstr(status, "listed    0 images");
}

/* Where listing ends among the changes is found on the way: a kill behind it makes the next ones come earlier. */
TEST_WITHIN(600, a_coordinator_may_be_killed_while_it_lists)
{
    long end = make_listing() / 2, count = moments(4), listing = 0;
    for (long i = 0; i < count || (listing < 3 && i < 4 * count); i++) {
        char moment[64], again[64];
        long at = 20 + moments_below(end);
        snprintf(moment, sizeof(moment), "kill %ld", at);
        snprintf(again, sizeof(again), "kill %ld", 5 + moments_below(end));
        CHECK_INT(coordinate_with(moment, LISTING), 128 + 9);
        if (was_listing())
            listing++;
        else
            end = at > 60 ? at / 2 : 30;
        go_on(LISTING, again, again);
        listing += was_listing();
        go_on(LISTING, moment, "");
        check_same_file("job/predictions.jsonl", "expected/predictions.jsonl");
        CHECK_INT(test_shell(NULL, "rm -r job"), 0);
    }
    fprintf(stderr, "%ld kills came while it listed\n", listing);
    CHECK(listing > 0);
}

/* ---- while it retries ---- */

#define RETRY ARGV("retry", "--engine", "sim", "job")

/* A complete job of which ten images were missing, in "before"; and the table of one for which they were there. */
static long make_retry(void)
{
    photo_draw("photo.jpg", 1);
    CHECK_INT(test_shell(NULL, "mkdir photos && for i in $(seq 100 129); do echo photos/$i.jpg; done >list && "
                               "for i in $(seq 100 129); do [ $((i %% 3)) = 0 ] || cp photo.jpg photos/$i.jpg; done"), 0);
    CHECK_INT(COORDINATE("before", "run", "--engine", "sim", "--batch", "4", "--format", "jsonl,csv", "--job", "before", "@list"), 0);
    CHECK_INT(test_shell(NULL, "for i in $(seq 102 3 129); do cp photo.jpg photos/$i.jpg; done && cp -r before job"), 0);
    CHECK_INT(COORDINATE("expected", "run", "--engine", "sim", "--format", "jsonl,csv", "--job", "expected", "@list"), 0);
    CHECK_INT(coordinate_with("count count", RETRY), 0);
    check_same_file("job/predictions.jsonl", "expected/predictions.jsonl");
    CLEANUP(freep) char *count = read_text("count");
    return atol(count);
}

TEST_WITHIN(600, a_retry_may_be_killed_at_any_change_of_a_file)
{
    long changes = make_retry(), count = moments(12);
    for (long i = 0; i < count; i++) {
        char moment[64];
        snprintf(moment, sizeof(moment), "kill %ld", 1 + i * changes / count + moments_below(changes / count));
        CHECK_INT(test_shell(NULL, "rm -r job && cp -r before job"), 0);
        int status = coordinate_with(moment, RETRY);
        CHECK(status == 128 + 9 || status == 0);
        /* Every image has a row; the table of before, or the new one, is there. */
        CHECK_INT(COORDINATE("between", "export", "job", "-o", "between"), 0);
        CHECK_INT(test_shell(NULL, "cmp -s job/predictions.jsonl before/predictions.jsonl || cmp job/predictions.jsonl expected/predictions.jsonl"), 0);
        go_on(NULL, moment, "");
        CHECK_INT(coordinate_with("", RETRY), 0); /* killed before it was begun, it is begun now */
        check_same_file("job/predictions.jsonl", "expected/predictions.jsonl");
        check_same_file("job/predictions.csv", "expected/predictions.csv");
    }
}

/* ---- a disk that fails ---- */

/* From a moment on the disk takes nothing; then there is room again. */
static void fill_disk_at(long at, int error, const char *said)
{
    char fault[64];
    snprintf(fault, sizeof(fault), "%d %ld", error, at);
    int status = coordinate_with(fault, RUN);
    if (status == 1) {
        CLEANUP(freep) char *err = read_text("run.err");
        CHECK_CONTAINS(err, said);
        CHECK(strstr(err, "job") || strstr(err, "out/"));
    } else
        CHECK_INT(status, 0); /* only something was hit that is not worth a job */
    go_on(RUN, fault, "");
    expect_same_files(fault);
}

TEST_WITHIN(600, a_disk_may_be_full_from_any_change_on)
{
    long changes = make_expected(), count = moments(16);
    for (long i = 0; i < count; i++)
        fill_disk_at(1 + i * changes / count + moments_below(changes / count + 1), ENOSPC, ": ");
}

TEST_WITHIN(600, every_error_of_a_disk_is_one_sentence_that_names_the_file)
{
    static const struct {
        int error;
        const char *said;
    } errors[] = {
        { ENOSPC, "No space left on device" }, { EDQUOT, "Disk quota exceeded" }, { EFBIG, "File too large" }, { EROFS, "Read-only file system" },
        { EIO, "" },
    };
    long changes = make_expected();
    moments(0);
    for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
        fill_disk_at(changes / 4 + moments_below(20), errors[i].error, errors[i].said);
        fill_disk_at(changes - 40 + moments_below(20), errors[i].error, errors[i].said);
    }
}

/* ---- a file system without locks ---- */

TEST(a_file_system_without_locks_is_refused_before_anything_is_made)
{
    char fault[32];
    snprintf(fault, sizeof(fault), "locks %d", ENOLCK);
    CHECK_INT(coordinate_with(fault, RUN), 1);
    check_contains("run.err", "job: cannot be locked: No locks available; without locks two processes could run one job: use a folder on another file system");
    CHECK(access("job/job.db", F_OK) < 0);
    CHECK_INT(coordinate_with("", RUN), 0);
    CHECK_INT(coordinate_with(fault, RESUME), 1);
    check_contains("run.err", "job: cannot be locked: No locks available");
}
