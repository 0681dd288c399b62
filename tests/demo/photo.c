#include "tests/demo/photo.h"

#include "common/cleanup.h"

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <string.h>
#include <sys/stat.h>

#include <jpeglib.h>

struct failure {
    struct jpeg_error_mgr manager;
    jmp_buf out;
};

static void on_error(j_common_ptr jpeg)
{
    longjmp(((struct failure *)jpeg->err)->out, 1);
}

static void set_up(struct jpeg_compress_struct *jpeg, const struct texture_style *style)
{
    jpeg->image_width = (JDIMENSION)style->width;
    jpeg->image_height = (JDIMENSION)style->height;
    jpeg->input_components = 3;
    jpeg->in_color_space = JCS_RGB;
    jpeg_set_defaults(jpeg);
    if (style->grey)
        jpeg_set_colorspace(jpeg, JCS_GRAYSCALE);
    jpeg_set_quality(jpeg, style->quality, TRUE);
    jpeg->comp_info[0].h_samp_factor = !style->grey && style->subsampling > 1 ? 2 : 1;
    jpeg->comp_info[0].v_samp_factor = !style->grey && style->subsampling > 2 ? 2 : 1;
}

/* 0, or -EIO: in here libjpeg may jump, so nothing in here owns anything. */
static int compress(struct jpeg_compress_struct *jpeg, FILE *file, const struct texture_style *style, uint8_t *pixels)
{
    if (setjmp(((struct failure *)jpeg->err)->out))
        return -EIO;
    jpeg_create_compress(jpeg);
    jpeg_stdio_dest(jpeg, file);
    set_up(jpeg, style);
    jpeg_start_compress(jpeg, TRUE);
    while (jpeg->next_scanline < jpeg->image_height) {
        JSAMPROW row = pixels + (size_t)jpeg->next_scanline * (size_t)style->width * 3;
        jpeg_write_scanlines(jpeg, &row, 1);
    }
    jpeg_finish_compress(jpeg);
    return 0;
}

int photo_write(const char *path, const struct texture_style *style, struct why *why)
{
    CLEANUP(freep) uint8_t *pixels = malloc((size_t)style->width * (size_t)style->height * 3);
    CLEANUP(fclosep) FILE *file = NULL;
    if (!pixels)
        return -ENOMEM;
    texture_render(style, pixels);
    file = fopen(path, "wb");
    if (!file)
        return because(why, -errno, "%s: cannot write it: %s", path, strerror(errno));

    struct failure failure;
    struct jpeg_compress_struct jpeg = { .err = jpeg_std_error(&failure.manager) };
    failure.manager.error_exit = on_error;
    int r = compress(&jpeg, file, style, pixels);
    jpeg_destroy_compress(&jpeg);
    if (fclose(take(file)) || r < 0) {
        unlink(path);
        return because(why, -EIO, "%s: could not write all of it; is the disk full?", path);
    }
    return 0;
}

static int make_folder(const char *path, struct why *why)
{
    if (mkdir(path, 0777) < 0 && errno != EEXIST)
        return because(why, -errno, "%s: cannot make this folder: %s", path, strerror(errno));
    return 0;
}

static int write_class(const char *folder, uint64_t seed, int kind, int count, struct why *why)
{
    char path[PATH_MAX];
    const char *name = texture_class(kind);
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    int r = make_folder(path, why);
    for (int i = 0; i < count && r >= 0; i++) {
        struct texture_style style = texture_style(seed, kind, i);
        if (snprintf(path, sizeof(path), "%s/%s/%s_%03d.jpg", folder, name, name, i) >= (int)sizeof(path))
            return because(why, -ENAMETOOLONG, "%s: this path is too long", folder);
        r = photo_write(path, &style, why);
    }
    return r;
}

int photo_write_all(const char *folder, uint64_t seed, int count, struct why *why)
{
    int r = make_folder(folder, why);
    for (int kind = 0; texture_class(kind) && r >= 0; kind++)
        r = write_class(folder, seed, kind, count, why);
    return r;
}
