/* verify.h: are the answers of this machine PyTorch's? Built-in images and a network that makes itself, against numbers that Pillow, torchvision
 * and PyTorch gave once (verify.def; a test has them judged again).
 *
 * Threads:   any; it opens engines of its own, each with one thread.
 * Ownership: nothing is kept. It takes about 150 MB and a second or two meanwhile.
 * Errors:    negative errno when there is nothing to judge: no engine, `sim`, no memory. Wrong answers are no error but a result. */
#pragma once

#include "common/why.h"
#include "proto/tuning.h"

struct verify_result {
    int checks, wrong;
    char fingerprint[512]; /* of the engine on that network, and of the decoders: equal ones give equal numbers. "": none, there was no engine */
    char text[512]; /* one line: what was checked with which engine, or the first thing that is wrong */
};

/* `tell` hears each check as a line; may be NULL. */
int verify(const struct tuning *tuning, void (*tell)(bool good, const char *line), struct verify_result *ret, struct why *why);
