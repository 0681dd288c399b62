/* onednn_stream.h: one single-threaded walk through the network, with memory of its own [dnnl.h].
 *
 * Threads:   a stream belongs to the thread that made it.
 * Ownership: init allocates everything, done frees it; run allocates nothing of ours. The net must outlive the stream.
 * Errors:    as in onednn_net.h. */
#pragma once

#include "worker/engines/onednn_net.h"

struct onednn_stream {
    const struct onednn_net *net;
    dnnl_stream_t stream;
    struct pages pages;
    void *memory[NETWORK_LAYERS_MAX + 2]; /* the arenas, then the scratchpad; in pages */
    dnnl_memory_t scratch;
    dnnl_memory_t sources[ONEDNN_STEPS_MAX], targets[ONEDNN_STEPS_MAX];
    void *image;         /* (batch, height, width, 3) f32; in int8 (batch, height + 2 * padding, width + 2 * padding, 3) u8 */
    const float *output; /* (batch, classes), or (batch, features) when the net does not classify; valid until the next run */
    uint8_t border[3];   /* the pixel around the image, in int8 */
    engine_observer *observe; /* NULL, or called with what each layer leaves behind; set after init */
    void *observed;
    float input[3][256]; /* a pixel's value as the network sees it: (pixel / 255 - mean) / std */
};

int onednn_stream_init(struct onednn_stream *stream, const struct onednn_net *net, const float mean[3], const float std[3],
                       struct why *why);
/* Accepts zeroed memory and what a failed init left. */
void onednn_stream_done(struct onednn_stream *stream);

/* Runs `n` images (n, height, width, 3); the rest of the batch is zeros. */
int onednn_stream_run(struct onednn_stream *stream, const uint8_t *pixels, int n, struct why *why);
