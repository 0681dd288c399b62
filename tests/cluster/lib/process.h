/* process.h: programs under test as processes, with their output in files and their end in hand.
 *
 *     process_start(&p, "run", ARGV("/path/program", "--option"));   stdout goes to ./run.out, stderr to ./run.err
 *     process_end(&p);                                               waits, returns the exit status
 *
 * They stay in the test's process group, so none outlives the test.
 *
 * Threads:   a test's only one.
 * Ownership: process_out() and process_err() return text to be freed.
 * Errors:    fail the test. Time limits are for the worst case and are multiplied by SLEDDOG_TEST_TIME_SCALE. */
#pragma once

#include "tests/test.h"

#include <sys/types.h>

#define ARGV(...) ((const char *const[]){ __VA_ARGS__, NULL })

struct process {
    char name[64];
    pid_t pid;      /* 0: ended */
    int status;     /* exit status, 128 + N after signal N */
    long peak_kib;  /* most resident memory it had */
    double cpu_s;
};

void process_start(struct process *process, const char *name, const char *const *argv);
bool process_running(struct process *process);
int process_end(struct process *process); /* under a sanitizer it also looks for reports in *.err and *.log */
void process_signal(struct process *process, int number);

char *process_out(const struct process *process);
char *process_err(const struct process *process);

/* Built with a sanitizer: memory and speed mean nothing then. */
bool is_sanitized(void);

/* Seconds, stretched as the environment says. */
double patience(double seconds);
double now_s(void);

/* A short rest between two looks at a condition; fails the test when `until` has passed. */
void rest(double until, const char *file, int line, const char *condition);

#define WAIT_FOR(condition)                                                                  \
    do {                                                                                     \
        for (double until_ = now_s() + patience(40); !(condition);)                          \
            rest(until_, __FILE__, __LINE__, #condition);                                    \
    } while (0)

/* Whether the process's standard error holds this text by now. */
bool process_said(const struct process *process, const char *text);
