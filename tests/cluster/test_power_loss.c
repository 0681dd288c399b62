/* Power goes at any moment: job.db is resumed from what could be on the disk then, and the table is that of an undisturbed run.
 *
 * The coordinator is stopped (SIGSTOP) at random moments, between any two system calls of any thread, and the bytes of its files are copied. A power cut
 * takes more than a kill: what was written and not yet synced may be missing, in part or whole. With synchronous=NORMAL SQLite syncs the journal
 * before it moves pages into the file ("checkpoint"), and the file behind that; so of each copy the journal is cut, or a sector of it lost, anywhere
 * behind what a checkpoint uses, and a page that is being moved is torn. The formats are those of https://sqlite.org/walformat.html. */
#include "tests/cluster/lib/cluster.h"

#include "common/cleanup.h"
#include "coordinator/db.h"

#include <endian.h>
#include <inttypes.h>
#include <signal.h>
#include <unistd.h>

#define IMAGES  3000 /* a batch each, with logits: enough pages for several checkpoints */
#define SOURCE  "sim:3000"
#define COPIES  12
#define HEADER  32u          /* of the journal, bytes */
#define PAGE    8192u
#define FRAME   (24u + PAGE) /* its header, which begins with the page's number (big-endian), and the page */
#define SECTOR  512u

static unsigned long long state = 88172645463325252ull;

/* xorshift64* (Vigna 2016) */
static uint32_t below(uint32_t bound)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (uint32_t)((state * 2685821657736338717ull) >> 33) % bound;
}

/* ---- copying ---- */

static bool all_threads_stopped(pid_t pid)
{
    CLEANUP(freep) char *states = NULL;
    CHECK_INT(test_shell(&states, "sed 's/.*) //; s/ .*//' /proc/%d/task/*/stat | sort -u", (int)pid), 0);
    return !strcmp(states, "T\n");
}

static void stop(const struct process *run)
{
    CHECK_INT(kill(run->pid, SIGSTOP), 0);
    WAIT_FOR(all_threads_stopped(run->pid));
}

static void copy(const struct process *run, int number)
{
    CHECK_INT(test_shell(NULL, "mkdir copy%d && cp job/job.db* copy%d/", number, number), 0);
    CHECK_INT(kill(run->pid, SIGCONT), 0);
}

static uint64_t images_done(const char *job)
{
    CLEANUP(db_closep) struct db *db = NULL;
    struct db_counts counts = { 0 };
    char path[64];
    snprintf(path, sizeof(path), "%s/job.db", job);
    CHECK_INT(db_open(path, true, &db, NULL), 0);
    CHECK_INT(db_count(db, &counts, NULL), 0);
    return counts.done_images;
}

static uint32_t number_at(const char *data, size_t at)
{
    uint32_t number;
    memcpy(&number, data + at, sizeof(number));
    return number;
}

/* Frames in use, how many of them are in the file, and up to where some may be, by the index that processes share (native byte order). */
struct index {
    uint32_t frames, moved, being_moved;
};

static struct index read_index(const char *job)
{
    char path[64];
    size_t size;
    snprintf(path, sizeof(path), "%s/job.db-shm", job);
    CLEANUP(freep) char *data = test_read_file(path, &size);
    CHECK(size >= 136);
    return (struct index){ number_at(data, 16), number_at(data, 96), number_at(data, 128) };
}

static bool pages_are_moving(void)
{
    struct index index = read_index("job");
    return index.being_moved > index.moved;
}

/* While pages are being moved from the journal into the file, or near the end of the job. */
static void stop_within_checkpoint(const struct process *run)
{
    for (;;) {
        while (!pages_are_moving() && images_done("job") < IMAGES - 150)
            ;
        stop(run);
        if (pages_are_moving() || images_done("job") >= IMAGES - 150)
            return;
        CHECK_INT(kill(run->pid, SIGCONT), 0);
    }
}

static void make_copies(void)
{
    struct process run;
    BEGIN(&run, "run", "run", "--local", "2", "--engine", "sim", "--engine-threads", "1", "--sim-cost-us", "1000", "--batch", "1", "--emit", "logits",
          "--job", "job", SOURCE);
    WAIT_FOR(access("job/job.db", F_OK) == 0);
    for (int i = 0; i < COPIES; i++) {
        uint64_t next = (uint64_t)(IMAGES - 200) * (uint64_t)i / COPIES + below(IMAGES / COPIES);
        WAIT_FOR(images_done("job") >= next);
        if (i % 3 == 2)
            stop_within_checkpoint(&run);
        else
            stop(&run);
        copy(&run, i);
    }
    CHECK_INT(process_end(&run), 0);
    CHECK_INT(rename("job/predictions.jsonl", "expected.jsonl"), 0);
}

/* ---- losing ---- */

static void lose_bytes(const char *path, off_t at, size_t size)
{
    static const char nothing[PAGE];
    CLEANUP(fclosep) FILE *file = fopen(path, "r+");
    CHECK(file && fseeko(file, at, SEEK_SET) == 0 && fwrite(nothing, 1, size, file) == size);
}

static int torn, cut;

/* A page that was on its way into the file has arrived in part. */
static void tear_page(const char *job, const char *journal, const struct index *index)
{
    char path[64];
    CLEANUP(freep) char *data = test_read_file(journal, NULL);
    uint32_t frame = index->moved + below(index->being_moved - index->moved);
    uint32_t page = be32toh(number_at(data, HEADER + (size_t)FRAME * frame));
    snprintf(path, sizeof(path), "%s/job.db", job);
    lose_bytes(path, (off_t)PAGE * (page - 1) + PAGE / 2, PAGE / 2);
    fprintf(stderr, "page %" PRIu32 " of the file is torn, ", page);
    torn++;
}

/* What the disk may have of the journal: cut at a frame, within a frame, or with a hole. Returns in words what was done. */
static const char *lose(const char *job, int kind)
{
    char path[64];
    struct index index = read_index(job);
    uint32_t used = index.moved > index.being_moved ? index.moved : index.being_moved;
    snprintf(path, sizeof(path), "%s/job.db-wal", job);
    fprintf(stderr, "-- %s: journal of %" PRIu32 " frames, %" PRIu32 " of them in the file, up to %" PRIu32 " on their way: ", job, index.frames, index.moved,
            index.being_moved);
    if (index.being_moved > index.moved)
        tear_page(job, path, &index);
    if (index.frames <= used || kind == 0)
        return "all of it is there";
    cut++;
    off_t at = (off_t)HEADER + (off_t)FRAME * (used + below(index.frames - used));
    if (kind == 1 || kind == 2)
        CHECK_INT(truncate(path, kind == 1 ? at : at + 1 + below(FRAME - 1)), 0);
    else
        lose_bytes(path, at + below(FRAME - SECTOR), SECTOR);
    return kind == 1 ? "cut between two frames" : kind == 2 ? "cut within a frame" : "a sector is lost";
}

static void resume(const char *job)
{
    char table[64];
    uint64_t done = images_done(job);
    snprintf(table, sizeof(table), "%s/predictions.jsonl", job);
    int status = COORDINATE("resume", "resume", "--engine", "sim", job);
    CHECK_INT(status, 0);
    check_same_file(table, "expected.jsonl");
    CHECK_INT(images_computed(job), IMAGES - (long)done);
}

TEST_WITHIN(300, a_job_survives_a_power_cut_at_any_moment)
{
    uint64_t lost = 0;
    make_copies();
    for (int i = 0; i < COPIES; i++) {
        char job[32];
        snprintf(job, sizeof(job), "copy%d", i);
        CHECK_INT(test_shell(NULL, "cp -r %s looked-at", job), 0);
        uint64_t before = images_done("looked-at");
        CHECK_INT(test_shell(NULL, "rm -r looked-at"), 0);
        fprintf(stderr, "%s\n", lose(job, i % 4));
        if (i % 3)
            CHECK_INT(test_shell(NULL, "rm %s/job.db-shm", job), 0);
        lost += before - images_done(job);
        resume(job);
    }
    fprintf(stderr, "%d power cuts: %d journals cut or with a hole, %d pages torn; %" PRIu64 " images had to run again, no row was lost or doubled\n", COPIES, cut,
            torn, lost);
    CHECK(lost > 0);
    CHECK(cut >= COPIES / 3);
    CHECK(torn >= COPIES / 6);
}

/* What a power cut leaves of a job that had just begun. */
TEST(a_job_that_was_being_made_is_begun_again)
{
    CHECK_INT(COORDINATE("expected", "run", "--engine", "sim", "--job", "expected", "sim:10"), 0);
    CHECK_INT(test_shell(NULL, "mkdir job && head -c 9000 expected/job.db >job/job.db.new && head -c 100 /dev/zero >job/job.db.new-wal && touch job/job.lock"), 0);
    CHECK_INT(COORDINATE("resume", "resume", "--engine", "sim", "job"), 1);
    check_contains("resume.err", "job/job.db: No such file or directory; is this a job directory?");
    CHECK_INT(COORDINATE("run", "run", "--engine", "sim", "--job", "job", "sim:10"), 0);
    check_same_file("job/predictions.jsonl", "expected/predictions.jsonl");
}
