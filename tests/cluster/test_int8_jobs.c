/* Jobs in int8: the same bytes with one worker and with two, ranges that are lent, that come and go, and that differ. */
#include "tests/cluster/lib/cluster.h"
#include "tests/cluster/lib/photos.h"

#include "common/cleanup.h"

#include <unistd.h>

#define IMAGES  12
#define PIXELS  "--resize", "40", "--crop", "33"
#define ENGINE  "--engine", "onednn", "--threads", "2", "--engine-threads", "1"
#define MODEL   "model.safetensors"
#define RANGES  MODEL ".ranges.json"

static void gather(void)
{
    setenv("SLEDDOG_ENGINES", test_build(), 0);
    photos_draw("photos", IMAGES);
    model_write(MODEL, 1000);
}

/* `folder`: of images. */
static void calibrate(const char *folder, const char *output)
{
    CHECK_INT(test_shell(NULL, "%s/sleddog-worker calibrate --images %s --weights " MODEL " --output %s --resize 40 --crop 33", test_build(), folder, output), 0);
}

/* The daemons' own model. */
static int run_on(const char *name, const struct daemon *const *daemons, int count)
{
    write_nodes("nodes", daemons, count);
    return COORDINATE(name, "run", "--nodes", "nodes", "--min-nodes", count > 1 ? "2" : "1", "--node-timeout", count > 1 ? "3" : "60", "--batch", "2", PIXELS, "--job",
                      name, "photos");
}

static void check_precision(const char *name, const char *precision)
{
    char file[64], text[64];
    snprintf(file, sizeof(file), "%s/summary.json", name);
    snprintf(text, sizeof(text), "\"precision\": \"%s\"", precision);
    check_contains(file, text);
    snprintf(file, sizeof(file), "%s.out", name);
    snprintf(text, sizeof(text), "precision             %s\n", precision);
    check_contains(file, text);
}

TEST(two_workers_in_int8_give_the_bytes_of_one_and_the_fingerprint_names_the_ranges)
{
    gather();
    calibrate("photos", RANGES);
    CHECK_INT(COORDINATE("one", "run", "--local", "1", ENGINE, "--precision", "int8", "--batch", "2", PIXELS, "--weights", MODEL, "--job", "one", "photos"), 0);
    CHECK_INT(COORDINATE("two", "run", "--local", "2", ENGINE, "--batch", "3", PIXELS, "--weights", MODEL, "--job", "two", "photos"), 0);
    check_same_file("one/predictions.jsonl", "two/predictions.jsonl");
    check_precision("one", "int8");
    check_precision("two", "int8"); /* auto takes it, since the ranges are there */
    check_contains("two/summary.json", ", int8, ranges ");
    CHECK_INT(COORDINATE("f32", "run", "--local", "1", ENGINE, "--precision", "f32", PIXELS, "--weights", MODEL, "--job", "f32", "photos"), 0);
    check_precision("f32", "f32");
}

/* How many of the photos `classify` computes again. */
static int count_rechecked(int percent)
{
    char text[512] = "";
    CLEANUP(freep) char *output = NULL;
    CHECK_INT(test_shell(&output, "%s/sleddog-worker classify --engine onednn --engine-threads 1 --precision int8 --recheck %d --weights " MODEL
                         " --resize 40 --crop 33 photos/*/* 2>&1 >classified | grep 'computed again' || true", test_build(), percent), 0);
    snprintf(text, sizeof(text), "%s", output);
    const char *count = strstr(text, "classify: ");
    return count ? atoi(count + strlen("classify: ")) : 0;
}

/* Such a percentage that some of the photos are undecided, and some are not. */
static const char *choose_recheck(int *ret_count)
{
    static char text[8];
    for (int percent = 1; percent < 100; percent = percent + percent / 4 + 1) {
        *ret_count = count_rechecked(percent);
        snprintf(text, sizeof(text), "%d", percent);
        if (*ret_count > 0 && *ret_count < IMAGES)
            return text;
    }
    test_fail(__FILE__, __LINE__, "all photos are equally undecided");
}

TEST(a_job_that_rechecks_gives_the_same_bytes_with_any_workers_and_says_how_many_images_it_computed_again)
{
    int count;
    char said[64];
    gather();
    calibrate("photos", RANGES);
    const char *recheck = choose_recheck(&count);
    snprintf(said, sizeof(said), "    %d image%s computed again in f32\n", count, count == 1 ? "" : "s");
    CHECK_INT(COORDINATE("one", "run", "--local", "1", ENGINE, "--recheck", recheck, PIXELS, "--weights", MODEL, "--job", "one", "photos"), 0);
    CHECK_INT(COORDINATE("two", "run", "--local", "2", ENGINE, "--recheck", recheck, "--batch", "3", PIXELS, "--weights", MODEL, "--job", "two", "photos"), 0);
    check_same_file("one/predictions.jsonl", "two/predictions.jsonl");
    check_precision("one", "int8+f32");
    check_contains("one.out", said);
    snprintf(said, sizeof(said), "\"rechecked\": %d,", count);
    check_contains("one/summary.json", said);
}

TEST(a_job_that_rechecks_everything_gives_the_bytes_of_f32)
{
    gather();
    calibrate("photos", RANGES);
    CHECK_INT(COORDINATE("all", "run", "--local", "1", ENGINE, "--recheck", "100", PIXELS, "--weights", MODEL, "--job", "all", "photos"), 0);
    check_contains("all.out", "    12 images computed again in f32\n");
    CHECK_INT(COORDINATE("html", "report", "all", "--html", "page.html"), 0);
    check_contains("page.html", "Undecided in int8 and computed again in f32: 12 images.");
    CHECK_INT(COORDINATE("f32", "run", "--local", "1", ENGINE, "--precision", "f32", "--engine-batch", "1", PIXELS, "--weights", MODEL, "--job", "f32", "photos"), 0);
    check_same_file("all/predictions.jsonl", "f32/predictions.jsonl");
}

TEST(where_recheck_changes_nothing_it_is_said)
{
    gather();
    CHECK_INT(COORDINATE("none", "run", "--local", "1", ENGINE, "--recheck", "10", PIXELS, "--weights", MODEL, "--job", "none", "photos"), 0);
    check_contains("none/worker-1.log", "--recheck 10 changes nothing here: it is for int8 on a CPU, and this engine computes otherwise");
    check_precision("none", "f32");
    calibrate("photos", RANGES);
    CHECK_INT(COORDINATE("features", "run", "--local", "1", ENGINE, "--recheck", "10", PIXELS, "--weights", MODEL, "--emit", "features", "--job", "features", "photos"), 0);
    check_contains("features/worker-1.log", "--recheck 10 changes nothing here: features are not computed again");
    check_precision("features", "int8");
    CHECK_INT(COORDINATE("f32", "run", "--local", "1", ENGINE, "--recheck", "10", "--precision", "f32", PIXELS, "--weights", MODEL, "--job", "f32", "photos"), 2);
    check_contains("f32.err", "--recheck 10: computes again what int8 leaves undecided, but --precision f32 was asked for");
}

TEST(nodes_that_recheck_differently_are_not_mixed)
{
    struct daemon one, other;
    gather();
    calibrate("photos", RANGES);
    WORKER(&one, "one", ENGINE, "--weights", MODEL, "--recheck", "10");
    WORKER(&other, "other", ENGINE, "--weights", MODEL, "--recheck", "5");
    CHECK_INT(run_on("mixed", (const struct daemon *[]){ &one, &other }, 2), 1);
    check_contains("mixed.err", "its numbers may differ in the last digits");
    daemon_stop(&one);
    daemon_stop(&other);
}

TEST(a_daemon_takes_ranges_that_come_while_it_runs_and_lets_go_of_those_that_went)
{
    struct daemon daemon;
    gather();
    WORKER(&daemon, "worker", ENGINE, "--weights", MODEL);
    const struct daemon *const all[] = { &daemon };
    CHECK_INT(run_on("before", all, 1), 0);
    check_precision("before", "f32");
    calibrate("photos", RANGES);
    CHECK_INT(run_on("with", all, 1), 0);
    check_precision("with", "int8");
    CHECK_INT(unlink(RANGES), 0);
    CHECK_INT(run_on("after", all, 1), 0);
    check_precision("after", "f32");
    check_same_file("before/predictions.jsonl", "after/predictions.jsonl");
    daemon_stop(&daemon);
}

TEST(nodes_with_other_ranges_or_none_are_not_mixed)
{
    struct daemon one, other, bare;
    gather();
    calibrate("photos/a", "a.json");
    calibrate("photos/b", "b.json");
    WORKER(&one, "one", ENGINE, "--weights", MODEL, "--ranges", "a.json");
    WORKER(&other, "other", ENGINE, "--weights", MODEL, "--ranges", "b.json");
    WORKER(&bare, "bare", ENGINE, "--weights", MODEL);
    CHECK_INT(run_on("ranges", (const struct daemon *[]){ &one, &other }, 2), 1);
    check_contains("ranges.err", "its numbers may differ in the last digits");
    CHECK_INT(run_on("none", (const struct daemon *[]){ &one, &bare }, 2), 1);
    check_contains("none.err", ", and --mixed takes both");
    daemon_stop(&one);
    daemon_stop(&other);
    daemon_stop(&bare);
}

TEST(a_job_that_insists_on_int8_is_refused_without_ranges_and_says_what_makes_them)
{
    gather();
    CHECK_INT(COORDINATE("run", "run", "--local", "1", ENGINE, "--precision", "int8", PIXELS, "--weights", MODEL, "--job", "job", "photos"), 1);
    check_contains("run.err", RANGES ": cannot open the activation ranges: No such file or directory; int8 needs them, sleddog-worker calibrate makes them");
}

TEST(with_enough_images_widths_are_fitted_too_and_the_command_weights_shows_what_was_made)
{
    CLEANUP(freep) char *said = NULL, *shown = NULL;
    setenv("SLEDDOG_ENGINES", test_build(), 0);
    photos_draw("photos", 90);
    model_write(MODEL, 1000);
    CHECK_INT(test_shell(&said, "%s/sleddog-worker calibrate --images photos --weights " MODEL " --resize 40 --crop 33", test_build()), 0);
    CHECK_CONTAINS(said, "  fitting the widths");
    CHECK_INT(test_shell(&shown, "%s/sleddog-worker weights " MODEL, test_build()), 0);
    CHECK_CONTAINS(shown, "  ranges      ");
    CHECK_CONTAINS(shown, " images at 40/33, top-1 as f32's in ");
}
