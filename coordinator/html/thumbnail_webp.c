/* thumbnail_webp.c: scaled while it is decoded, by libwebp [webp/decode.h]. */
#include "coordinator/html/thumbnail_parts.h"

#include "common/cleanup.h"
#include "coordinator/html/thumbnail.h"

#include <errno.h>
#include <sys/stat.h>

#include <webp/decode.h>

#define MAX_BYTES  (32 << 20)
#define MAX_PIXELS (64u << 20)

static int read_file(FILE *file, uint8_t **ret, size_t *ret_size)
{
    struct stat status;
    if (fstat(fileno(file), &status) < 0)
        return -errno;
    if (status.st_size > MAX_BYTES)
        return -EFBIG;
    *ret = malloc((size_t)status.st_size + 1);
    if (!*ret)
        return -ENOMEM;
    *ret_size = fread(*ret, 1, (size_t)status.st_size, file);
    return 0;
}

/* Tables of lossless data take what the file says; of lossy data nothing does. */
static int check_kind(const WebPBitstreamFeatures *features)
{
    if (features->format != 1 || features->has_alpha || features->has_animation)
        return -EINVAL;
    return (uint64_t)features->width * (uint64_t)features->height > MAX_PIXELS ? -EFBIG : 0;
}

static int decode(const uint8_t *data, size_t size, WebPDecoderConfig *config, struct small *small)
{
    const struct WebPRGBABuffer *rows = &config->output.u.RGBA;
    uint32_t width = (uint32_t)config->input.width, height = (uint32_t)config->input.height;
    if (small_init(small, width, height) < 0)
        return -ENOMEM;
    config->options.use_scaling = 1;
    config->options.scaled_width = (int)small->width;
    config->options.scaled_height = (int)small->height;
    config->output.colorspace = MODE_RGB;
    if (WebPDecode(data, size, config) != VP8_STATUS_OK)
        return -EINVAL;
    small->from_width = small->width;
    small->from_height = small->height;
    for (uint32_t y = 0; y < small->height; y++)
        small_add(small, y, rows->rgba + (size_t)rows->stride * y);
    return 0;
}

int thumbnail_read_webp(FILE *file, struct small *small)
{
    CLEANUP(freep) uint8_t *data = NULL;
    WebPDecoderConfig config;
    size_t size = 0;
    int r = read_file(file, &data, &size);
    if (r == 0 && (!WebPInitDecoderConfig(&config) || WebPGetFeatures(data, size, &config.input) != VP8_STATUS_OK))
        r = -EINVAL;
    if (r == 0)
        r = check_kind(&config.input);
    if (r < 0)
        return r;
    r = decode(data, size, &config, small);
    WebPFreeDecBuffer(&config.output);
    return r;
}
