/* ranges_json.h: what reader and writer of ranges files share [jansson.h].
 *
 * Threads:   no state.
 * Ownership: ret values are the caller's, to be freed.
 * Errors:    as in ranges.h. */
#pragma once

#include "common/cleanup.h"
#include "worker/weights/ranges.h"

#include <jansson.h>

#define RANGES_FORMAT     "sleddog ranges 1"
#define RANGES_FORMAT_ANY "sleddog ranges "
#define RANGES_IMAGE      "image" /* the tensor's name */
#define RANGES_AGAIN      "make it again with: sleddog-worker calibrate"

/* "image", or the layer's name. */
const char *ranges_tensor_name(const struct network *network, int activation);

/* The whole file, without a NUL. */
int ranges_json_read(const char *path, char **ret, size_t *ret_size, struct why *why);

/* Valid JSON, and of this format. */
int ranges_json_parse(const char *name, const char *text, size_t size, json_t **ret, struct why *why);

/* Of these weights. */
int ranges_json_check(const char *name, const json_t *file, const struct weights *weights, const struct network *network, struct why *why);

int ranges_json_triple(const json_t *array, float ret[3]);
