/* cudnn.h: the cuDNN engine over any gpu: the real one in the plugin, one that computes on the CPU in tests.
 *
 * Threads, ownership, errors: engine.h. */
#pragma once

#include "worker/engines/gpu.h"

struct engine_ops;

/* The engine's functions, which use `gpu` from now on, all over the process. */
const struct engine_ops *cudnn_engine(const struct gpu_ops *gpu);
