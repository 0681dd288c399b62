/* pth.h: what both forms of PyTorch's files have in common: from the unpickled value to tensors.
 *
 * Taken are a state_dict as it is, and one under "state_dict", "model_state_dict" or "model" of a larger dictionary, as training scripts keep
 * it beside an epoch and an optimizer. If every name begins with "module." (DataParallel), that is dropped.
 *
 * Threads:   no state.
 * Ownership: tensors go to `weights`, as reader.h says; their data stay in the file.
 * Errors:    -EINVAL with file and tensor, -ENOMEM. */
#pragma once

#include "worker/weights/pickle.h"
#include "worker/weights/reader.h"

/* The dictionary of tensors inside `root`. */
int pth_state_dict(const char *path, const struct pickle_value *root, const struct pickle_value **ret, struct why *why);

/* Fills in weights->tensors. The storages that tensors of `dict` use must have their data. */
int pth_tensors(struct weights *weights, const struct pickle_value *dict, struct why *why);
