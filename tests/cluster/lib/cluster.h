/* cluster.h: Sleddog's own programs as processes: coordinators with their job, workers on free ports, node lists.
 *
 *     COORDINATE("run", "--local", "2", "--job", "job", "photos")    runs it to its end, returns the exit status
 *     BEGIN(&process, "run", ...)                                    leaves it running
 *     WORKER(&daemon, "one", "--engine", "sim")                      returns when it listens
 *     write_nodes("nodes", &daemons, 3)
 *
 * Threads, errors: as process.h.
 * Ownership: texts returned are to be freed. */
#pragma once

#include "tests/cluster/lib/process.h"

struct daemon {
    struct process process;
    int port;
};

/* "run.out" and "run.err" hold what a coordinator called "run" printed. */
void coordinator_begin(struct process *process, const char *name, const char *const *arguments);
int coordinate(const char *name, const char *const *arguments);
#define BEGIN(process, name, ...)  coordinator_begin(process, name, ARGV(__VA_ARGS__))
#define COORDINATE(name, ...)      coordinate(name, ARGV(__VA_ARGS__))

/* Listens on a free port of 127.0.0.1 (of what --listen among the arguments says), or on the `port` it had before when that is not 0. */
void daemon_start(struct daemon *daemon, const char *name, int port, const char *const *arguments);
/* `program`: below the folder of the build. */
void daemon_start_as(struct daemon *daemon, const char *program, const char *name, int port, const char *const *arguments);
/* Of another version of the protocol; for tests whose Makefile rule asks for it. */
#define OTHER_WORKER "tests/other/sleddog-worker"
#define WORKER(daemon, name, ...)  daemon_start(daemon, name, 0, ARGV(__VA_ARGS__))
/* What workers that are killed leave behind stays in the test's folder. daemon_start() does it. */
void choose_runtime_folder(void);
/* SIGTERM, and it ends with status 0. */
void daemon_stop(struct daemon *daemon);

void write_nodes(const char *path, const struct daemon *const *daemons, int count);
void write_node(const char *path, const struct daemon *daemon); /* a list of one */
void write_text(const char *path, const char *text);

char *read_text(const char *path);
void check_contains(const char *path, const char *part);
void check_lacks(const char *path, const char *part);
void check_same_file(const char *a, const char *b);

/* Images that a job has safe by now, as `status` says; 0 while there is no job. */
long job_done(const char *job);

/* The processes of --local. Returns how many it wrote. */
int workers_of(const struct process *process, pid_t *ret, int size);

/* No such process, or only its remains that nobody has collected. */
bool is_gone(pid_t pid);

/* What all nodes of a run did, by JOB/summary.json. */
long images_done_by_nodes(const char *job);

/* Images that an engine computed in the last run of this job. */
long images_computed(const char *job);
