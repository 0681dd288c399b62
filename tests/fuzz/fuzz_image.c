/* fuzz_image.c: any bytes at all go through decode, turning, resize and crop; nothing may break, and a refusal has its reason. */
#include "worker/image/preprocess.h"

#include <errno.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One preprocess an interpolation, exact and fast: the last byte of a file, which no format cares about, says which. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct preprocess *all[2 * INTERPOLATION_COUNT];
    static uint8_t pixels[64 * 64 * 3];
    struct why why = { "" };
    int which = size ? data[size - 1] % (2 * INTERPOLATION_COUNT) : 0;
    struct preprocess_spec spec = { .resize = 16, .crop = 64, .max_pixels = 1 << 18, .interpolation = (enum interpolation)(which % INTERPOLATION_COUNT),
                                    .exif_orient = true, .fast = which >= INTERPOLATION_COUNT };
    if (!all[which] && preprocess_new(&spec, &all[which]) < 0)
        abort();
    int r = preprocess_decode(all[which], data, size, &why);
    if (r == 0)
        preprocess_render(all[which], pixels);
    else if ((r != -EBADMSG && r != -EOPNOTSUPP && r != -E2BIG && r != -ENOMEM) || !why.text[0])
        abort();
    preprocess_trim(all[which]);
    return 0;
}
