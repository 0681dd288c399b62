/* preload.h: a library of tests/preload in front of libc, for the programs that are started from now on.
 *
 *     preload("clock", "SLEDDOG_CLOCK", "7200");
 *     COORDINATE(...);
 *     preload_none();
 *
 * Threads:   a test's only one. Errors: fail the test; skips it where a sanitizer must be the first library. */
#pragma once

/* Its orders are in the environment: `variable`, NULL where it takes none. */
void preload(const char *name, const char *variable, const char *orders);
void preload_none(void);
