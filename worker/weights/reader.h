/* reader.h: what a weights format has to provide. The table of formats is in weights.c.
 *
 * read() fills in weights->tensors and weights->count from weights->bytes; each name and the array are malloc'ed and belong
 * to `weights` even when read() fails. It need not sort. */
#pragma once

#include "worker/weights/weights.h"

struct weights_reader {
    const char *format;
    bool (*recognise)(const uint8_t *bytes, size_t size);
    int (*read)(struct weights *weights, struct why *why);
};

extern const struct weights_reader safetensors_reader;
extern const struct weights_reader pth_zip_reader;
extern const struct weights_reader pth_legacy_reader;
extern const struct weights_reader pth_tar_reader; /* recognises, and refuses */
