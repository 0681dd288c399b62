/* cudnn_device.h: one GPU at work: a network, and lanes on which slots go through it.
 *
 * A lane is a thread with pixels of its own on the device, a stream that copies them there, and the whole network captured as a graph that
 * reads them. All lanes of a device compute on one stream, one after the other; while one computes, the next one copies.
 *
 *     lane:      slots_take --> copy pixels | --> (wait) --> launch graph --> copy rows back --> event --> slots_finish
 *     streams:                  the lane's  |                the device's
 *
 * Threads:   device_open() and device_close() on one thread, which must not be that of a lane; device_start() once.
 * Ownership: device_close() frees everything, also after a failed open; the lanes must have been stopped. Slots are the engine's.
 * Errors:    those of gpu.h. What goes wrong on a lane goes to the slots, and breaks the engine. */
#pragma once

#include "worker/engines/cudnn_net.h"
#include "worker/engines/slots.h"

#define LANES 2 /* slots in flight a device */

struct device;

struct lane {
    struct device *device;
    pthread_t thread;
    bool started;
    struct gpu_stream *stream;
    struct gpu_event *copied, *begun, *done;
    void *pixels;
    struct gpu_graph *graph;
};

struct device {
    struct gpu *gpu;
    struct gpu_stream *stream;
    struct net net;
    pthread_mutex_t lock; /* of the order on the computing stream */
    struct lane lanes[LANES];
    struct slots *slots;
    size_t image_bytes, values; /* a row's */
    int top;
};

/* `number`: of the device in this process. The stream of the options is the device's to fill in. */
int device_open(struct device *device, const struct gpu_ops *ops, int number, const struct engine_spec *spec,
                const struct net_options *options, struct why *why);

/* The lanes begin to take slots whose shapes `info` gives. */
int device_start(struct device *device, struct slots *slots, const struct engine_info *info, struct why *why);

/* Waits for the lanes to end, after slots_stop(), and for what they enqueued; slots are not touched any more. */
void device_stop(struct device *device);
void device_close(struct device *device); /* both accept zeroed memory */

/* Then neither may be called: they would not return, and the device may write to whatever it was given. */
bool device_hangs(const struct device *device);
