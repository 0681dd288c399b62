/* Jobs on a file system that cannot share memory between processes, as network file systems cannot: there job.db has no WAL, and is as safe.
 *
 * SQLite is given a file system without those methods (sqlite.org/vfs.html: version 1 of sqlite3_io_methods); everything else is the real one. The
 * coordinator's commands run in a process that was forked from the test. */
#include "tests/cluster/lib/cluster.h"

#include "common/cleanup.h"
#include "coordinator/commands.h"
#include "coordinator/db.h"
#include "coordinator/filesystem.h"

#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/statfs.h>
#include <sys/wait.h>

/* ---- the file system ---- */

static sqlite3_vfs *usual, poor;

static const sqlite3_io_methods *without_memory(const sqlite3_io_methods *methods)
{
    static const sqlite3_io_methods *known[8];
    static sqlite3_io_methods poorer[8];
    int i = 0;
    while (known[i] && known[i] != methods)
        i++;
    known[i] = methods;
    poorer[i] = *methods;
    poorer[i].iVersion = 1;
    poorer[i].xShmMap = NULL;
    poorer[i].xShmLock = NULL;
    poorer[i].xShmBarrier = NULL;
    poorer[i].xShmUnmap = NULL;
    return &poorer[i];
}

static int open_file(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *ret_flags)
{
    (void)vfs;
    int code = usual->xOpen(usual, name, file, flags, ret_flags);
    if (code == SQLITE_OK && file->pMethods)
        file->pMethods = without_memory(file->pMethods);
    return code;
}

static void share_no_memory(void)
{
    usual = sqlite3_vfs_find(NULL);
    poor = *usual;
    poor.zName = "poor";
    poor.xOpen = open_file;
    CHECK_INT(sqlite3_vfs_register(&poor, 1), SQLITE_OK);
}

static void share_memory_again(void)
{
    CHECK_INT(sqlite3_vfs_register(usual, 1), SQLITE_OK);
}

/* ---- the database ---- */

static struct why why;

static char *journal_of(const char *path)
{
    char *mode;
    CHECK_INT(test_shell(&mode, "sqlite3 %s 'PRAGMA journal_mode' 2>&1", path), 0);
    mode[strcspn(mode, "\n")] = '\0';
    return mode;
}

static struct db *open_db(bool read_only)
{
    struct db *db;
    if (db_open("job.db", read_only, &db, &why) < 0)
        test_fail(__FILE__, __LINE__, "%s", why.text);
    return db;
}

static uint64_t batches(struct db *db)
{
    struct db_counts counts;
    CHECK_INT(db_count(db, &counts, &why), 0);
    return counts.batches;
}

static void add_batch(struct db *db, uint64_t id)
{
    struct db_batch batch = { .id = id, .first = id, .count = 1, .items = "x", .items_size = 1 };
    CHECK_INT(db_add_batch(db, &batch, &why), 0);
}

TEST(a_job_without_wal_is_read_beside_its_writer_and_survives_a_kill)
{
    struct db *db;
    share_no_memory();
    CHECK_INT(db_create("job.db", &db, &why), 0);
    struct db *reader = open_db(true);
    CHECK_INT(db_begin(db, &why), 0);
    add_batch(db, 0);
    CHECK_INT(batches(reader), 0);
    CHECK_INT(db_commit(db, &why), 0);
    CHECK_INT(batches(reader), 1);
    CHECK(access("job.db-wal", F_OK) < 0 && access("job.db-shm", F_OK) < 0);
    db_close(db);
    db_close(reader);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        db = open_db(false);
        CHECK_INT(db_begin(db, &why), 0);
        for (uint64_t id = 1; id < 3000; id++) /* more than its cache holds: pages are in the file already */
            add_batch(db, id);
        raise(SIGKILL);
    }
    CHECK_INT(waitpid(pid, NULL, 0), pid);
    reader = open_db(true);
    CHECK_INT(batches(reader), 1);
    db_close(reader);
    db = open_db(false);
    CHECK_INT(batches(db), 1);
    db_close(db);
}

TEST(a_job_that_moves_between_file_systems_changes_its_journal)
{
    struct db *db;
    CLEANUP(freep) char *there = NULL, *here = NULL;
    if (test_shell(NULL, "command -v sqlite3"))
        test_skip("no sqlite3 here");
    CHECK_INT(db_create("job.db", &db, &why), 0);
    add_batch(db, 0);
    db_close(db);
    share_no_memory();
    db = open_db(false);
    add_batch(db, 1);
    CHECK_INT(batches(db), 2);
    db_close(db);
    there = journal_of("job.db");
    CHECK_STR(there, "delete"); /* what a file that is not in WAL mode says of itself */
    share_memory_again();
    db = open_db(false);
    CHECK_INT(batches(db), 2);
    db_close(db);
    here = journal_of("job.db");
    CHECK_STR(here, "wal");
}

TEST(network_file_systems_are_known_by_their_numbers)
{
    struct statfs here;
    CHECK(filesystem_type_is_remote(0x6969) && filesystem_type_is_remote(0xff534d42) && filesystem_type_is_remote(0x0bd00bd0));
    CHECK(filesystem_type_is_remote((unsigned long)(long)(int)0xff534d42)); /* f_type may be signed */
    CHECK(!filesystem_type_is_remote(0xef53) && !filesystem_type_is_remote(0x01021994));
    CHECK_INT(statfs(".", &here), 0);
    CHECK_INT(filesystem_is_remote("."), filesystem_type_is_remote((unsigned long)here.f_type));
    CHECK(!filesystem_is_remote("not there"));
}

/* ---- the whole ---- */

/* The coordinator's command in a process that has the poor file system. */
static void begin(struct process *process, const char *name, int (*command)(int, char **), const char *const *arguments)
{
    int argc = 0;
    while (arguments[argc])
        argc++;
    *process = (struct process){ 0 };
    snprintf(process->name, sizeof(process->name), "%s", name);
    fflush(NULL);
    process->pid = fork();
    if (process->pid)
        return;
    char path[80];
    snprintf(path, sizeof(path), "%s.err", name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    dup2(fd, STDERR_FILENO);
    dup2(fd, STDOUT_FILENO);
    share_no_memory();
    int status = command(argc, (char **)arguments);
    fflush(NULL);
    _exit(status);
}

static int end(const char *name, int (*command)(int, char **), const char *const *arguments)
{
    struct process process;
    begin(&process, name, command, arguments);
    return process_end(&process);
}

TEST(a_job_without_wal_is_killed_resumed_and_looked_at_like_any_other)
{
    struct daemon daemon;
    struct process run;
    CHECK_INT(COORDINATE("expected", "run", "--engine", "sim", "--job", "expected", "sim:1500"), 0);
    WORKER(&daemon, "daemon", "--engine", "sim", "--engine-threads", "1", "--sim-cost-us", "1000");
    write_node("nodes", &daemon);
    begin(&run, "run", command_run, ARGV("run", "--nodes", "nodes", "--batch", "10", "--job", "job", "sim:1500"));
    WAIT_FOR(job_done("job") > 100); /* `status`, beside it */
    CHECK(access("job/job.db-wal", F_OK) < 0);
    process_signal(&run, SIGKILL);
    process_end(&run);
    long done = job_done("job");
    CHECK(done > 100 && done < 1500);
    CHECK_INT(end("resume", command_resume, ARGV("resume", "--nodes", "nodes", "job")), 0);
    check_same_file("job/predictions.jsonl", "expected/predictions.jsonl");
    /* And what the worker still had in its engine for the coordinator that was killed. */
    long computed = images_computed("job");
    CHECK(computed >= 1500 - done && computed <= 1500 - done + 80);
    daemon_stop(&daemon);
}
