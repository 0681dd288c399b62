/* ranges.h: activation ranges: between which values the numbers inside a network lie. Engines that compute in int8 choose their scales by them.
 *
 * They say nothing of any engine: values as f32 computes them, after batch norm, residual and ReLU, one pair a tensor. They belong to weights
 * (their sha256) and to the normalisation of the pixels, and are kept beside the weights in `<weights>.ranges.json`, with one set for each
 * normalisation that somebody calibrated:
 *
 *     { "format": "sleddog ranges 1", "network": "resnet50", "weights": "<sha256>",
 *       "sets": [ { "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225], "resize": 256, "crop": 224,
 *                   "images": 200, "clipping": "percentile 99.99", "agreement": 0.985,
 *                   "tensors": { "image": [-2.12, 2.64], "conv1": [0, 3.1], "layer1.0.downsample.0": [-1.9, 2.2], ... },
 *                   "means": { "image": [0.1, 0.1, 0], "conv1": [0.2, ...], "maxpool": [0.4, ...], ... } } ] }
 *
 * `tensors` has the image and what every convolution of the layer table leaves behind, by its name there, and nothing else: low <= 0 <= high,
 * and low is 0 behind a ReLU. `means`, which may be absent, has each channel's mean of the image and of what every convolution and max pool leaves
 * behind: with it an engine takes the mean error of its rounded filters back into their biases. What lies outside of a pair is meant to be cut off: `clipping` says how the pairs were chosen.
 *
 * Threads:   constant once open.
 * Ownership: what ranges_open() filled in, ranges_done() frees. Copies share `means`.
 * Errors:    -ENOENT: there is no file, or no set for this normalisation in it; -EINVAL: the file is damaged, or of other weights. The sentence
 *            names the file and what to do. */
#pragma once

#include "proto/messages.h"
#include "worker/network.h"
#include "worker/weights/weights.h"

#define RANGES_SETS_MAX  16
#define RANGES_LEVELS    255        /* steps of u8 from a pair's low to its high */
#define RANGES_LARGEST   1e30f      /* a value beyond it is damage */
#define RANGES_IMAGES_MAX 1000000000

struct range {
    float low, high;
};

struct ranges {
    float mean[3], std[3];   /* of the pixels that the images were made of */
    int resize, crop;        /* for people: other sizes do not change the ranges noticeably */
    int images;              /* that were looked at */
    char clipping[64];       /* "percentile 99.99", "entropy", "none" */
    double agreement;        /* share of other images whose top-1 was f32's with these ranges; 0..1 */
    struct range of[NETWORK_LAYERS_MAX + 1]; /* by activation, as in the layer table: 0 is the image, i + 1 what layer i leaves behind. Pools
                                              * have their input's; `fc` has 0, 0 */
    float *means;            /* see ranges_means(); NULL: none */
    char sha256[SHA256_HEX]; /* of pairs and means: for fingerprints. Two files with the same have the same */
};

void ranges_done(struct ranges *ranges); /* accepts zeroed memory */

/* How many means an activation has; 0: none. */
size_t ranges_means_count(const struct network *network, int activation);

/* The means of an activation's channels; NULL when there are none. */
const float *ranges_means(const struct ranges *ranges, const struct network *network, int activation);

/* Where in `means` those of an activation begin; of network->count + 1: how many there are in all. */
size_t ranges_means_offset(const struct network *network, int activation);

/* The set for this normalisation in the file at `path`. Filled in on success, untouched on failure. */
int ranges_open(const char *path, const struct weights *weights, const struct network *network, const float mean[3], const float std[3],
                struct ranges *ret, struct why *why);

/* The same for a file that is in memory; `name` stands for it in messages. */
int ranges_from_memory(const char *name, const char *text, size_t size, const struct weights *weights, const struct network *network,
                       const float mean[3], const float std[3], struct ranges *ret, struct why *why);

/* Hears every set of the file at `path`, in its order, until one is damaged. */
typedef void ranges_take(void *arg, const struct ranges *ranges);
int ranges_each(const char *path, const struct weights *weights, const struct network *network, ranges_take *take_set, void *arg, struct why *why);

/* `<weights>.ranges.json`; -ENAMETOOLONG. */
int ranges_path(const char *weights, char *path, size_t size, struct why *why);

/* Whether layer `i` of a network has a pair of its own: convolutions. */
bool ranges_has_pair(const struct network *network, int layer);

/* Rounds means to the four digits that the file keeps, so that what was measured and what is read later are the same. Before ranges_finish(). */
void ranges_round_means(struct ranges *ranges, const struct network *network);

/* Whether a pair is wide enough for RANGES_LEVELS: its step is a normal number in f32, and so is what one has divided by it. */
bool ranges_has_step(struct range range);

/* Between which numbers pixels of 0..1 lie once mean and std have been applied: known, not measured. 0, which lies around the image, is among them. */
struct range ranges_of_pixels(const float mean[3], const float std[3]);

/* Whether two means, or two stds, are one. */
bool ranges_same_triple(const float a[3], const float b[3]);

/* For people, behind "int8": " by 384 calibration images". */
#define RANGES_ORIGIN 40 /* bytes */
void ranges_origin(const struct ranges *ranges, char text[RANGES_ORIGIN]);

/* Completes ranges whose pairs of the image and the convolutions, and means if any, are set: pools, sha256. -EINVAL when a pair is impossible. */
int ranges_finish(struct ranges *ranges, const struct network *network, struct why *why);

/* Whether ranges_save() will be able to write `path`, as far as that can be known beforehand: before minutes of measuring. */
int ranges_check_target(const char *path, struct why *why);

/* Puts a set into the file at `path`, in place of the one with the same normalisation, keeping the others, whole or not at all. A file of other
 * weights, or a damaged one, is replaced: its sets are of no use any more. */
int ranges_save(const char *path, const struct ranges *ranges, const struct weights *weights, const struct network *network, struct why *why);
