/* test_crumbs.c: what a process was working on when it died, as the next one on the same file finds it. Each death is a real one, of a child. */
#include "worker/crash.h"

#include "common/thread.h"
#include "tests/cluster/lib/process.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define JOB   0xfeedu
#define BATCH 7

/* A work that has only what a crumb needs. */
struct scene {
    struct crumbs *crumbs;
    struct task tasks[8];
    struct work work;
};

static void open_scene(struct scene *scene)
{
    struct suspects none;
    struct why why;
    *scene = (struct scene){ .work = { .job = JOB, .batch = BATCH, .count = 8 } };
    scene->work.tasks = scene->tasks;
    for (int i = 0; i < 8; i++)
        scene->tasks[i].work = &scene->work;
    CHECK_INT(crumbs_open("c", &scene->crumbs, &none, &why), 0);
    CHECK_INT(none.count, 0);
}

/* Item 1 is being decoded, 2 waits, 3 and 4 are in the engine, 5 is on its way there. */
static void leave_some(struct scene *scene)
{
    crumb_leave(crumbs_decoder(scene->crumbs, 0), &scene->tasks[1], CRUMB_DECODE, 1);
    crumb_leave(crumbs_decoder(scene->crumbs, 1), &scene->tasks[2], CRUMB_WAIT, 1);
    crumb_leave(crumbs_decoder(scene->crumbs, 2), &scene->tasks[5], CRUMB_DECODE, 1);
    crumb_leave(crumbs_decoder(scene->crumbs, 3), &scene->tasks[6], CRUMB_DECODE, 1);
    crumb_sweep(crumbs_decoder(scene->crumbs, 3));
    for (size_t i = 3; i <= 5; i++)
        crumb_leave(crumbs_engine(scene->crumbs, i), &scene->tasks[i], CRUMB_ENGINE, 0);
}

/* Lets a child die; returns how. */
static int let_die(void (*live)(struct scene *scene))
{
    int status;
    fflush(NULL);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        struct scene scene;
        open_scene(&scene);
        leave_some(&scene);
        live(&scene);
        _exit(0);
    }
    CHECK_INT(waitpid(child, &status, 0), child);
    return status;
}

static void expect(int count, const uint32_t *items, const char *stage)
{
    struct crumbs *crumbs;
    struct suspects suspects;
    struct rec_suspect found[8];
    struct why why;
    CHECK_INT(crumbs_open("c", &crumbs, &suspects, &why), 0);
    CHECK_INT(suspects.count, count);
    CHECK_INT(suspects_of(&suspects, JOB, found), count);
    for (int i = 0; i < count; i++) {
        CHECK_INT(found[i].batch, BATCH);
        CHECK_INT(found[i].item, items[i]);
        if (stage)
            CHECK_STR(found[i].stage, stage);
    }
    suspects_drop(&suspects, JOB + 1);
    CHECK_INT(suspects.count, count);
    suspects_drop(&suspects, JOB);
    CHECK_INT(suspects.count, 0);
    suspects_done(&suspects);
    crumbs_close(crumbs);
    /* It was cleared when it was opened. */
    CHECK_INT(crumbs_open("c", &crumbs, &suspects, &why), 0);
    CHECK_INT(suspects.count, 0);
    crumbs_remove(crumbs);
    crumbs_close(crumbs);
    CHECK(access("c", F_OK) < 0);
}

#define EXPECT(stage, ...) expect((int)ARRAY_SIZE(((uint32_t[]){ __VA_ARGS__ })), (uint32_t[]){ __VA_ARGS__ }, stage)

/* ---- deaths ---- */

static void get_killed(struct scene *scene)
{
    (void)scene;
    kill(getpid(), SIGKILL);
}

TEST(after_a_kill_all_that_was_in_work_is_suspect_and_nothing_that_waited)
{
    int status = let_die(get_killed);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    EXPECT(NULL, 1, 3, 4, 5);
}

static void get_killed_with_a_handler(struct scene *scene)
{
    crash_watch(scene->crumbs);
    kill(getpid(), SIGSEGV); /* as another process might */
    pause();
}

TEST(a_fatal_signal_from_outside_blames_nobody_in_particular)
{
    let_die(get_killed_with_a_handler);
    EXPECT(NULL, 1, 3, 4, 5);
}

static void leave_in_order(struct scene *scene)
{
    crumbs_remove(scene->crumbs);
    crumbs_close(scene->crumbs);
}

TEST(an_orderly_end_leaves_nothing)
{
    CHECK_INT(let_die(leave_in_order), 0);
    CHECK(access("c", F_OK) < 0);
}

/* ---- faults ---- */

static void (*fault)(void);
static struct scene *present;

static void run_decoder(void *arg)
{
    char stack[CRASH_STACK];
    crash_thread(arg, stack);
    fault();
}

static void run_stranger(void *arg)
{
    (void)arg;
    fault();
}

static void fault_in(void (*run)(void *), struct scene *scene, struct crumb *crumb)
{
    struct thread thread;
    present = scene;
    crash_watch(scene->crumbs);
    thread_start(&thread, "faulty", run, crumb);
    thread_join(&thread);
}

static void fault_in_decoder(struct scene *scene)
{
    fault_in(run_decoder, scene, crumbs_decoder(scene->crumbs, 0));
}

static void fault_in_idle_decoder(struct scene *scene)
{
    fault_in(run_decoder, scene, crumbs_decoder(scene->crumbs, 3));
}

static void fault_in_stranger(struct scene *scene)
{
    fault_in(run_stranger, scene, NULL);
}

/* A page that nobody may touch: a fault, but nothing that a sanitizer would see first. */
static void write_nowhere(void)
{
    int *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    *page = 1;
}

static void give_up(void)
{
    abort();
}

static void run_into_nothing(void)
{
    raise(SIGILL);
}

/* Not a tail call, and more than any stack holds. */
static int sink(const volatile char *above, int depth)
{
    volatile char here[4096];
    here[0] = above[0];
    return depth ? sink(here, depth - 1) + here[0] : 0;
}

static void overflow_stack(void)
{
    char top[1] = { 1 };
    sink(top, 1 << 20);
}

/* A sanitizer ends the process its own way, after our handler. */
static void check_ended_by(int status, int number)
{
    CHECK(is_sanitized() ? status != 0 : WIFSIGNALED(status) && WTERMSIG(status) == number);
}

TEST(a_thread_that_faults_is_the_only_suspect)
{
    fault = write_nowhere;
    check_ended_by(let_die(fault_in_decoder), SIGSEGV);
    EXPECT("decode", 1);
    fault = give_up;
    check_ended_by(let_die(fault_in_decoder), SIGABRT);
    EXPECT("decode", 1);
    fault = run_into_nothing;
    check_ended_by(let_die(fault_in_decoder), SIGILL);
    EXPECT("decode", 1);
}

TEST(a_thread_whose_stack_overflows_still_marks_its_crumb)
{
    if (is_sanitized())
        test_skip("a sanitizer has its own stack for this");
    fault = overflow_stack;
    check_ended_by(let_die(fault_in_decoder), SIGSEGV);
    EXPECT("decode", 1);
}

TEST(a_fault_outside_of_any_image_leaves_what_was_in_the_engine)
{
    fault = write_nowhere;
    check_ended_by(let_die(fault_in_stranger), SIGSEGV);
    EXPECT("engine", 3, 4, 5);
    check_ended_by(let_die(fault_in_idle_decoder), SIGSEGV);
    EXPECT("engine", 3, 4, 5);
}

static void fault_twice(void)
{
    crumbs_mark(present->crumbs, crumbs_decoder(present->crumbs, 2));
    write_nowhere();
}

TEST(two_threads_that_fault_at_once_are_both_suspect)
{
    fault = fault_twice;
    let_die(fault_in_decoder);
    EXPECT("decode", 1, 5);
}

/* ---- files that are not ours to read ---- */

static void damage(const char *how)
{
    let_die(get_killed);
    CHECK_INT(test_shell(NULL, "%s", how), 0);
}

static void expect_ignored(const char *part)
{
    struct crumbs *crumbs;
    struct suspects suspects;
    struct why why;
    CHECK_INT(crumbs_open("c", &crumbs, &suspects, &why), 1);
    CHECK_CONTAINS(why.text, part);
    CHECK_CONTAINS(why.text, "c: ");
    CHECK_INT(suspects.count, 0);
    CHECK(crumbs_decoder(crumbs, 0));
    crumbs_remove(crumbs);
    crumbs_close(crumbs);
}

TEST(a_file_with_anything_else_in_it_is_used_again_without_suspects)
{
    damage("truncate -s -1 c");
    expect_ignored("bytes instead of");
    damage("truncate -s +1 c");
    expect_ignored("bytes instead of");
    damage("truncate -s 5 c");
    expect_ignored("bytes instead of");
    damage("printf x | dd of=c conv=notrunc status=none");
    expect_ignored("something else");
    damage("printf '\\377' | dd of=c bs=1 seek=8 conv=notrunc status=none");
    expect_ignored("version");
}

TEST(impossible_items_are_no_suspects)
{
    /* The stage of decoder 0, and the place in the batch of decoder 2. */
    damage("printf '\\377' | dd of=c bs=1 seek=$((64 + 28)) conv=notrunc status=none;"
           "printf '\\377\\377' | dd of=c bs=1 seek=$((64 + 2 * 64 + 24)) conv=notrunc status=none");
    EXPECT("engine", 3, 4, 5);
}

static void expect_refused(int r, const char *part)
{
    struct crumbs *crumbs;
    struct suspects suspects;
    struct why why;
    CHECK_INT(crumbs_open("c", &crumbs, &suspects, &why), r);
    CHECK_CONTAINS(why.text, part);
}

TEST(a_file_that_others_can_reach_is_not_touched)
{
    damage("chmod 666 c");
    expect_refused(-EPERM, "only this user");
    damage("chmod 600 c; ln c d");
    expect_refused(-EPERM, "only this user");
    damage("rm c d; mkfifo -m 600 c");
    expect_refused(-EPERM, "only this user");
    damage("rm c; echo precious > d; chmod 600 d; ln -s d c");
    expect_refused(-ELOOP, "cannot open");
    CLEANUP(freep) char *text = test_read_file("d", NULL);
    CHECK_STR(text, "precious\n");
}

/* A disk that is full later must not end the process. */
TEST(the_file_has_all_its_blocks_from_the_beginning)
{
    struct scene scene;
    struct stat status;
    open_scene(&scene);
    CHECK_INT(stat("c", &status), 0);
    CHECK(status.st_blocks * 512 >= status.st_size && status.st_size > 0);
    crumbs_close(scene.crumbs);
}

TEST(two_processes_do_not_share_a_file)
{
    struct scene scene;
    open_scene(&scene);
    expect_refused(-EBUSY, "another process has it");
    crumbs_close(scene.crumbs);
}

TEST(no_crumbs_can_be_left_where_there_is_nothing)
{
    struct scene scene;
    struct why why;
    open_scene(&scene);
    CHECK(!crumbs_decoder(NULL, 0) && !crumbs_engine(NULL, 0));
    CHECK(crumbs_decoder(scene.crumbs, CRUMBS_DECODERS - 1) && !crumbs_decoder(scene.crumbs, CRUMBS_DECODERS));
    CHECK(crumbs_engine(scene.crumbs, CRUMBS_ALL - CRUMBS_DECODERS - 1) && !crumbs_engine(scene.crumbs, CRUMBS_ALL - CRUMBS_DECODERS));
    crumb_leave(NULL, &scene.tasks[0], CRUMB_DECODE, 0);
    crumb_sweep(NULL);
    crumbs_mark(NULL, NULL);
    crumbs_remove(NULL);
    crumbs_close(NULL);
    crumbs_close(scene.crumbs);
    CHECK_INT(crumbs_anonymous(&scene.crumbs, &why), 0);
    leave_some(&scene);
    CHECK_INT(crumbs_decoder(scene.crumbs, 0)->item, 1);
    crumbs_close(scene.crumbs);
}

/* ---- where ---- */

static void expect_path(const char *endpoint, const char *cache, const char *expected)
{
    char path[256];
    struct why why;
    CHECK_INT(crumbs_path(endpoint, cache, path, sizeof(path), &why), 0);
    CHECK_CONTAINS(path, expected);
    CHECK_STR(path + strlen(path) - 7, ".crumbs");
}

TEST(each_address_has_a_file_of_its_own_where_the_machine_keeps_such_things)
{
    setenv("RUNTIME_DIRECTORY", "/run/a:/run/b", 1);
    setenv("XDG_RUNTIME_DIR", "/tmp", 1);
    expect_path("ipc:///tmp/sock/1", NULL, "/tmp/sock/1.crumbs");
    expect_path("tcp://127.0.0.1:5571", NULL, "/run/a/worker-");
    expect_path("tcp://127.0.0.1:5571", NULL, "-tcp___127.0.0.1_5571.");
    unsetenv("RUNTIME_DIRECTORY");
    setenv("XDG_RUNTIME_DIR", "/proc/self", 1); /* nothing can be made there */
    expect_path("tcp://[::1]:5571", "cache", "cache/worker-");
    CHECK_INT(access("cache", W_OK), 0);
    unsetenv("XDG_RUNTIME_DIR");
    expect_path("ipc://@abstract", "cache", "cache/worker-");
    char small[16];
    struct why why;
    CHECK_INT(crumbs_path("ipc:///a/rather/long/path", NULL, small, sizeof(small), &why), -ENAMETOOLONG);
}

TEST(a_job_and_its_epoch_have_a_number_of_their_own)
{
    CHECK(suspects_job("a", 1) != suspects_job("a", 2));
    CHECK(suspects_job("a", 1) != suspects_job("b", 1));
    CHECK(suspects_job("a", 1) == suspects_job("a", 1));
}
