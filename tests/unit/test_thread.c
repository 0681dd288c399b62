#include "common/thread.h"

#include "tests/test.h"

#include <signal.h>

struct look {
    struct thread thread;
    sigset_t blocked;
    char name[16];
};

static void look_around(void *arg)
{
    struct look *look = arg;
    pthread_sigmask(SIG_SETMASK, NULL, &look->blocked);
    pthread_getname_np(pthread_self(), look->name, sizeof(look->name));
}

TEST(a_thread_has_its_name_and_leaves_signals_to_others)
{
    struct look look = { 0 };
    sigset_t mine;
    CHECK_INT(thread_start(&look.thread, "a name that is much too long", look_around, &look), 0);
    CHECK(look.thread.running);
    thread_join(&look.thread);
    CHECK(!look.thread.running);
    CHECK_STR(look.name, "a name that is ");
    CHECK(sigismember(&look.blocked, SIGTERM) && sigismember(&look.blocked, SIGINT));
    pthread_sigmask(SIG_SETMASK, NULL, &mine);
    CHECK(!sigismember(&mine, SIGTERM));
}

TEST(joining_what_was_never_started_does_nothing)
{
    struct thread thread = { 0 };
    thread_join(&thread);
    thread_join(&thread);
}

TEST(there_is_a_cpu_and_affinity_counts)
{
    cpu_set_t one;
    CHECK(thread_cpus() >= 1);
    CPU_ZERO(&one);
    for (int cpu = 0; !CPU_COUNT(&one) && cpu < CPU_SETSIZE; cpu++) {
        CPU_SET(cpu, &one);
        if (sched_setaffinity(0, sizeof(one), &one) < 0)
            CPU_CLR(cpu, &one);
    }
    CHECK_INT(thread_cpus(), 1);
}
