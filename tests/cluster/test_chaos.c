/* Kill anything at any moment, on a bad network: the tables are those of an undisturbed run, byte for byte.
 *
 * Each seed is a run of 400 drawn photos on four workers, with an expiry of one second; lib/chaos.h says what happens to them. The engine's images take time and
 * no arithmetic, because what is tested is who has which row; every fifth seed has a real network. `make chaos` runs more seeds, and made-up images in large
 * numbers:
 *
 *     SLEDDOG_CHAOS_SEED=17 build/tests/cluster/test_chaos asked            that seed
 *     SLEDDOG_CHAOS_SIM=200000 build/tests/cluster/test_chaos made_up       so many images, eight workers */
#include "tests/cluster/lib/chaos.h"
#include "tests/cluster/lib/cluster.h"
#include "tests/cluster/lib/photos.h"
#include "tests/cluster/lib/rows.h"

#include "tests/demo/photo.h"

#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#define PHOTOS 400

/* Logs and job of a run that fails stay there. */
static void enter_folder(const char *name, const char *command)
{
    char folder[PATH_MAX];
    CHECK(snprintf(folder, sizeof(folder), "%s/chaos/%s", test_build(), name) < (int)sizeof(folder));
    CHECK_INT(test_shell(NULL, "rm -rf '%s' && mkdir -p '%s'", folder, folder), 0);
    CHECK_INT(chdir(folder), 0);
    fprintf(stderr, "repeat with: %s\nlogs are in: %s\n", command, folder);
}

static void leave_folder(void)
{
    char folder[PATH_MAX];
    CHECK(getcwd(folder, sizeof(folder)));
    CHECK_INT(chdir("/"), 0);
    if (!getenv("SLEDDOG_TEST_KEEP"))
        CHECK_INT(test_shell(NULL, "rm -r '%s'", folder), 0);
}

/* Different pixels in each, so that a row in another's place is noticed; and some that fail, because failures are rows too. */
static void draw_photos(void)
{
    char path[64];
    struct why why;
    CHECK_INT(mkdir("photos", 0777), 0);
    for (int i = 0; i < PHOTOS; i++) {
        snprintf(path, sizeof(path), "photos/%03d.jpg", i);
        struct texture_style style = texture_style(1, i % 10, i);
        style.width = 40 + i % 7;
        style.height = 40 + i % 5;
        if (i % 100 == 50)
            write_text(path, "not a photo");
        else if (photo_write(path, &style, &why) < 0)
            test_fail(__FILE__, __LINE__, "%s", why.text);
    }
}

/* Else a run that is over too soon would prove nothing: at least half of what was planned was done, and frames met with a fault. */
static void check_was_disturbed(const struct chaos_plan *plan, const struct chaos_tally *tally)
{
    int planned = 0, done = 0, frames = 0;
    for (int i = 0; i < CHAOS_FAULTS; i++) {
        planned += plan->faults[i];
        done += tally->faults[i];
    }
    for (int i = 0; i < PROXY_FAULTS; i++)
        frames += tally->frames[i];
    CHECK(2 * done >= planned);
    CHECK(frames > 0);
}

static void check_tables(const char *name, const struct chaos_plan *plan, const struct chaos_tally *tally)
{
    char text[512];
    struct rows_difference rows = rows_compare("expected/predictions.jsonl", "job/predictions.jsonl");
    chaos_describe(tally, text, sizeof(text));
    test_note("%s, %.1f s: %s; rows lost %ld, doubled %ld", name, tally->seconds, text, rows.lost, rows.doubled);
    CHECK_INT(rows.lost, 0);
    CHECK_INT(rows.doubled, 0);
    check_was_disturbed(plan, tally);
    check_same_file("expected/predictions.jsonl", "job/predictions.jsonl");
    check_same_file("expected/predictions.csv", "job/predictions.csv");
}

static void run_undisturbed(const struct chaos_plan *plan, bool real)
{
    const char *arguments[64] = { "run", "--local", "1", "--engine", real ? "onednn" : "sim", "--job", "expected" };
    int count = 7;
    for (const char *const *argument = plan->coordinator; *argument; argument++)
        arguments[count++] = *argument;
    CHECK_INT(coordinate("undisturbed", arguments), 0);
}

static const struct proxy_plan bad_network = {
    .rate = { [PROXY_DROP] = 12, [PROXY_DOUBLE] = 12, [PROXY_DELAY] = 12, [PROXY_OVERTAKE] = 12, [PROXY_TRUNCATE] = 6, [PROXY_CUT] = 6 },
    .limit = 6,
    .delay_ms = 300,
};

/* Without arithmetic an image takes 20 ms of a worker's time. */
#define MADE_UP_ENGINE ARGV("--engine", "sim", "--engine-threads", "1", "--engine-batch", "4", "--sim-cost-us", "20000", WORKER_THREADS)
#define REAL_ENGINE    ARGV("--engine", "onednn", "--engine-threads", "1", WORKER_THREADS)
#define WORKER_THREADS "--threads", "2", "--fetch-threads", "2", "--drain-timeout", "2"

static void run_seed(int seed)
{
    char name[32], command[128];
    struct chaos_tally tally;
    bool real = seed % 5 == 0;
    struct chaos_plan plan = {
        .seed = (uint64_t)seed,
        .workers = 4,
        .worker = real ? REAL_ENGINE : MADE_UP_ENGINE,
        .coordinator = real ? ARGV("--batch", "5", "--format", "jsonl,csv", "--crop", "64", "--weights", "model.safetensors", "photos")
                            : ARGV("--batch", "5", "--format", "jsonl,csv", "photos"),
        .images = PHOTOS,
        .faults = { [CHAOS_KILL_WORKER] = 4, [CHAOS_STOP_WORKER] = 3, [CHAOS_DRAIN_WORKER] = 2, [CHAOS_REMOVE_WORKER] = 1,
                    [CHAOS_KILL_COORDINATOR] = 4, [CHAOS_STOP_COORDINATOR] = 1, [CHAOS_INTERRUPT_COORDINATOR] = 1 },
        .frames = bad_network,
    };
    plan.frames.seed = plan.seed;
    snprintf(name, sizeof(name), "seed-%d", seed);
    snprintf(command, sizeof(command), "SLEDDOG_CHAOS_SEED=%d %s/tests/cluster/test_chaos asked", seed, test_build());
    enter_folder(name, command);
    draw_photos();
    if (real)
        model_write("model.safetensors", 1000);
    run_undisturbed(&plan, real);
    chaos_run(&plan, &tally);
    check_tables(name, &plan, &tally);
    leave_folder();
}

TEST(rows_that_are_missing_and_rows_that_are_there_twice_are_counted)
{
    write_text("expected", "{\"uri\":\"a\",\"name\":1}\n{\"uri\":\"b\",\"name\":1}\n{\"uri\":\"b\",\"name\":1}\n{\"uri\":\"c\",\"name\":1}\n");
    write_text("actual", "{\"uri\":\"c\",\"name\":1}\n{\"uri\":\"b\",\"name\":2}\n{\"uri\":\"c\",\"name\":1}\n{\"uri\":\"a\",\"name\":1}\n{\"uri\":\"x\",\"name\":1}\n");
    struct rows_difference rows = rows_compare("expected", "actual");
    CHECK_INT(rows.expected, 4);
    CHECK_INT(rows.lost, 1);    /* a b */
    CHECK_INT(rows.doubled, 2); /* a c, and x that nobody asked for */
}

TEST(faults_of_seed_1_change_nothing)
{
    run_seed(1);
}

TEST(faults_of_seed_2_change_nothing)
{
    run_seed(2);
}

TEST(faults_of_seed_3_change_nothing)
{
    run_seed(3);
}

TEST(faults_of_seed_4_change_nothing)
{
    run_seed(4);
}

TEST(faults_of_seed_5_change_nothing)
{
    run_seed(5);
}

/* ---- what `make chaos` asks for ---- */

static void run_asked(void)
{
    run_seed(atoi(getenv("SLEDDOG_CHAOS_SEED")));
}

static void run_made_up(void)
{
    const char *images = getenv("SLEDDOG_CHAOS_SIM");
    char source[32], command[256];
    struct chaos_tally tally;
    snprintf(source, sizeof(source), "sim:%ld", atol(images));
    struct chaos_plan plan = {
        .seed = 1,
        .workers = 8,
        .worker = ARGV("--engine", "sim", "--engine-threads", "1", "--sim-cost-us", "500", WORKER_THREADS),
        .coordinator = ARGV("--format", "jsonl,csv", source),
        .images = atol(images),
        .faults = { [CHAOS_KILL_WORKER] = 16, [CHAOS_STOP_WORKER] = 12, [CHAOS_DRAIN_WORKER] = 8, [CHAOS_REMOVE_WORKER] = 6,
                    [CHAOS_KILL_COORDINATOR] = 10, [CHAOS_STOP_COORDINATOR] = 4, [CHAOS_INTERRUPT_COORDINATOR] = 4 },
        .frames = bad_network,
    };
    plan.frames.limit = 40;
    snprintf(command, sizeof(command), "SLEDDOG_CHAOS_SIM=%s %s/tests/cluster/test_chaos made_up", images, test_build());
    enter_folder("sim", command);
    run_undisturbed(&plan, false);
    chaos_run(&plan, &tally);
    check_tables(source, &plan, &tally);
    leave_folder();
}

__attribute__((constructor)) static void add_what_was_asked_for(void)
{
    static struct test asked = { "faults_of_the_seed_asked_for_change_nothing", run_asked, 120, NULL };
    static struct test made_up = { "faults_change_nothing_about_many_made_up_images", run_made_up, 900, NULL };
    if (getenv("SLEDDOG_CHAOS_SEED"))
        test_register(&asked);
    if (getenv("SLEDDOG_CHAOS_SIM"))
        test_register(&made_up);
}
