#include "common/thread.h"

#include "common/cleanup.h"
#include "common/clock.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>

static void *enter(void *arg)
{
    struct thread *thread = arg;
    pthread_setname_np(pthread_self(), thread->name);
    thread->run(thread->arg);
    return NULL;
}

int thread_start(struct thread *thread, const char *name, void (*run)(void *arg), void *arg)
{
    snprintf(thread->name, sizeof(thread->name), "%s", name);
    thread->run = run;
    thread->arg = arg;
    static const int faults[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT };
    sigset_t all, old;
    sigfillset(&all);
    for (size_t i = 0; i < ARRAY_SIZE(faults); i++)
        sigdelset(&all, faults[i]); /* a thread's own faults reach their handler */
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int r = pthread_create(&thread->id, NULL, enter, thread);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    thread->running = r == 0;
    return -r;
}

void thread_join(struct thread *thread)
{
    if (thread->running)
        pthread_join(thread->id, NULL);
    thread->running = false;
}

uint64_t thread_cpu_ns(const struct thread *thread)
{
    struct timespec used;
    clockid_t clock;
    if (!thread->running || pthread_getcpuclockid(thread->id, &clock) || clock_gettime(clock, &used) < 0)
        return 0;
    return (uint64_t)used.tv_sec * NS_PER_S + (uint64_t)used.tv_nsec;
}

/* cgroup v2: "QUOTA PERIOD" or "max PERIOD"; 0 when there is no quota */
static int quota_cpus(void)
{
    CLEANUP(fclosep) FILE *file = fopen("/sys/fs/cgroup/cpu.max", "re");
    long quota, period;
    if (!file || fscanf(file, "%ld %ld", &quota, &period) != 2 || period <= 0)
        return 0;
    return (int)((quota + period - 1) / period);
}

int thread_cpus(void)
{
    cpu_set_t set;
    int cpus = sched_getaffinity(0, sizeof(set), &set) ? 1 : CPU_COUNT(&set), quota = quota_cpus();
    if (quota > 0 && quota < cpus)
        cpus = quota;
    return cpus > 0 ? cpus : 1;
}
