#include "worker/image/preprocess.h"

#include "worker/image/format.h"
#include "worker/image/jpeg.h"
#include "worker/image/resize.h"
#include "worker/image/webp.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define SIDE_MAX 16384 /* of resize and crop: products with a source side stay within 31 bits */

struct preprocess {
    struct frame frame;
    struct preprocess_spec spec;
    const struct resizer *resizer;
    struct axis x, y;
    uint8_t *rows;  /* (y.count, x.kept, 3), resampled horizontally */
    size_t room;    /* bytes */
};

static struct preprocess *preprocess_of(struct frame *frame)
{
    return (struct preprocess *)((char *)frame - offsetof(struct preprocess, frame));
}

static size_t row_bytes(const struct preprocess *p)
{
    return 3 * (size_t)p->x.kept;
}

static int reserve_rows(struct preprocess *p)
{
    size_t need = row_bytes(p) * (size_t)p->y.count + RESIZE_PADDING;
    if (need <= p->room)
        return 0;
    free(p->rows);
    p->room = 0;
    p->rows = malloc(need);
    if (!p->rows)
        return -ENOMEM;
    p->room = need;
    return 0;
}

/* torchvision's Resize: the short side becomes `resize`, the other one in proportion, cut to an integer. */
static int plan(struct preprocess *p, int width, int height)
{
    int64_t resize = p->spec.resize;
    int wide = width <= height ? (int)resize : (int)(resize * width / height);
    int high = height <= width ? (int)resize : (int)(resize * height / width);
    int r = axis_plan(&p->x, width, wide, p->spec.crop);
    if (r < 0)
        return r;
    r = axis_plan(&p->y, height, high, p->spec.crop);
    if (r < 0)
        return r;
    return reserve_rows(p);
}

static int begin(struct frame *frame, const struct picture *picture, struct window *ret, struct why *why)
{
    struct preprocess *p = preprocess_of(frame);
    int width = picture->width, height = picture->height;
    if ((uint64_t)width * (uint64_t)height > p->spec.max_pixels)
        return because(why, -E2BIG, "image of %d x %d pixels; at most %llu pixels are allowed", width, height,
                       (unsigned long long)p->spec.max_pixels);
    if (plan(p, width, height) < 0)
        return because(why, -ENOMEM, "no memory to resize an image of %d x %d pixels", width, height);
    *ret = (struct window){ p->x.first, p->x.first + p->x.count, p->y.first, p->y.first + p->y.count };
    return 0;
}

static void row(struct frame *frame, int y, const uint8_t *pixels)
{
    struct preprocess *p = preprocess_of(frame);
    p->resizer->row(&p->x, pixels, p->rows + row_bytes(p) * (size_t)(y - p->y.first));
}

int preprocess_new(const struct preprocess_spec *spec, struct preprocess **ret)
{
    if (spec->resize < 1 || spec->resize > SIDE_MAX || spec->crop < 1 || spec->crop > SIDE_MAX)
        return -EINVAL;
    struct preprocess *p = calloc(1, sizeof(*p));
    if (!p)
        return -ENOMEM;
    p->frame = (struct frame){ .begin = begin, .row = row };
    p->spec = *spec;
    if (!p->spec.max_pixels)
        p->spec.max_pixels = PREPROCESS_MAX_PIXELS;
    p->resizer = resizer_best();
    *ret = p;
    return 0;
}

void preprocess_free(struct preprocess *p)
{
    if (!p)
        return;
    axis_done(&p->x);
    axis_done(&p->y);
    free(p->rows);
    free(p);
}

int preprocess_decode(struct preprocess *p, const void *file, size_t size, struct why *why)
{
    const struct decoder *decoder;
    if (!size)
        return because(why, -EBADMSG, "file is empty");
    int r = format_find(file, size, &decoder, why);
    if (r < 0)
        return r;
    return decoder->decode(file, size, &p->frame, why);
}

void preprocess_render(const struct preprocess *p, uint8_t *pixels)
{
    size_t from_bytes = row_bytes(p), to_bytes = 3 * (size_t)p->spec.crop, left = 3 * (size_t)p->x.padding;
    for (int i = 0; i < p->spec.crop; i++, pixels += to_bytes) {
        int kept = i - p->y.padding;
        if (kept < 0 || kept >= p->y.kept) {
            memset(pixels, 0, to_bytes);
            continue;
        }
        memset(pixels, 0, left);
        p->resizer->column(&p->y, kept, p->rows + from_bytes * (size_t)p->y.start[kept], from_bytes, pixels + left, from_bytes);
        memset(pixels + left + from_bytes, 0, to_bytes - left - from_bytes);
    }
}

void preprocess_fingerprint(char *to, size_t size)
{
    int webp = webp_release();
    snprintf(to, size, "%s libwebp %d.%d.%d", jpeg_library, webp >> 16, webp >> 8 & 255, webp & 255);
}
