/* engine.h: the interface between the pipeline and whatever does the arithmetic. All of it.
 *
 * An engine is a network with its weights, prepared for one image size and one batch size on one device.
 * The pipeline acquires a slot, lets decode threads write pixels into it, submits it, and waits for rows:
 *
 *     open --> [ slot_acquire --> (pixels) --> submit --> wait --> (rows) --> slot_release ]* --> close
 *
 * Threads:   slot_acquire, submit and slot_release may be called by any thread; wait by one thread at a time. open is slow
 *            (layouts, plans, warm-up); nothing between open and close allocates memory. Several engines may be
 *            open in one process.
 * Ownership: the engine owns its slots and all the memory in them; a slot is lent from acquire to release, and its rows
 *            are valid from wait to release. The spec, its network and its weights need to live only during open,
 *            unless the engine says otherwise in its own documentation.
 * Errors:    negative errno, with a sentence in `why`. After an error from submit or wait the engine is broken: close it. -ENOTRECOVERABLE
 *            means that no engine of this process will reach the device again, and that a new process may.
 * Numerics:  the rows of an image depend on its pixels and on the engine (its fingerprint), never on its place in the
 *            batch or on its neighbours. A partial batch is padded by the engine itself. */
#pragma once

#include "common/why.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct network;
struct ranges;
struct weights;

#define ENGINE_SIM_CLASSES 1000 /* of `sim`, which has no weights that say how many */

enum emit {
    EMIT_TOPK,     /* the `top` most probable classes */
    EMIT_LOGITS,   /* those, and every class's logit */
    EMIT_FEATURES, /* the pooled features in front of `fc`, and no classes */
};

enum precision {
    PRECISION_AUTO,
    PRECISION_F32,
    PRECISION_F16,
    PRECISION_BF16,
    PRECISION_INT8,
};

/* `values`: activation `activation` of the layer table, of `images` images, `count` numbers in all, the channels of a pixel side by side; what the
 * observer leaves in them is what the next layers read. Several streams call at once. */
typedef void engine_observer(void *observed, int activation, float *values, size_t count, int images);

struct engine_spec {
    const struct network *network; /* the layer table; NULL for an engine that does no arithmetic */
    const struct weights *weights; /* validated against the network by the engine; may be NULL likewise */
    int height, width;             /* of the crop, pixels */
    float mean[3], std[3];         /* input = (pixel / 255 - mean) / std, R G B; 0 and 1 for none */
    int classes;                   /* outputs of `fc`; 0: as many as the weights have (`sim`: ENGINE_SIM_CLASSES) */
    enum emit emit;
    int top;                       /* 1..classes; predictions a row */
    enum precision precision;      /* AUTO: what is fastest and agrees with f32; a CPU takes int8 when there are ranges */
    const struct ranges *ranges;   /* activation ranges for int8, of these weights and this mean and std; NULL: there are none */
    int recheck;                   /* int8 on a CPU: an image whose second class is within so many % of the first's probability is computed again in
                                    * f32, and its row is that one; 0: none. Features never are: nothing is decided by them */
    engine_observer *observe;      /* called with the image and what each layer leaves behind; NULL, and only a CPU in f32 can */
    void *observed;                /* its first argument */
    int batch;                     /* images a slot; 0: the engine's choice */
    int threads;                   /* single-threaded streams on a CPU; 0: one a core */
    int slots;                     /* how many slots may be lent or submitted at once; 0: the engine's choice */
    const char *device;            /* "0", "0,1" or "all" of several; NULL: the engine's choice */
    const char *plans;             /* folder in which tuned plans are kept; NULL: they are not kept */
    bool no_tuning;                /* the first plan that works, at once, instead of the fastest of all */
    int cost_us;                   /* `sim` only: time an image takes, microseconds */
};

struct engine_info {
    const char *engine;      /* "onednn" */
    char device[128];        /* for people: "Intel Xeon, avx512_core, 2 streams" */
    const char *precision;   /* that was taken: "f32", "f16", "bf16", "int8", "int8+f32" with `recheck`; "none" of an engine that does no arithmetic */
    char fingerprint[256];   /* with the same spec, equal fingerprints give equal bytes: engine, version, precision, batch, ISA */
    int batch;               /* images a slot */
    int slots;
    int threads;
    size_t image_bytes;      /* of one image in a slot: height * width * 3 */
    size_t image_read;       /* how many of them, from the first, the engine looks at: all, but for `sim` */
    int classes;
    int top;                 /* predictions a row (0 with EMIT_FEATURES) */
    size_t values;           /* floats a row: classes (EMIT_LOGITS), features (EMIT_FEATURES) or 0 */
    char note[320];          /* what a person should know, though all is well: "plans are tuned again because ..."; or empty */
};

struct prediction {
    uint32_t index;
    float probability; /* softmax over all classes, f32 */
};

struct engine_slot {
    uint8_t *pixels;                /* (batch, height, width, 3) R G B, u8 */
    int count;                      /* images submitted */
    struct prediction *predictions; /* (count, top), most probable first, lowest index first on a tie */
    float *values;                  /* (count, values) or NULL */
    int rechecked;                  /* images of it that were computed again */
    uint64_t busy_ns;               /* CPU (or device) time this slot took */
    void *user;                     /* the pipeline's */
};

struct engine;

struct engine_ops {
    uint32_t abi; /* ENGINE_ABI */
    const char *name;

    int (*open)(const struct engine_spec *spec, struct engine **ret, struct why *why);
    const struct engine_info *(*info)(const struct engine *engine);

    /* Lends a free slot; waits for one. -EPIPE once interrupted. */
    int (*slot_acquire)(struct engine *engine, struct engine_slot **ret);
    /* Runs the first `n` images (1..batch) of a slot. Does not wait. */
    int (*submit)(struct engine *engine, struct engine_slot *slot, int n, struct why *why);
    /* Waits for the oldest submitted slot. -EPIPE once interrupted and nothing is submitted any more. */
    int (*wait)(struct engine *engine, struct engine_slot **ret, struct why *why);
    void (*slot_release)(struct engine *engine, struct engine_slot *slot);
    /* Wakes whoever waits in slot_acquire or wait; slots already submitted still come out of wait. */
    void (*interrupt)(struct engine *engine);
    /* Every slot must be back. Accepts NULL. */
    void (*close)(struct engine *engine);
    /* One line for `sleddog-worker info`: is there a device for this engine here? 0, or -ENODEV and why not. */
    int (*probe)(char *text, size_t size, struct why *why);
    /* A number that changes as long as it gets on with what was submitted, within a slot too: so a slow engine is told from one that
     * hangs. NULL: it cannot say, and is judged by the longest slot so far. Any thread, between open and close. */
    uint64_t (*moves)(const struct engine *engine);
    /* Bytes of this machine's memory, not of a device's, that an engine of this spec will hold when all its slots are full: asked before open, of a
     * spec whose `classes` are set. What a library takes for itself is not in it. */
    uint64_t (*memory)(const struct engine_spec *spec);
};

#define ENGINE_ABI 5

/* A plugin exports one function of this name and type. */
#define ENGINE_ENTRY_POINT "sleddog_engine"
typedef const struct engine_ops *engine_entry_point(void);
