#include "coordinator/html/thumbnail.h"

#include "common/cleanup.h"
#include "coordinator/html/thumbnail_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <string.h>
#include <sys/stat.h>

#include <jpeglib.h>

#define QUALITY 78

/* ---- averaging down ---- */

void small_done(struct small *small)
{
    free(small->sum);
    free(small->pixel);
}

int small_init(struct small *small, uint32_t width, uint32_t height)
{
    uint32_t longer = width > height ? width : height, side = longer < THUMBNAIL_SIDE ? longer : THUMBNAIL_SIDE;
    small->from_width = width;
    small->from_height = height;
    small->width = (uint32_t)((uint64_t)width * side / longer);
    small->height = (uint32_t)((uint64_t)height * side / longer);
    small->width += !small->width;
    small->height += !small->height;
    small->sum = calloc((size_t)small->width * small->height, 4 * sizeof(*small->sum));
    small->pixel = malloc((size_t)small->width * small->height * 3);
    return small->sum && small->pixel ? 0 : -ENOMEM;
}

void small_add(struct small *small, uint32_t y, const uint8_t *row)
{
    uint32_t *out = small->sum + (size_t)4 * small->width * ((uint64_t)y * small->height / small->from_height);
    for (uint32_t x = 0; x < small->from_width; x++, row += 3) {
        uint32_t *sum = out + 4 * ((uint64_t)x * small->width / small->from_width);
        for (int i = 0; i < 3; i++)
            sum[i] += row[i];
        sum[3]++;
    }
}

static void divide(struct small *small)
{
    for (size_t i = 0; i < (size_t)small->width * small->height; i++)
        for (int c = 0; c < 3; c++)
            small->pixel[3 * i + (size_t)c] = (uint8_t)(small->sum[4 * i + 3] ? small->sum[4 * i + (size_t)c] / small->sum[4 * i + 3] : 0);
}

/* ---- writing ---- */

struct trap {
    struct jpeg_error_mgr manager; /* first */
    jmp_buf jump;
};

static void on_error(j_common_ptr common)
{
    struct trap *trap = (struct trap *)common->err;
    longjmp(trap->jump, 1);
}

static struct jpeg_error_mgr *set_trap(struct trap *trap)
{
    jpeg_std_error(&trap->manager);
    trap->manager.error_exit = on_error;
    return &trap->manager;
}

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

/* ---- reading ---- */

static int read_photo(FILE *file, struct small *small)
{
    char start[12] = "";
    size_t size = fread(start, 1, sizeof(start), file);
    if (fseek(file, 0, SEEK_SET) < 0)
        return -errno;
    if (size == sizeof(start) && !memcmp(start, "\x89PNG", 4))
        return thumbnail_read_png(file, small);
    if (size == sizeof(start) && !memcmp(start, "RIFF", 4) && !memcmp(start + 8, "WEBP", 4))
        return thumbnail_read_webp(file, small);
    return thumbnail_read_jpeg(file, small);
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

int thumbnail_make_from(FILE *file, struct bytes *out)
{
    CLEANUP(small_done) struct small small = { 0 };
    int r = read_photo(file, &small);
    if (r < 0)
        return r;
    divide(&small);
    return encode(&small, out);
}

int thumbnail_make(const char *path, struct bytes *out)
{
    CLEANUP(fclosep) FILE *file = NULL;
    int r = open_photo(path, &file);
    return r < 0 ? r : thumbnail_make_from(file, out);
}
