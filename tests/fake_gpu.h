/* fake_gpu.h: a gpu (worker/engines/gpu.h) on the CPU, as lazy and as unkind as one may be.
 *
 * Work runs only when somebody waits for it, in the order that streams and events demand and in no other: who forgets to wait sees old
 * bytes. Fresh memory holds NaNs. Every call may be made to fail, or be the last that the device takes to its end; memory may be short, and
 * whatever is not freed is counted. Convolutions are computed in the plain way, in f64, and rounded to the format once. Time is what plans say
 * they take.
 *
 * Threads:   as gpu.h wants; one lock over everything.
 * Ownership: fake_gpu_reset() before an engine is opened and after it is closed.
 * Errors:    those of gpu.h. */
#pragma once

#include "worker/engines/gpu.h"

#define FAKE_DEVICES 4
#define FAKE_PLANS   5 /* of any shape; the last one cannot run */

struct fake_settings {
    int devices;              /* 0: none, and why not */
    int odd_device;           /* is of another kind, if > 0 */
    size_t memory;            /* bytes a device; 0: plenty */
    int major, minor;         /* 0: 9.0 */
    int launches;             /* of the whole network, after which the device is lost; 0: never, -1: at once */
    bool hangs;               /* with that launch, and is not lost */
    int fail_at, fail_code;   /* the n-th call from now on gives this; 0: none */
    int hang_at;              /* from the n-th call on nothing that is enqueued is ever done; 0: none */
    uint64_t patience_ns;     /* how long its user waits for it; 0: long */
    bool last_resort;         /* one more plan, and a slow one, when it is wished for */
    unsigned int unusable;    /* a bit for each plan that can be made and not run, besides the last */
    unsigned int deadly;      /* a bit for each plan with which the device hangs */
    unsigned int greedy;      /* a bit for each plan that wants a byte more of workspace than there is, and is loaded all the same, but not listed */
    bool swallows;            /* a ReLU makes 0 of what is not a number */
};

extern const struct gpu_ops fake_gpu;

/* Forgets counts, and takes on new settings. Fails the test if anything is left over. */
void fake_gpu_reset(const struct fake_settings *settings);

/* After a device that hung, whose things nobody can free. */
void fake_gpu_abandon(void);

/* From the next call on, counted from 1. */
void fake_gpu_fail(int at, int code);
void fake_gpu_hang(int at);

int fake_gpu_calls(void);             /* that may fail */
int fake_gpu_left(void);              /* things not freed */
int fake_gpu_searches(void);          /* plan_list() */
int fake_gpu_checks(void);            /* activations that were looked through for what is not finite */
int fake_gpu_launches(int device);    /* of the whole network */
const char *fake_gpu_failed(void);    /* the call that was made to fail; "" */
