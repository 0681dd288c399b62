/* thumbnail_png.c: a whole picture in memory, by libpng's simplified interface, which leaves out all chunks that have no pixels [png.h]. */
#include "coordinator/html/thumbnail_parts.h"

#include "common/cleanup.h"

#include <errno.h>

#include <png.h>

#define MAX_PIXELS (16u << 20)

static int read_rows(png_image *image, struct small *small)
{
    static const png_color white = { 255, 255, 255 };
    if ((uint64_t)image->width * image->height > MAX_PIXELS)
        return -EFBIG;
    image->format = PNG_FORMAT_RGB;
    image->flags |= PNG_IMAGE_FLAG_16BIT_sRGB;
    CLEANUP(freep) uint8_t *rows = malloc((size_t)3 * image->width * image->height);
    if (!rows || small_init(small, image->width, image->height) < 0)
        return -ENOMEM;
    if (!png_image_finish_read(image, &white, rows, 0, NULL))
        return -EINVAL;
    for (uint32_t y = 0; y < image->height; y++)
        small_add(small, y, rows + (size_t)3 * image->width * y);
    return 0;
}

int thumbnail_read_png(FILE *file, struct small *small)
{
    png_image image = { .version = PNG_IMAGE_VERSION };
    int r = png_image_begin_read_from_stdio(&image, file) ? read_rows(&image, small) : -EINVAL;
    png_image_free(&image);
    return r;
}
