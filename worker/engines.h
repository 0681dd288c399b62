/* engines.h: finds an engine by name, loads its plugin if it is one, and opens it.
 *
 * Plugins (sleddog-engine-NAME.so) are looked for in $SLEDDOG_ENGINES if that is set, else beside the running program, then in
 * ../lib/sleddog from there. They stay loaded until the process ends.
 *
 * Threads:   call from anywhere.
 * Ownership: the opened engine is the caller's: ops->close(engine).
 * Errors:    -ENOENT no such engine or plugin, -ENOEXEC a plugin that cannot be used, -ENODEV no device for it; or what its
 *            open() says. */
#pragma once

#include "worker/engine.h"

struct engines_opened {
    const struct engine_ops *ops;
    struct engine *engine;
};

/* The i-th name ("cudnn", "onednn", "sim"), NULL after the last. */
const char *engines_name(int i);

/* `name`: one of them, or "auto": cudnn where its plugin and a device are, else onednn. */
int engines_find(const char *name, const struct engine_ops **ret, struct why *why);

/* 0 where there is no driver for GPUs, or one and a GPU that can be used; else why it cannot, of which a person who wrote "auto" should hear. */
int engines_gpu_unused(struct why *why);

/* Whether the engine of this name computes on a GPU; if none here can, why not. */
bool engines_on_gpu(const char *name, struct why *why);

/* engines_find(), then open(). */
int engines_open(const char *name, const struct engine_spec *spec, struct engines_opened *ret, struct why *why);
