#include "tests/jpegs.h"

#include "tests/test.h"

#include <jpeglib.h>

uint64_t test_hash(const void *data, size_t size)
{
    const uint8_t *bytes = data;
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ bytes[i]) * 0x100000001b3u;
    return hash;
}

/* 0..255 and back to 0, `period` long. */
static int wave(int x, int period)
{
    int phase = x % period * 512 / period;
    return phase < 256 ? phase : 511 - phase;
}

/* Integers only, so that every machine draws the same. */
static uint8_t sample(int x, int y, int c, uint32_t *noise)
{
    *noise = *noise * 1664525u + 1013904223u;
    int v = (wave(x + 31 * c, 97 + 40 * c) + wave(y + 17 * c, 71 + 30 * c) + 2 * wave(x + 2 * y, 230)) / 4;
    if ((x / 23 + y / 29) % 5 == c)
        v = 255 - v;
    v += (int)(*noise >> 27) - 16;
    return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

static int components(enum jpeg_colour colour)
{
    switch (colour) {
    case JPEG_GREY: return 1;
    case JPEG_TWO: return 2;
    case JPEG_COLOUR:
    case JPEG_RGB: return 3;
    default: return 4;
    }
}

static void set_colour(struct jpeg_compress_struct *jpeg, enum jpeg_colour colour)
{
    static const J_COLOR_SPACE in[] = { [1] = JCS_GRAYSCALE, [2] = JCS_UNKNOWN, [3] = JCS_RGB, [4] = JCS_CMYK };
    jpeg->input_components = components(colour);
    jpeg->in_color_space = in[jpeg->input_components];
    jpeg_set_defaults(jpeg);
    if (colour == JPEG_RGB)
        jpeg_set_colorspace(jpeg, JCS_RGB);
    if (colour == JPEG_YCCK)
        jpeg_set_colorspace(jpeg, JCS_YCCK);
    if (colour == JPEG_CMYK_BARE)
        jpeg->write_Adobe_marker = FALSE;
}

static void set_recipe(struct jpeg_compress_struct *jpeg, const struct jpeg_recipe *recipe)
{
    jpeg->image_width = (JDIMENSION)recipe->width;
    jpeg->image_height = (JDIMENSION)recipe->height;
    set_colour(jpeg, recipe->colour);
    jpeg_set_quality(jpeg, recipe->quality ? recipe->quality : 85, TRUE);
    for (int c = 0; c < jpeg->num_components; c++)
        jpeg->comp_info[c].h_samp_factor = jpeg->comp_info[c].v_samp_factor = 1;
    jpeg->comp_info[0].h_samp_factor = recipe->h ? recipe->h : 1;
    jpeg->comp_info[0].v_samp_factor = recipe->v ? recipe->v : 1;
    if (recipe->colour == JPEG_YCCK)
        jpeg->comp_info[3] = (jpeg_component_info){ .component_id = 4,
                                                    .component_index = 3,
                                                    .h_samp_factor = jpeg->comp_info[0].h_samp_factor,
                                                    .v_samp_factor = jpeg->comp_info[0].v_samp_factor };
    jpeg->optimize_coding = recipe->optimised;
    jpeg->arith_code = recipe->arithmetic;
    jpeg->restart_interval = (unsigned)recipe->restart;
    if (recipe->progressive)
        jpeg_simple_progression(jpeg);
}

uint8_t *jpeg_draw(const struct jpeg_recipe *recipe, size_t *ret_size)
{
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    unsigned char *file = NULL;
    unsigned long size = 0;
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_compress(&jpeg);
    jpeg_mem_dest(&jpeg, &file, &size);
    set_recipe(&jpeg, recipe);
    jpeg_start_compress(&jpeg, TRUE);
    int channels = jpeg.input_components;
    uint32_t noise = (uint32_t)recipe->width * 7919u + (uint32_t)recipe->height;
    uint8_t *row = malloc((size_t)recipe->width * (size_t)channels);
    for (int y = 0; y < recipe->height; y++) {
        for (int i = 0; i < recipe->width * channels; i++)
            row[i] = sample(i / channels, y, i % channels, &noise);
        jpeg_write_scanlines(&jpeg, &row, 1);
    }
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    free(row);
    *ret_size = size;
    return file;
}
