/* crash.h: when a thread faults, its crumb says so before the process dies.
 *
 * A handler for SIGSEGV, SIGBUS, SIGILL, SIGFPE and SIGABRT marks the crumb of the thread (crumbs_mark()), puts back what
 * was there before, and lets the signal happen again: so there is the usual exit status, and a core file if one was wanted. A signal that
 * another process sent marks nothing.
 *
 * Threads:   crash_watch() once, before threads are started; crash_thread() in each thread that has a crumb.
 * Ownership: the crumbs must outlive the threads; crash_ignore() before they are closed.
 * Errors:    none: without a handler all crumbs are suspects. */
#pragma once

#include "worker/crumbs.h"

#define CRASH_STACK 32768 /* bytes; a fault may be a stack that overflowed */

void crash_watch(struct crumbs *marked);
void crash_ignore(void);

/* `crumb` (may be NULL) is what this thread works on; `stack`, CRASH_STACK bytes of the thread's first frame, is what the handler runs on. */
void crash_thread(struct crumb *crumb, void *stack);
