/* moments.h: coordinators that die, or whose disk fails, at a moment that is a number and not a time: tests/preload/fault.c counts and hits.
 *
 *     long count = moments(24);                      how many to try; SLEDDOG_MOMENTS=N says otherwise
 *     coordinate_with("kill 17", ARGV("run", ...))   exit status; what it says is in "run.out" and "run.err"
 *
 * Threads:   a test's only one. Errors: fail the test; a fault skips it under a sanitizer. */
#pragma once

/* Also chooses what moments_below() gives from now on: always the same, but for SLEDDOG_SEED. */
long moments(long usual);
/* The `i`-th of `count` moments among `changes`, from 1: spread over all of them, the first and the last themselves among them. */
long moments_at(long i, long count, long changes);
long moments_below(long bound); /* 0 <= n < bound; 0 when that is less than 2 */

/* `fault`: as fault.c describes them, without the program; "" for none. */
int coordinate_with(const char *fault, const char *const *arguments);
