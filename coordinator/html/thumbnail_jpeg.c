/* thumbnail_jpeg.c: at a fraction of its size, by libjpeg's DCT scaling [jpeglib.h]. */
#include "coordinator/html/thumbnail_parts.h"

#include "common/cleanup.h"
#include "coordinator/html/thumbnail.h"

#include <errno.h>
#include <setjmp.h>
#include <stdbool.h>

#include <jpeglib.h>

#define MAX_PIXELS      (64u << 20)
#define MAX_PROGRESSIVE (16u << 20) /* pixels; libjpeg keeps all coefficients of these: 6 bytes a pixel */
#define MAX_SCANS       64

struct trap {
    struct jpeg_error_mgr manager; /* first */
    struct jpeg_progress_mgr progress;
    jmp_buf jump;
};

static void on_error(j_common_ptr common)
{
    struct trap *trap = (struct trap *)common->err;
    longjmp(trap->jump, 1);
}

static void on_message(j_common_ptr common)
{
    (void)common;
}

/* A file may ask for thousands of passes over a large picture. */
static void on_progress(j_common_ptr common)
{
    if (common->is_decompressor && ((j_decompress_ptr)common)->input_scan_number > MAX_SCANS)
        on_error(common);
}

static struct jpeg_error_mgr *set_trap(struct trap *trap)
{
    jpeg_std_error(&trap->manager);
    trap->manager.error_exit = on_error;
    trap->manager.output_message = on_message;
    trap->progress = (struct jpeg_progress_mgr){ .progress_monitor = on_progress };
    return &trap->manager;
}

/* As Pillow and libjpeg do it simply; Adobe files hold it inverted. */
static void cmyk_to_rgb(uint8_t *row, uint32_t width, bool inverted)
{
    uint8_t *to = row;
    for (const uint8_t *from = row; width--; from += 4)
        for (int i = 0; i < 3; i++)
            *to++ = (uint8_t)(inverted ? from[i] * from[3] / 255 : (255 - from[i]) * (255 - from[3]) / 255);
}

static bool is_too_large(struct jpeg_decompress_struct *jpeg)
{
    uint64_t pixels = (uint64_t)jpeg->image_width * jpeg->image_height;
    return pixels > (jpeg_has_multiple_scans(jpeg) ? MAX_PROGRESSIVE : MAX_PIXELS);
}

static void choose_scale(struct jpeg_decompress_struct *jpeg)
{
    uint32_t longer = jpeg->image_width > jpeg->image_height ? jpeg->image_width : jpeg->image_height;
    jpeg->scale_num = 1;
    for (jpeg->scale_denom = 8; jpeg->scale_denom > 1 && longer / jpeg->scale_denom < THUMBNAIL_SIDE;)
        jpeg->scale_denom /= 2;
    jpeg->out_color_space = jpeg->num_components == 4 ? JCS_CMYK : JCS_RGB;
}

struct reader {
    struct jpeg_decompress_struct jpeg;
    struct trap trap;
    uint8_t *row;
};

/* Jumps out on a damaged file; what was read by then is in `reader` and `small`. */
static int read_picture(struct reader *reader, FILE *file, struct small *small)
{
    struct jpeg_decompress_struct *jpeg = &reader->jpeg;
    if (setjmp(reader->trap.jump))
        return -EINVAL;
    jpeg_create_decompress(jpeg);
    jpeg->progress = &reader->trap.progress;
    jpeg_stdio_src(jpeg, file);
    jpeg_read_header(jpeg, TRUE);
    if (is_too_large(jpeg))
        return -EFBIG;
    choose_scale(jpeg);
    jpeg_start_decompress(jpeg);
    reader->row = malloc((size_t)jpeg->output_width * (size_t)jpeg->output_components);
    int r = small_init(small, jpeg->output_width, jpeg->output_height);
    if (!reader->row || r < 0)
        return -ENOMEM;
    while (jpeg->output_scanline < jpeg->output_height) {
        uint32_t y = jpeg->output_scanline;
        jpeg_read_scanlines(jpeg, &reader->row, 1);
        if (jpeg->output_components == 4)
            cmyk_to_rgb(reader->row, jpeg->output_width, jpeg->saw_Adobe_marker);
        small_add(small, y, reader->row);
    }
    return 0;
}

int thumbnail_read_jpeg(FILE *file, struct small *small)
{
    CLEANUP(freep) struct reader *reader = calloc(1, sizeof(*reader));
    if (!reader)
        return -ENOMEM;
    reader->jpeg.err = set_trap(&reader->trap);
    int r = read_picture(reader, file, small);
    jpeg_destroy_decompress(&reader->jpeg);
    free(reader->row);
    return r;
}
