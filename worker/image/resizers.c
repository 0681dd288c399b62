/* resizers.c: which of the ways to compute the passes this machine can run. */
#include "common/cleanup.h"
#include "worker/image/resize.h"

/* The fastest first. */
static const struct resizer *const all[] = {
#ifdef __x86_64__
    &resizer_vnni,
    &resizer_avx2,
#endif
    &resizer_plain,
};

const struct resizer *resizer_number(int n)
{
    for (size_t i = 0; i < ARRAY_SIZE(all); i++)
        if (all[i]->runs() && n-- == 0)
            return all[i];
    return NULL;
}
