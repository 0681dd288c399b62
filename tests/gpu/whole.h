/* whole.h: what is tried in the captured network as a whole, since a layer by itself finds other things in the cache than in the network.
 *
 * Threads:   one.
 * Ownership: the device is the caller's, opened.
 * Errors:    as in gpu.h. */
#pragma once

#include "worker/engines/cudnn_device.h"

/* Milliseconds of steps `first` to `last` - 1, `runs` times in one graph, a run; first -1: with the normalising in front. */
int whole_time(struct device *device, int first, int last, int runs, double *ret_ms, struct why *why);

/* For each shape the `rivals` fastest plans by themselves, each in the whole network; prints "whole MS NAME PLAN" for all, and keeps the fastest. */
int whole_rivals(struct device *device, int rivals, struct why *why);

/* Prints "split BATCH MS": the layers up to the end of the second stage, for that many images. */
int whole_split(struct device *device, struct why *why);
