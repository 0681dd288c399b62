/* calibration.h: measures activation ranges: f32 over images of a folder, then the way of clipping whose int8 agrees best with f32 on others.
 *
 * Of every four images three are looked at and one judges. What is measured is engine-neutral; both runs are on the CPU.
 *
 * Threads:   one thread; the engines have their own.
 * Ownership: the result is the caller's: ranges_done().
 * Errors:    negative errno with a sentence. */
#pragma once

#include "worker/calibration/clipping.h"
#include "worker/calibration/gallery.h"
#include "worker/weights/weights.h"

struct calibration_spec {
    const struct weights *weights;
    const struct network *network;
    struct preset preset;
    struct gallery *gallery;
    int threads;                  /* of the engine; 0: one a core */
    void (*tell)(const char *clipping, int same, int judges, double error); /* a way was judged; may be NULL */
};

/* How near int8 comes to f32. */
struct agreement {
    int images;
    int same;            /* images whose most probable class is f32's */
    double apart;        /* sum of squares: how much further f32's next most probable classes came to its first, or went from it; in logits */
    int pairs;           /* of classes, in that sum */
};

int calibrate(const struct calibration_spec *spec, struct ranges *ret, struct agreement *ret_agreement, struct why *why);

/* Root mean square of what int8 changes in the distance between the logits of a photo's first class and of its next ones: what decides about top-1. */
double agreement_error(const struct agreement *agreement);
