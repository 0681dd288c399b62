/* fuzz_image.c: any bytes at all go through decode, resize and crop; nothing may break, and a refusal has its reason. */
#include "worker/image/preprocess.h"

#include <errno.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct preprocess *p;
    static uint8_t pixels[64 * 64 * 3];
    struct preprocess_spec spec = { .resize = 48, .crop = 64, .max_pixels = 1 << 18 };
    struct why why = { "" };
    if (!p && preprocess_new(&spec, &p) < 0)
        abort();
    int r = preprocess_decode(p, data, size, &why);
    if (r == 0)
        preprocess_render(p, pixels);
    else if ((r != -EBADMSG && r != -EOPNOTSUPP && r != -E2BIG && r != -ENOMEM) || !why.text[0])
        abort();
    return 0;
}
