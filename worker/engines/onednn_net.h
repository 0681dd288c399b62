/* onednn_net.h: the network as a list of oneDNN primitives with their weights [dnnl.h].
 *
 * Everything here is shared by all streams: executing a primitive does not change it, since scratchpads are the stream's own.
 * Activations are f32 or, for a spec with PRECISION_INT8, u8 or both, in nhwc order, and lie in a few arenas that each stream allocates once.
 *
 * Threads:   onednn_net_init() on one thread that is told to use one OpenMP thread; constant afterwards.
 * Ownership: onednn_net_done() frees everything, also after a failed init. The spec is needed only during init.
 * Errors:    -ENOMEM, -ENOTSUP for what oneDNN cannot do, -EIO for its other complaints, -EINVAL for wrong weights. */
#pragma once

#include "common/pages.h"
#include "worker/engine.h"
#include "worker/engines/onednn_int8.h"
#include "worker/engines/onednn_vnni.h"
#include "worker/network.h"

#include <dnnl.h>

#define ONEDNN_STEPS_MAX (2 * NETWORK_LAYERS_MAX) /* a layer, and a copy of what it leaves behind */

struct onednn_step {
    dnnl_primitive_t primitive; /* NULL: `vnni`, or the average over the plane, of u8 */
    struct vnni_conv vnni;      /* a convolution without a primitive; packed is NULL: it is none */
    dnnl_memory_t weight, bias; /* NULL for a pool or a copy */
    struct form form;           /* of what it reads */
    dnnl_memory_desc_t source, target;
    int source_arena, target_arena;
};

struct onednn_net {
    dnnl_engine_t engine;
    struct pages pages; /* with all weights */
    int batch, classes, features;
    int height, width; /* of the image */
    int padding;       /* pixels that are laid around it: in int8, what the first layer would take for zeros */
    int count;
    struct onednn_step steps[ONEDNN_STEPS_MAX];
    int arenas;
    size_t arena_bytes[NETWORK_LAYERS_MAX + 1];
    size_t scratch_bytes;
};

/* `batch` images at a time; without `classify` the network ends at the pooled features. */
int onednn_net_init(struct onednn_net *net, const struct engine_spec *spec, int batch, bool classify, struct why *why);

/* Bytes of its weights, and of the activations of so many streams: scratchpads, which are known when it is there, come on top. spec->classes is set. 0 for what
 * cannot be. */
uint64_t onednn_net_memory(const struct engine_spec *spec, int batch, bool classify, int streams);
void onednn_net_done(struct onednn_net *net);

/* Negative errno for a status, with a sentence: "engine onednn: WHAT: ...". */
int onednn_failed(dnnl_status_t status, const char *what, struct why *why);
