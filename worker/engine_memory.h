/* engine_memory.h: will an engine fit into the memory that the worker may hold? Asked before it is opened: an engine that does not fit ends the process, and
 * how large the images are, the coordinator says.
 *
 * Threads:   any; no state.
 * Ownership: the opened engines are the caller's.
 * Errors:    -EINVAL with a sentence that names the options to change. */
#pragma once

#include "proto/tuning.h"
#include "worker/engines.h"

/* `resident`: what this process holds without it. An engine that cannot say what it needs fits. */
int engine_memory_check(const struct engine_ops *ops, const struct engine_spec *spec, const struct tuning *tuning, uint64_t resident, struct why *why);

/* Opens the engine of --engine, if it fits. */
int engine_memory_open(const struct engine_spec *spec, const struct tuning *tuning, uint64_t resident, struct engines_opened *ret, struct why *why);
