#include "coordinator/html/thumbnail.h"

#include "common/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include <jpeglib.h>

#define MAX_PIXELS      (64u << 20)
#define MAX_PROGRESSIVE (16u << 20) /* pixels; libjpeg keeps all coefficients of these: 6 bytes a pixel */
#define MAX_SCANS       64
#define QUALITY         78

/* ---- libjpeg's errors and progress ---- */

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

/* ---- averaging down ---- */

/* A small picture under construction: sums of red, green and blue, and how many source pixels fell on each. */
struct small {
    uint32_t width, height;
    uint32_t *sum;  /* (height, width, 4) */
    uint8_t *pixel; /* (height, width, 3) */
};

static void small_done(struct small *small)
{
    free(small->sum);
    free(small->pixel);
}

static int small_init(struct small *small, uint32_t width, uint32_t height)
{
    uint32_t longer = width > height ? width : height, side = longer < THUMBNAIL_SIDE ? longer : THUMBNAIL_SIDE;
    small->width = width * side / longer ? width * side / longer : 1;
    small->height = height * side / longer ? height * side / longer : 1;
    small->sum = calloc((size_t)small->width * small->height, 4 * sizeof(*small->sum));
    small->pixel = malloc((size_t)small->width * small->height * 3);
    return small->sum && small->pixel ? 0 : -ENOMEM;
}

/* Pillow's and libjpeg's simple CMYK: Adobe files hold it inverted. */
static void add_pixel(uint32_t *sum, const uint8_t *source, int components, bool inverted)
{
    for (int i = 0; i < 3; i++) {
        uint32_t value = source[i];
        if (components == 4)
            value = inverted ? value * source[3] / 255 : (255 - value) * (255u - source[3]) / 255;
        sum[i] += value;
    }
    sum[3]++;
}

static void add_row(struct small *small, const uint8_t *row, uint32_t y, const struct jpeg_decompress_struct *jpeg)
{
    uint32_t *out = small->sum + (size_t)4 * small->width * ((uint64_t)y * small->height / jpeg->output_height);
    for (uint32_t x = 0; x < jpeg->output_width; x++)
        add_pixel(out + 4 * ((uint64_t)x * small->width / jpeg->output_width), row + (size_t)x * (size_t)jpeg->output_components,
                  jpeg->output_components, jpeg->saw_Adobe_marker);
}

static void divide(struct small *small)
{
    for (size_t i = 0; i < (size_t)small->width * small->height; i++)
        for (int c = 0; c < 3; c++)
            small->pixel[3 * i + (size_t)c] = (uint8_t)(small->sum[4 * i + 3] ? small->sum[4 * i + (size_t)c] / small->sum[4 * i + 3] : 0);
}

/* ---- reading ---- */

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
        add_row(small, reader->row, y, jpeg);
    }
    return 0;
}

/* ---- writing ---- */

struct writer {
    struct jpeg_compress_struct jpeg;
    struct trap trap;
    unsigned char *data;
    unsigned long size;
};

static int write_picture(struct writer *writer, const struct small *small)
{
    struct jpeg_compress_struct *jpeg = &writer->jpeg;
    if (setjmp(writer->trap.jump))
        return -ENOMEM;
    jpeg_create_compress(jpeg);
    jpeg_mem_dest(jpeg, &writer->data, &writer->size);
    jpeg->image_width = small->width;
    jpeg->image_height = small->height;
    jpeg->input_components = 3;
    jpeg->in_color_space = JCS_RGB;
    jpeg_set_defaults(jpeg);
    jpeg_set_quality(jpeg, QUALITY, TRUE);
    jpeg_start_compress(jpeg, TRUE);
    while (jpeg->next_scanline < jpeg->image_height) {
        JSAMPROW row = small->pixel + (size_t)3 * small->width * jpeg->next_scanline;
        jpeg_write_scanlines(jpeg, &row, 1);
    }
    jpeg_finish_compress(jpeg);
    return 0;
}

static int encode(const struct small *small, struct bytes *out)
{
    CLEANUP(freep) struct writer *writer = calloc(1, sizeof(*writer));
    if (!writer)
        return -ENOMEM;
    writer->jpeg.err = set_trap(&writer->trap);
    int r = write_picture(writer, small);
    if (r == 0)
        r = bytes_append(out, writer->data, writer->size);
    jpeg_destroy_compress(&writer->jpeg);
    free(writer->data);
    return r;
}

static int decode(FILE *file, struct small *small)
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

static int open_photo(const char *path, FILE **ret)
{
    struct stat status;
    CLEANUP(closep) int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status) < 0)
        return -errno;
    if (!S_ISREG(status.st_mode))
        return -EINVAL;
    *ret = fdopen(fd, "rb");
    if (!*ret)
        return -errno;
    fd = -1;
    return 0;
}

int thumbnail_make(const char *path, struct bytes *out)
{
    CLEANUP(fclosep) FILE *file = NULL;
    CLEANUP(small_done) struct small small = { 0 };
    int r = open_photo(path, &file);
    if (r == 0)
        r = decode(file, &small);
    if (r < 0)
        return r;
    divide(&small);
    return encode(&small, out);
}
