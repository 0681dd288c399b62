/* fuzz_png.c: PNGs whose checksums are made right first, so that what is behind them is reached. */
#include "worker/image/preprocess.h"

#include <errno.h>
#include <string.h>

#include <zlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void seal(uint8_t *file, size_t size)
{
    for (size_t at = 8; size >= 12 && at <= size - 12;) {
        size_t length = (size_t)file[at] << 24 | (size_t)file[at + 1] << 16 | (size_t)file[at + 2] << 8 | file[at + 3];
        if (length > size - at - 12)
            return;
        uint32_t crc = (uint32_t)crc32(0, file + at + 4, (uInt)length + 4);
        for (size_t i = 0; i < 4; i++)
            file[at + 8 + length + i] = (uint8_t)(crc >> (24 - 8 * i));
        at += length + 12;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct preprocess *p;
    static uint8_t pixels[64 * 64 * 3];
    struct preprocess_spec spec = { .resize = 48, .crop = 64, .max_pixels = 1 << 18, .exif_orient = true };
    struct why why = { "" };
    if (!p && preprocess_new(&spec, &p) < 0)
        abort();
    CLEANUP(freep) uint8_t *file = malloc(size + 8);
    memcpy(file, "\x89PNG\r\n\x1a\n", 8);
    memcpy(file + 8, data, size);
    seal(file, size + 8);
    int r = preprocess_decode(p, file, size + 8, &why);
    if (r == 0)
        preprocess_render(p, pixels);
    else if ((r != -EBADMSG && r != -EOPNOTSUPP && r != -E2BIG && r != -ENOMEM) || !why.text[0])
        abort();
    return 0;
}
