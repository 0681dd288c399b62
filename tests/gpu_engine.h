/* gpu_engine.h: the cuDNN engine over the fake gpu, for several test programs.
 *
 * Threads: one. Ownership: engine_close() what engine_open_fake() opened; arrays are the caller's to free. Errors: fail the test. */
#pragma once

#include "tests/engine_run.h"
#include "tests/fake_gpu.h"
#include "worker/network.h"
#include "worker/weights/weights.h"

#define SEEDED_CLASSES 10

/* Every kind of layer, a block with a downsample, grouped, and one without: small enough to be run hundreds of times. */
extern const struct network tiny_network;

struct fake_settings fake_one_device(void);

/* f32, logits, batches of 2, untuned; weights made up, to be closed by the caller. */
struct engine_spec engine_spec_of(const struct network *network, struct weights **weights);

struct engines_opened engine_open_fake(const struct engine_spec *spec);

uint8_t *engine_pixels(const struct engine_spec *spec, int count);

/* Two full slots, both under way before either is waited for; the first error, with its sentence. */
int engine_run_slots(const struct engine_ops *ops, struct engine *engine, struct why *why);
