/* widths.h: how far the ranges of a network's tensors reach, found by what they do to its answers.
 *
 * The mean square error of a tensor takes every number for as important as another. Answers do not: numbers that are cut off in the first layers matter less than
 * that, and in the last ones more. So tensors of a kind (the first layer's; of each stage those between a block's convolutions, those that blocks
 * leave behind, and those of downsampling branches) are tried together from half to twice as wide, with all other tensors in f32,
 * and rounded for all that read them: ranges belong to no engine, and some engines keep in f32 what others do not. In the last two stages features are those of things, of which other
 * images than those that judge have others: of the widths that cost hardly more than the best one, the widest is taken there.
 *
 * Threads:   one thread.
 * Ownership: none.
 * Errors:    those of the judge. */
#pragma once

#include "worker/calibration/histogram.h"
#include "worker/weights/ranges.h"

/* The error of the answers when the layers with a range that is not 0, 0 round what they leave behind by it. rounded: (network->count), by layer. */
typedef int widths_judge(void *arg, const struct range *rounded, double *ret_error, struct why *why);

/* histograms: (network->count), by layer. Changes the pairs of layers in `of`, by activation, which must be those of struct ranges. No pair gets wider than what its
 * histogram has. */
int widths_choose(const struct network *network, const struct histogram *histograms, widths_judge *judge, void *arg, struct range *of, struct why *why);
