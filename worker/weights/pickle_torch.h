/* pickle_torch.h: what the names and references in PyTorch's pickles stand for. Between pickle.c and pickle_torch.c.
 *
 * Threads, ownership, errors: those of pickle.h. Every function makes its result in the pickle's arena. */
#pragma once

#include "worker/weights/pickle.h"

/* A new value of this kind; NULL without memory. */
struct pickle_value *pickle_new(struct pickle *pickle, enum pickle_kind kind);
int pickle_add(struct pickle *pickle, struct pickle_value *to, const struct pickle_value *key, struct pickle_value *value);
/* NULL past the end. For short tuples. */
struct pickle_value *pickle_at(const struct pickle_value *tuple, size_t i);

/* GLOBAL: module and name of something to import, if it is on the list. */
int torch_global(struct pickle *pickle, const char *module, const char *name, struct pickle_value **ret, struct why *why);
/* BINPERSID: ('storage', type, key, location, count[, view]). */
int torch_storage(struct pickle *pickle, const struct pickle_value *id, struct pickle_value **ret, struct why *why);
/* REDUCE and NEWOBJ: a name applied to a tuple of arguments. */
int torch_reduce(struct pickle *pickle, const struct pickle_value *callable, const struct pickle_value *arguments,
                 struct pickle_value **ret, struct why *why);
