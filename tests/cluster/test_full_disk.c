/* Disks that are full, read-only, limited or damaged while a job runs: one sentence that names the file and what to do, exit status 1; and when that is
 * mended, `resume` ends with the files of an undisturbed run. Small disks are tmpfs in a mount namespace of the test's own. */
#include "tests/cluster/lib/cluster.h"
#include "tests/cluster/lib/mount.h"

#include "common/cleanup.h"

#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>

#define SOURCE "sim:20000"

/* "disk" is a file system of so many KiB; from now on this process and its children see it. */
static void make_disk(int kib)
{
    CHECK_INT(mkdir("disk", 0777), 0);
    mount_own();
    mount_disk("disk", kib);
}

static void make_expected(void)
{
    CHECK_INT(COORDINATE("expected", "run", "--engine", "sim", "--format", "jsonl,csv", "--job", "expected", SOURCE), 0);
}

static void expect_resumed(const char *job)
{
    char table[64];
    CHECK_INT(COORDINATE("resume", "resume", "--engine", "sim", job), 0);
    snprintf(table, sizeof(table), "%s/predictions.jsonl", job);
    check_same_file(table, "expected/predictions.jsonl");
    snprintf(table, sizeof(table), "%s/predictions.csv", job);
    check_same_file(table, "expected/predictions.csv");
}

/* One line about what is wrong, and one about how to go on. */
static void expect_sentence(const char *file, const char *reason, const char *what_to_do)
{
    CLEANUP(freep) char *err = read_text("run.err");
    const char *at = strstr(err, file);
    CHECK_CONTAINS(err, file);
    CHECK_CONTAINS(at, reason);
    CHECK_CONTAINS(at, what_to_do);
    CHECK_CONTAINS(at, "go on with: sleddog-coordinator resume ");
}

TEST(a_disk_that_fills_up_under_job_db_loses_nothing)
{
    make_expected();
    make_disk(1500);
    CHECK_INT(COORDINATE("run", "run", "--engine", "sim", "--format", "jsonl,csv", "--job", "disk/job", SOURCE), 1);
    expect_sentence("disk/job/job.db: ", "full", "; make room there and go on");
    long done = job_done("disk/job");
    CHECK(done < 20000);
    CHECK_INT(COORDINATE("full", "resume", "--engine", "sim", "disk/job"), 1); /* still full: it says so again */
    CHECK(job_done("disk/job") >= done);
    mount_enlarge("disk");
    expect_resumed("disk/job");
}

/* Nothing lies beside job.db then: it was all taken in when the process ended in order. */
TEST(a_job_that_ended_in_order_can_be_looked_at_where_nothing_can_be_written)
{
    make_disk(65536);
    CHECK_INT(COORDINATE("first", "run", "--engine", "sim", "--job", "disk/50%20?#", "sim:300"), 0);
    CHECK(access("disk/50%20?#/job.db-wal", F_OK) < 0);
    WAIT_FOR(mount("none", "disk", "tmpfs", MS_REMOUNT | MS_RDONLY, NULL) == 0);
    CHECK_INT(job_done("disk/50%20?#"), 300);
    CHECK_INT(COORDINATE("one", "report", "disk/50%20?#", "--image", "sim:7"), 0);
    CHECK_INT(COORDINATE("retry", "retry", "disk/50%20?#"), 1);
    check_contains("retry.err", "job.lock: Read-only file system; the job directory must be writable");
}

TEST(a_disk_that_fills_up_under_a_table_leaves_none_by_halves)
{
    make_expected();
    make_disk(1500);
    CHECK_INT(COORDINATE("run", "run", "--engine", "sim", "--format", "jsonl,csv", "--job", "job", "--output", "disk/out", SOURCE), 1);
    expect_sentence("disk/out/predictions.", "No space left on device", "; free some space or give another --output");
    CHECK_INT(test_shell(NULL, "test -z \"$(ls -A disk/out)\""), 0);
    CHECK_INT(COORDINATE("status", "status", "job"), 0);
    check_contains("status.out", "disk/out; write them elsewhere with: sleddog-coordinator export /");
    check_contains("status.out", "or, once they can be, go on with: sleddog-coordinator resume --engine sim /");
    CHECK_INT(COORDINATE("report", "report", "job"), 0);
    mount_enlarge("disk");
    CHECK_INT(COORDINATE("resume", "resume", "job"), 0); /* nobody to work is needed */
    check_same_file("disk/out/predictions.jsonl", "expected/predictions.jsonl");
    check_same_file("disk/out/predictions.csv", "expected/predictions.csv");
}

TEST(a_report_on_a_full_disk_is_there_whole_or_not_at_all)
{
    make_expected();
    make_disk(4);
    CHECK_INT(COORDINATE("run", "report", "expected", "--html", "disk/page.html"), 1);
    check_contains("run.err", "disk/page.html: cannot be written: No space left on device");
    CHECK_INT(test_shell(NULL, "test -z \"$(ls -A disk)\""), 0);
    CHECK_INT(COORDINATE("fits", "report", "expected", "--html", "page.html"), 0);
    CHECK_INT(test_shell(NULL, "(%s/sleddog-coordinator report expected >/dev/full 2>full.err)", test_build()), 1);
    check_contains("full.err", "standard output: No space left on device");
}

TEST(a_disk_that_became_read_only_can_be_looked_at_and_gone_on_with_later)
{
    struct process run;
    make_expected();
    make_disk(65536);
    BEGIN(&run, "first", "run", "--engine", "sim", "--engine-threads", "1", "--sim-cost-us", "2000", "--format", "jsonl,csv", "--job", "disk/job", SOURCE);
    WAIT_FOR(job_done("disk/job") > 0);
    process_signal(&run, SIGKILL);
    process_end(&run);
    long done = job_done("disk/job");
    WAIT_FOR(mount("none", "disk", "tmpfs", MS_REMOUNT | MS_RDONLY, NULL) == 0); /* its worker has the log open until it is gone */
    CHECK_INT(job_done("disk/job"), done);
    CHECK_INT(COORDINATE("run", "resume", "--engine", "sim", "disk/job"), 1);
    check_contains("run.err", "disk/job/job.lock: Read-only file system; the job directory must be writable");
    CHECK_INT(COORDINATE("new", "run", "--engine", "sim", "--job", "disk/new", SOURCE), 1);
    check_contains("new.err", "disk/new: cannot make this folder: Read-only file system");
    mount_enlarge("disk");
    expect_resumed("disk/job");
}

/* What lies beside job.db is part of the job: whoever cannot read that does not take the rest for the whole. */
TEST(a_copy_of_a_killed_job_on_a_read_only_disk_is_not_taken_for_less_than_it_is)
{
    struct process run;
    make_disk(65536);
    BEGIN(&run, "first", "run", "--engine", "sim", "--engine-threads", "1", "--sim-cost-us", "2000", "--job", "job", SOURCE);
    WAIT_FOR(job_done("job") > 0);
    process_signal(&run, SIGKILL);
    process_end(&run);
    CHECK_INT(test_shell(NULL, "mkdir disk/job && cp job/job.db job/job.db-wal disk/job"), 0);
    WAIT_FOR(mount("none", "disk", "tmpfs", MS_REMOUNT | MS_RDONLY, NULL) == 0);
    CHECK_INT(COORDINATE("status", "status", "disk/job"), 1);
    check_contains("status.err", "disk/job/job.db: ");
    mount_enlarge("disk");
    CHECK_INT(job_done("disk/job"), job_done("job"));
}

/* Who looks leaves the journal to who goes on. */
TEST(looking_at_a_killed_job_changes_none_of_its_files)
{
    struct process run;
    CLEANUP(freep) char *before = NULL, *behind = NULL;
    BEGIN(&run, "run", "run", "--engine", "sim", "--engine-threads", "1", "--sim-cost-us", "2000", "--job", "job", SOURCE);
    WAIT_FOR(job_done("job") > 0);
    process_signal(&run, SIGKILL);
    process_end(&run);
    CHECK_INT(test_shell(&before, "test -s job/job.db-wal && sha256sum job/job.db job/job.db-wal"), 0);
    CHECK_INT(COORDINATE("status", "status", "job"), 0);
    CHECK_INT(COORDINATE("one", "report", "job", "--image", "sim:0"), 0);
    CHECK_INT(test_shell(&behind, "sha256sum job/job.db job/job.db-wal"), 0);
    CHECK_STR(behind, before);
}

static int limited(const char *limit, const char *arguments)
{
    CLEANUP(freep) char *output = NULL;
    int status = test_shell(&output, "(ulimit %s; PATH=%s:$PATH; exec sleddog-coordinator %s 2>run.err)", limit, test_build(), arguments);
    fprintf(stderr, "%s", output);
    return status;
}

TEST(a_limit_on_the_size_of_files_is_an_error_not_the_end)
{
    make_expected();
    CHECK_INT(limited("-f 1500", "run --engine sim --format jsonl,csv --job job " SOURCE), 1); /* of 512 or 1024 bytes */
    expect_sentence("job", "File too large", "take");
    expect_resumed("job");
}

TEST(a_limit_on_open_files_that_is_too_low_is_told_before_anything_is_made)
{
    CHECK_INT(limited("-n 40", "run --engine sim --job job " SOURCE), 1);
    check_contains("run.err", "40 files may be open at once, and 1 worker needs 69; raise the limit (ulimit -n 69) or use fewer");
    CHECK(access("job", F_OK) < 0);
    CHECK_INT(limited("-Sn 40", "run --engine sim --job job sim:100"), 0); /* as far as it may, it raises it itself */
}

static void begin_slow(struct process *run)
{
    BEGIN(run, "run", "run", "--engine", "sim", "--engine-threads", "1", "--sim-cost-us", "1000", "--batch", "1", "--emit", "logits", "--job", "job",
          "sim:5000");
}

TEST(a_job_db_that_is_removed_under_way_is_noticed_at_once)
{
    struct process run;
    begin_slow(&run);
    WAIT_FOR(job_done("job") > 0);
    CHECK_INT(test_shell(NULL, "rm job/job.db*"), 0);
    CHECK_INT(process_end(&run), 1);
    check_contains("run.err", "job/job.db: was removed or replaced while the job ran; put the folder back if you moved it");
}

static long file_size(const char *path)
{
    struct stat status;
    return stat(path, &status) < 0 ? 0 : (long)status.st_size;
}

/* All of it but the first page, when pages have moved from the journal into it twice. */
TEST(a_job_db_that_is_damaged_under_way_is_told)
{
    struct process run;
    begin_slow(&run);
    WAIT_FOR(file_size("job/job.db") > 6 << 20);
    CHECK_INT(test_shell(NULL, "tr '\\0' '\\245' </dev/zero | dd of=job/job.db bs=8192 seek=1 count=600 conv=notrunc status=none"), 0);
    CHECK_INT(process_end(&run), 1);
    check_contains("run.err", "job/job.db: ");
    check_contains("run.err", "damaged from outside: put a copy of the whole folder back, or begin a new job");
    check_lacks("run.err", "go on with");
    CHECK_INT(COORDINATE("resume", "resume", "--engine", "sim", "job"), 1);
    check_contains("resume.err", "job/job.db: ");
}
