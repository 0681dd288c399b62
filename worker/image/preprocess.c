#include "worker/image/preprocess.h"

#include "common/clock.h"
#include "worker/image/exif.h"
#include "worker/image/format.h"
#include "worker/image/jpeg.h"
#include "worker/image/resize.h"
#include "worker/image/webp.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define SIDE_MAX 16384 /* of resize and crop: products with a source side stay within 31 bits */

/* A photo is reduced as long as it keeps so many times what it is resized to: nearer to that, what a decoder's reduction does differently from a filter
 * would show. Pillow's thumbnail() takes the same. */
#define FAST_SIDES 2

#define ROWS 64         /* bytes that decoders take for each column, for rows on their way */
#define KEEP (1 << 20) /* bytes of scratch that a thread keeps from image to image */

/* Memory that is kept, and given back when an image needed much. */
struct scratch {
    uint8_t *data;
    size_t room;
};

struct preprocess {
    struct frame frame;
    struct preprocess_spec spec;
    const struct resizer *resizer;
    struct axis x, y;        /* of the picture as it is seen: turned, if it is to be turned */
    struct orientation turn;
    int width, height;       /* of the picture as it is delivered */
    struct plan {
        int width, height, reduction; /* of the picture */
        bool mirror_x, mirror_y;      /* as they matter, if it is reduced */
    } planned; /* what the axes are planned for; width 0: nothing */
    struct scratch rows;     /* (y.count, x.kept, 3) and padding, resampled horizontally */
    struct scratch mirrored; /* one row of the file, backwards */
    struct scratch turned;   /* (y.count, x.count, 3): what the crop needs, turned; only if rows become columns */
};

static struct preprocess *preprocess_of(struct frame *frame)
{
    return (struct preprocess *)((char *)frame - offsetof(struct preprocess, frame));
}

/* ---- scratch memory -------------------------------------------------------------------------------------------------- */

static void scratch_done(struct scratch *scratch)
{
    free(scratch->data);
    *scratch = (struct scratch){ 0 };
}

static int scratch_reserve(struct scratch *scratch, size_t need)
{
    if (need <= scratch->room)
        return 0;
    scratch_done(scratch);
    scratch->data = malloc(need);
    if (!scratch->data)
        return -ENOMEM;
    scratch->room = need;
    return 0;
}

static size_t row_bytes(const struct preprocess *p)
{
    return 3 * (size_t)p->x.kept;
}

/* Rows may come from the bottom up, so what a resizer writes past the end of one must not be in the next. */
static size_t row_stride(const struct preprocess *p)
{
    return row_bytes(p) + RESIZE_PADDING;
}

static uint8_t *row_at(const struct preprocess *p, int i)
{
    return p->rows.data + row_stride(p) * (size_t)i;
}

static size_t rows_need(const struct preprocess *p)
{
    return row_stride(p) * (size_t)p->y.count;
}

static size_t turned_need(const struct preprocess *p)
{
    return p->turn.swap ? 3 * (size_t)p->x.count * (size_t)p->y.count + ROW_PADDING : 0;
}

/* A row of the file is a row or a column of the picture. */
static const struct axis *axis_across(const struct preprocess *p)
{
    return p->turn.swap ? &p->y : &p->x;
}

static const struct axis *axis_down(const struct preprocess *p)
{
    return p->turn.swap ? &p->x : &p->y;
}

static int reserve(struct preprocess *p)
{
    int r = scratch_reserve(&p->rows, rows_need(p));
    if (r == 0)
        r = scratch_reserve(&p->turned, turned_need(p));
    if (r == 0)
        r = scratch_reserve(&p->mirrored, 3 * (size_t)axis_across(p)->count + ROW_PADDING);
    return r;
}

/* ---- what a decoder calls -------------------------------------------------------------------------------------------- */

/* Mirrored, a pixel that is in the picture by a part only is the first. */
static struct extent extent_of(int side, int reduction, bool mirrored)
{
    int pixels = reduced(side, reduction);
    double size = (double)side / reduction, begin = mirrored ? pixels - size : 0;
    return (struct extent){ pixels, begin, begin + size };
}

static bool is_planned(const struct preprocess *p, const struct plan *plan)
{
    const struct plan *is = &p->planned;
    return is->width == plan->width && is->height == plan->height && is->reduction == plan->reduction && is->mirror_x == plan->mirror_x &&
           is->mirror_y == plan->mirror_y;
}

/* torchvision's Resize: the short side becomes `resize`, the other one in proportion, cut to an integer. */
static int plan_axes(struct preprocess *p, const struct plan *plan)
{
    if (is_planned(p, plan))
        return 0;
    int64_t resize = p->spec.resize;
    int width = plan->width, height = plan->height;
    p->planned.width = 0;
    int wide = width <= height ? (int)resize : (int)(resize * width / height);
    int high = height <= width ? (int)resize : (int)(resize * height / width);
    struct extent across = extent_of(width, plan->reduction, plan->mirror_x), down = extent_of(height, plan->reduction, plan->mirror_y);
    int r = axis_plan(&p->x, p->spec.interpolation, &across, wide, p->spec.crop);
    if (r == 0)
        r = axis_plan(&p->y, p->spec.interpolation, &down, high, p->spec.crop);
    if (r < 0)
        return r;
    p->planned = *plan;
    return 0;
}

/* Of the picture as it is seen. */
static struct plan plan_of(const struct preprocess *p, const struct picture *picture)
{
    const struct orientation *turn = &p->turn;
    bool counts = picture->reduction > 1;
    struct plan plan = { picture->width, picture->height, picture->reduction, counts && turn->mirror_x, counts && turn->mirror_y };
    return turn->swap ? (struct plan){ plan.height, plan.width, plan.reduction, plan.mirror_y, plan.mirror_x } : plan;
}

static void set_window(const struct preprocess *p, struct window *ret)
{
    const struct axis *across = axis_across(p), *down = axis_down(p);
    int left = p->turn.mirror_x ? p->width - across->first - across->count : across->first;
    int top = p->turn.mirror_y ? p->height - down->first - down->count : down->first;
    *ret = (struct window){ left, left + across->count, top, top + down->count };
}

static int begin(struct frame *frame, const struct picture *picture, struct window *ret, struct why *why)
{
    struct preprocess *p = preprocess_of(frame);
    int width = picture->width, height = picture->height;
    if ((uint64_t)width * (uint64_t)height > p->spec.max_pixels)
        return because(why, -E2BIG, "image of %d x %d pixels; at most %llu pixels are allowed", width, height,
                       (unsigned long long)p->spec.max_pixels);
    p->width = reduced(width, picture->reduction);
    p->height = reduced(height, picture->reduction);
    p->turn = exif_turn(p->spec.exif_orient && picture->orientation ? picture->orientation : 1);
    struct plan wanted = plan_of(p, picture);
    int r = plan_axes(p, &wanted);
    if (r == 0 && p->spec.admit) {
        r = p->spec.admit(p->spec.admit_arg, picture->memory + ROWS * (uint64_t)width + rows_need(p) + turned_need(p), why);
        if (r < 0)
            return r;
    }
    if (r == 0)
        r = reserve(p);
    if (r < 0)
        return because(why, r, "no memory to resize an image of %d x %d pixels", width, height);
    set_window(p, ret);
    return 0;
}

static const uint8_t *mirror(struct preprocess *p, const uint8_t *pixels)
{
    int count = axis_across(p)->count;
    uint8_t *to = p->mirrored.data;
    for (const uint8_t *from = pixels + 3 * (size_t)count; count--; to += 3)
        memcpy(to, from -= 3, 3);
    return p->mirrored.data;
}

/* A row of the file becomes column `i` of the turned window. */
static void turn(struct preprocess *p, int i, const uint8_t *pixels)
{
    uint8_t *to = p->turned.data + 3 * (size_t)i;
    for (int k = 0; k < p->y.count; k++, pixels += 3, to += 3 * (size_t)p->x.count)
        memcpy(to, pixels, 3);
}

static void row(struct frame *frame, int y, const uint8_t *pixels)
{
    struct preprocess *p = preprocess_of(frame);
    int i = (p->turn.mirror_y ? p->height - 1 - y : y) - axis_down(p)->first;
    if (p->turn.mirror_x)
        pixels = mirror(p, pixels);
    if (p->turn.swap)
        turn(p, i, pixels);
    else
        p->resizer->row(&p->x, pixels, row_at(p, i));
}

static void resize_turned(struct preprocess *p)
{
    for (int i = 0; i < p->y.count; i++)
        p->resizer->row(&p->x, p->turned.data + 3 * (size_t)p->x.count * (size_t)i, row_at(p, i));
}

/* ---- life ------------------------------------------------------------------------------------------------------------ */

int preprocess_new(const struct preprocess_spec *spec, struct preprocess **ret)
{
    if (spec->resize < 1 || spec->resize > SIDE_MAX || spec->crop < 1 || spec->crop > SIDE_MAX ||
        spec->interpolation >= INTERPOLATION_COUNT)
        return -EINVAL;
    struct preprocess *p = calloc(1, sizeof(*p));
    if (!p)
        return -ENOMEM;
    p->frame = (struct frame){ .begin = begin, .row = row, .wants_orientation = spec->exif_orient, .enough = spec->fast ? FAST_SIDES * spec->resize : 0 };
    p->spec = *spec;
    if (!p->spec.max_pixels)
        p->spec.max_pixels = PREPROCESS_MAX_PIXELS;
    p->resizer = resizer_number(0);
    *ret = p;
    return 0;
}

void preprocess_free(struct preprocess *p)
{
    if (!p)
        return;
    axis_done(&p->x);
    axis_done(&p->y);
    scratch_done(&p->rows);
    scratch_done(&p->mirrored);
    scratch_done(&p->turned);
    free(p);
}

void preprocess_trim(struct preprocess *p)
{
    if (p->rows.room > KEEP)
        scratch_done(&p->rows);
    if (p->turned.room > KEEP)
        scratch_done(&p->turned);
}

int preprocess_decode(struct preprocess *p, const void *file, size_t size, struct why *why)
{
    const struct decoder *decoder;
    if (!size)
        return because(why, -EBADMSG, "file is empty");
    int r = format_find(file, size, &decoder, why);
    if (r < 0)
        return r;
    p->turn = (struct orientation){ 0 };
    p->frame.asked = 0;
    p->frame.cpu_limit_ns = p->spec.cpu_limit_ns;
    p->frame.cpu_end_ns = clock_thread_cpu_ns() + p->spec.cpu_limit_ns;
    r = decoder->decode(file, size, &p->frame, why);
    if (r == 0 && p->turn.swap)
        resize_turned(p);
    return r;
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
        p->resizer->column(&p->y, kept, row_at(p, p->y.start[kept]), row_stride(p), pixels + left, from_bytes);
        memset(pixels + left + from_bytes, 0, to_bytes - left - from_bytes);
    }
}

void preprocess_fingerprint(char *to, size_t size)
{
    int webp = webp_release();
    snprintf(to, size, "%s libwebp %d.%d.%d", jpeg_library, webp >> 16, webp >> 8 & 255, webp & 255);
}
