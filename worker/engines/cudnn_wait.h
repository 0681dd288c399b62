/* cudnn_wait.h: waiting for a GPU, but not for ever.
 *
 * A device may stop working and not say so: its kernels never end, and no call fails. Whoever waits looks from time to time and sleeps in between,
 * at most a millisecond, which the other lane's work hides. After gpu->patience_ns the device counts as hung, and as lost.
 *
 * Threads:   any; one that waits learns at once that another found the device hung.
 * Ownership: none taken.
 * Errors:    -ENOTRECOVERABLE for a device that hangs; else those of gpu.h. */
#pragma once

#include "worker/engines/gpu.h"

/* Until it happened. */
int wait_event(struct gpu *gpu, struct gpu_event *event, struct why *why);

/* Until it is empty. */
int wait_stream(struct gpu *gpu, struct gpu_stream *stream, struct why *why);
