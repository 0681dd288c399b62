/* calibration.h: measures activation ranges: f32 over images of a folder, then the way of clipping whose int8 agrees best with f32 on others,
 * and the widths that fit.
 *
 * Of every four images three are looked at and one judges. What is measured is engine-neutral; both runs are on the CPU.
 *
 * Threads:   one thread; the engines have their own.
 * Ownership: the result is the caller's: ranges_done().
 * Errors:    negative errno with a sentence. */
#pragma once

#include "worker/calibration/agreement.h"
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
    void (*tell_fitting)(void);   /* widths are being fitted, which takes long; may be NULL */
};

int calibrate(const struct calibration_spec *spec, struct ranges *ret, struct agreement *ret_agreement, struct why *why);
