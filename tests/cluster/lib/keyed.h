/* keyed.h: workers and coordinators with keys, for tests of who may do what.
 *
 * Threads: the test's. Ownership: texts are the caller's to free. Errors: a test that fails. */
#pragma once

#define SIM "--engine", "sim", "--engine-threads", "1"
#define KEYED "--key", "keys/worker.key", "--authorized", "authorized"
#define WITH_KEYS "--key", "keys/coordinator.key", "--node-key", "keys/worker.pub"

/* Keys for a coordinator and its workers, and for strangers, in "keys"; the coordinator's is in the folder "authorized". */
void make_keys(void);

/* What a job without keys and enemies gives, in "expected". */
void expect_table(const char *images);
