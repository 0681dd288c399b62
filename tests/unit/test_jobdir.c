#include "coordinator/jobdir.h"

#include "common/program.h"
#include "tests/test.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct why why;

static struct spec sample(char **sources)
{
    sources[0] = (char *)"sim:5";
    char *empty = (char *)"";
    return (struct spec){ .job = (char *)"id", .version = empty, .sources = sources, .source_count = 1, .folder = empty, .weights = empty,
                          .weights_sha256 = empty, .labels = empty, .labels_sha256 = empty, .truth = empty, .preset = empty, .resize = 256, .crop = 224, .top = 5,
                          .batch = 60, .output = empty, .formats = empty, .precision = (char *)"auto" };
}

static int create(const char *path, struct jobdir *dir, struct db **db)
{
    char *sources[1];
    struct spec spec = sample(sources);
    *dir = (struct jobdir){ .fd = -1 };
    return jobdir_create(path, &spec, dir, db, &why);
}

static void make_job(const char *path)
{
    struct jobdir dir;
    struct db *db;
    int r = create(path, &dir, &db);
    if (r < 0)
        test_fail(__FILE__, __LINE__, "%d %s", r, why.text);
    db_close(db);
    jobdir_close(&dir);
}

static int open_job(const char *path)
{
    struct jobdir dir = { .fd = -1 };
    struct db *db;
    struct spec *spec;
    int r = jobdir_open(path, &dir, &db, &spec, &why);
    if (r < 0) {
        CHECK(dir.fd < 0 && !dir.path);
        return r;
    }
    CHECK_STR(spec->job, "id");
    spec_free(spec);
    db_close(db);
    jobdir_close(&dir);
    return 0;
}

TEST(a_job_is_made_with_its_folders_and_can_be_opened)
{
    struct jobdir dir;
    struct db *db;
    char *epoch, here[PATH_MAX], full[PATH_MAX + 16];
    CHECK_INT(create("a/b//c/", &dir, &db), 0);
    snprintf(full, sizeof(full), "%s/a/b/c", getcwd(here, sizeof(here)));
    CHECK_STR(dir.path, full);
    CHECK_INT(db_get(db, "epoch", &epoch, &why), 0);
    CHECK_STR(epoch, "1");
    free(epoch);
    db_close(db);
    jobdir_close(&dir);
    jobdir_close(&dir);
    CHECK_INT(open_job("a/b/c"), 0);
    CHECK(access("a/b/c/job.db.new", F_OK) < 0);
}

TEST(a_folder_with_a_job_takes_no_other)
{
    program_remember("sleddog-coordinator", NULL);
    struct jobdir dir;
    struct db *db;
    make_job("job");
    CHECK_INT(create("job", &dir, &db), -EEXIST);
    CHECK_STR(why.text, "job: holds this job already; go on with it: sleddog-coordinator resume job");
    char *sources[1];
    struct spec other = sample(sources);
    other.preset = (char *)"article";
    dir = (struct jobdir){ .fd = -1 };
    CHECK_INT(jobdir_create("job", &other, &dir, &db, &why), -EEXIST);
    CHECK_STR(why.text, "job: holds another job already: the preset is the default, not article; choose another --job, or go on with that one: "
                        "sleddog-coordinator resume job");
    CHECK_INT(open_job("job"), 0); /* and is not locked by the attempt */
}

TEST(a_job_that_was_half_made_is_made_anew)
{
    CHECK_INT(test_shell(NULL, "mkdir job && for f in '' -wal -shm; do echo half >job/job.db.new$f; done"), 0);
    CHECK_INT(open_job("job"), -ENOENT);
    CHECK_CONTAINS(why.text, "is this a job directory?");
    make_job("job");
    CHECK_INT(open_job("job"), 0);
}

TEST(what_is_no_job_is_told)
{
    struct jobdir dir;
    struct db *db;
    CHECK_INT(open_job("missing"), -ENOENT);
    CHECK_CONTAINS(why.text, "missing: No such file or directory; a job directory is meant");
    test_write_file("file", "x", 1);
    CHECK_INT(open_job("file"), -ENOTDIR);
    CHECK_INT(create("file", &dir, &db), -ENOTDIR);
    CHECK_INT(create("file/below", &dir, &db), -ENOTDIR);
    CHECK_CONTAINS(why.text, "file");
    CHECK_INT(create("", &dir, &db), -EINVAL);
    char path[PATH_MAX + 10];
    memset(path, 'x', sizeof(path));
    path[sizeof(path) - 1] = '\0';
    CHECK_INT(create(path, &dir, &db), -ENAMETOOLONG);
    CHECK_INT(test_shell(NULL, "mkdir job && echo noise >job/job.db"), 0);
    CHECK_INT(open_job("job"), -EBADMSG);
    CHECK(dir.fd < 0);
}

/* A process that holds the lock until its end of the pipe is closed. */
static pid_t lock_elsewhere(const char *path, int *ret_end)
{
    int ready[2], end[2];
    char c;
    CHECK(pipe(ready) == 0 && pipe(end) == 0);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        struct jobdir dir = { .fd = -1 };
        struct db *db;
        struct spec *spec;
        close(end[1]);
        if (jobdir_open(path, &dir, &db, &spec, &why) < 0)
            _exit(1);
        (void)!write(ready[1], "x", 1);
        (void)!read(end[0], &c, 1);
        _exit(0);
    }
    CHECK_INT(read(ready[0], &c, 1), 1);
    *ret_end = end[1];
    return pid;
}

TEST(a_running_job_is_one_processs_and_can_be_looked_at)
{
    int end;
    char who[300], expected[100];
    program_remember("sleddog-coordinator", NULL);
    make_job("job");
    CHECK(!jobdir_is_running("job", who, sizeof(who)));
    pid_t pid = lock_elsewhere("job", &end);
    CHECK(jobdir_is_running("job", who, sizeof(who)));
    snprintf(expected, sizeof(expected), "process %d on ", (int)pid);
    CHECK_CONTAINS(who, expected);
    CHECK_INT(open_job("job"), -EBUSY);
    CHECK_CONTAINS(why.text, "job: process ");
    CHECK_CONTAINS(why.text, who);
    CHECK_CONTAINS(why.text, " runs this job; wait for it or end it, and see sleddog-coordinator status job");
    struct jobdir dir;
    struct db *db;
    struct spec *spec;
    CHECK_INT(create("job", &dir, &db), -EBUSY);
    CHECK_INT(jobdir_read("job", &db, &spec, &why), 0);
    CHECK_STR(spec->sources[0], "sim:5");
    spec_free(spec);
    db_close(db);
    close(end);
    CHECK_INT(waitpid(pid, NULL, 0), pid);
    CHECK(!jobdir_is_running("job", who, sizeof(who)) && !jobdir_is_running("missing", who, sizeof(who)));
    CHECK_INT(open_job("job"), 0);
}

/* Looking used to lock for a moment. */
TEST(looking_never_stands_in_the_way_of_running)
{
    char who[300];
    make_job("job");
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        for (;;)
            jobdir_is_running("job", who, sizeof(who));
    for (int i = 0; i < 300; i++)
        CHECK_INT(open_job("job"), 0);
    kill(pid, SIGKILL);
    CHECK_INT(waitpid(pid, NULL, 0), pid);
}

TEST(what_a_dead_process_wrote_about_its_nodes_goes_when_the_job_goes_on)
{
    make_job("job");
    test_write_file("job/status.json", "{}", 2);
    CHECK_INT(open_job("job"), 0);
    CHECK(access("job/status.json", F_OK) < 0);
}

/* ---- what addresses hide ---- */

static void check_file_lacks(const char *path, const char *part)
{
    size_t size;
    char *text = test_read_file(path, &size);
    CHECK(!memmem(text, size, part, strlen(part)));
    free(text);
}

TEST(queries_and_passwords_of_a_job_are_in_a_file_that_only_its_owner_may_read)
{
    char *sources[2];
    struct spec spec = sample(sources), *read;
    struct jobdir dir = { .fd = -1 };
    struct db *db;
    struct stat status;
    umask(0);
    sources[1] = (char *)"https://me:pass@host/a.jpg?X-Amz-Signature=hush";
    spec.source_count = 2;
    spec.weights = (char *)"https://host/model.pth?sig=hush";
    CHECK_INT(jobdir_create("job", &spec, &dir, &db, &why), 0);
    db_close(db);
    jobdir_close(&dir);
    CHECK_INT(stat("job/private.db", &status), 0);
    CHECK_INT(status.st_mode & 0777, 0600);
    check_file_lacks("job/job.db", "hush");
    check_file_lacks("job/job.db", "pass@");
    CHECK_INT(jobdir_read("job", &db, &read, &why), 0);
    CHECK_STR(read->sources[1], "https://host/a.jpg?...");
    CHECK_STR(read->weights, "https://host/model.pth?...");
    spec_free(read);
    db_close(db);
    CHECK_INT(jobdir_open("job", &dir, &db, &read, &why), 0);
    CHECK_STR(read->sources[0], "sim:5");
    CHECK_STR(read->sources[1], sources[1]);
    CHECK_STR(read->weights, spec.weights);
    spec_free(read);
    db_close(db);
    jobdir_close(&dir);
    CHECK_INT(jobdir_create("job", &spec, &dir, &db, &why), -EEXIST);
    CHECK_CONTAINS(why.text, "holds this job already");
    sources[1] = (char *)"https://host/b.jpg?X-Amz-Signature=hush";
    CHECK_INT(jobdir_create("job", &spec, &dir, &db, &why), -EEXIST);
    CHECK_CONTAINS(why.text, "the source is https://host/a.jpg?..., not https://host/b.jpg?...");
    CHECK_INT(unlink("job/private.db"), 0);
    CHECK_INT(jobdir_open("job", &dir, &db, &read, &why), -ENODATA);
    CHECK_CONTAINS(why.text, "private.db: is missing");
}

TEST(a_lock_that_is_a_link_is_not_followed)
{
    struct jobdir dir;
    struct db *db;
    test_write_file("elsewhere", "of others", 9);
    CHECK_INT(mkdir("job", 0777), 0);
    CHECK_INT(symlink("../elsewhere", "job/job.lock"), 0);
    CHECK_INT(create("job", &dir, &db), -ELOOP);
    CHECK_CONTAINS(why.text, "job/job.lock: ");
    CHECK_INT(unlink("job/job.lock"), 0);
    make_job("job");
    CHECK_INT(unlink("job/job.lock"), 0);
    CHECK_INT(symlink("../elsewhere", "job/job.lock"), 0);
    CHECK_INT(open_job("job"), -ELOOP);
    char *text = test_read_file("elsewhere", NULL);
    CHECK_STR(text, "of others");
    free(text);
}
