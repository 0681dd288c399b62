/* clock.h: time, in nanoseconds.
 *
 * Threads: any. Errors: none. */
#pragma once

#include <stdint.h>

#define NS_PER_S  1000000000ull
#define NS_PER_MS 1000000ull
#define NS_PER_US 1000ull

uint64_t clock_now_ns(void);        /* monotonic */
uint64_t clock_thread_cpu_ns(void); /* CPU time of the calling thread */
uint64_t clock_process_cpu_ns(void);
double clock_wall_s(void); /* seconds since 1970, for people */
