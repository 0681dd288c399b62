/* safetensors_write.h: writes tensors to a safetensors file, whole or not at all.
 *
 * Data go to a temporary file in the same folder, which takes the final name when everything is on disk.
 *
 * Threads:   no state; call from anywhere.
 * Ownership: everything stays the caller's. Of a tensor, name, dtype, dims, shape and data are used; count follows from
 *            the shape. Names must be UTF-8 and different.
 * Errors:    negative errno of the file system, -EINVAL for a name that is no UTF-8; no file is left behind. */
#pragma once

#include "worker/weights/weights.h"

int safetensors_write(const char *path, const struct tensor *tensors, size_t count, struct why *why);
