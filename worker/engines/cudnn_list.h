/* cudnn_list.h: which GPUs of a machine are meant: "0,1", "all", or the first.
 *
 * Threads:   no state.
 * Ownership: plain memory.
 * Errors:    -ENODEV for a GPU that is not there, -EINVAL for a list that is none; the sentence says which and how many there are. */
#pragma once

#include "worker/engines/gpu.h"

#define DEVICES_MAX 16

struct device_list {
    int count, numbers[DEVICES_MAX];
};

/* Into zeroed memory. NULL and "" mean device 0. */
int device_list_read(struct device_list *it, const struct gpu_ops *ops, const char *list, struct why *why);
