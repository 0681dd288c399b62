/* thread.h: named, joinable threads that leave signals to the loop.
 *
 * Threads:   thread_start() and thread_join() belong to the owner.
 * Ownership: a struct thread is embedded; thread_join() must follow a successful start. Joining one that was never started
 *            does nothing.
 * Errors:    negative errno from pthread_create. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct thread {
    pthread_t id;
    bool running;
    char name[16]; /* shown by top -H */
    void (*run)(void *arg);
    void *arg;
};

/* All signals are blocked in the new thread, but for those that its own faults raise. */
int thread_start(struct thread *thread, const char *name, void (*run)(void *arg), void *arg);
void thread_join(struct thread *thread);

/* CPU time that it has used; 0 when it is gone. For its owner. */
uint64_t thread_cpu_ns(const struct thread *thread);

/* How many CPUs this process may use (affinity and cgroup quota), at least 1. */
int thread_cpus(void);
