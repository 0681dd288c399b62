/* system.h: a machine with a systemd of its own on which Sleddog is installed (tests/systemd/boot).
 *
 *     struct system system;
 *     system_boot(&system);                                     skips the test where that cannot be
 *     system_do(&system, "systemctl start sleddog-worker");     must succeed; returns what it printed
 *     system_write(&system, "/etc/sleddog/worker.conf", "engine = sim\n");
 *
 * It vanishes with the test's processes.
 *
 * Threads, errors: as process.h.
 * Ownership: texts returned are to be freed. */
#pragma once

#include "tests/cluster/lib/process.h"

struct system {
    struct process boot;
    pid_t pid; /* of its systemd */
};

void system_boot(struct system *system);

/* A shell command there, as root. */
char *system_do(const struct system *system, const char *format, ...) __attribute__((format(printf, 2, 3)));
int system_try(const struct system *system, char **ret_output, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Folders are made. A `path` of here is where it can be reached from outside. */
void system_write(const struct system *system, const char *path, const char *text);
void system_path(const struct system *system, const char *path, char *ret, size_t size);

/* systemctl show's answer for one property of a unit, and whether it is `value`. */
char *system_property(const struct system *system, const char *unit, const char *property);
bool system_is(const struct system *system, const char *unit, const char *property, const char *value);

/* Whether a unit's journal says this by now. */
bool system_said(const struct system *system, const char *unit, const char *text);
