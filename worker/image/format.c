#include "worker/image/format.h"

#include "common/cleanup.h"
#include "common/clock.h"
#include "worker/image/jpeg.h"
#include "worker/image/png.h"
#include "worker/image/webp.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

struct format {
    const char *name;
    const char *magic;
    size_t offset, length; /* of the magic in the file */
    const struct decoder *decoder; /* NULL: known by name only */
};

#define READABLE "JPEG, PNG and WebP"

#define MAGIC(offset, bytes) bytes, offset, sizeof(bytes) - 1

/* The longer of two magics that begin alike goes first. */
static const struct format formats[] = {
    { "JPEG", MAGIC(0, "\xff\xd8\xff"), &jpeg_decoder },
    { "PNG", MAGIC(0, "\x89PNG\r\n\x1a\n"), &png_decoder },
    { "WebP", MAGIC(8, "WEBP"), &webp_decoder },
    { "GIF", MAGIC(0, "GIF8"), NULL },
    { "TIFF", MAGIC(0, "II*\0"), NULL },
    { "TIFF", MAGIC(0, "MM\0*"), NULL },
    { "BigTIFF", MAGIC(0, "II+\0"), NULL },
    { "BigTIFF", MAGIC(0, "MM\0+"), NULL },
    { "BMP", MAGIC(0, "BM"), NULL },
    { "AVIF", MAGIC(4, "ftypavif"), NULL },
    { "HEIC", MAGIC(4, "ftyphe"), NULL },
    { "HEIF", MAGIC(4, "ftypmif1"), NULL },
    { "MP4 or QuickTime video", MAGIC(4, "ftyp"), NULL },
    { "JPEG 2000", MAGIC(0, "\0\0\0\x0cjP  "), NULL },
    { "JPEG 2000", MAGIC(0, "\xff\x4f\xff\x51"), NULL },
    { "JPEG XL", MAGIC(0, "\0\0\0\x0cJXL "), NULL },
    { "JPEG XL", MAGIC(0, "\xff\x0a"), NULL },
    { "Photoshop", MAGIC(0, "8BPS"), NULL },
    { "icon", MAGIC(0, "\0\0\1\0"), NULL },
    { "PDF", MAGIC(0, "%PDF"), NULL },
    { "PostScript", MAGIC(0, "%!PS"), NULL },
    { "zip", MAGIC(0, "PK\3\4"), NULL },
    { "gzip", MAGIC(0, "\x1f\x8b"), NULL },
};

static bool begins(const uint8_t *file, size_t size, const struct format *format)
{
    return size >= format->offset + format->length &&
           memcmp(file + format->offset, format->magic, format->length) == 0;
}

/* What a store or a web server answers in place of a photo is mostly markup or plain text. */
static const char *kind_of_text(const uint8_t *file, size_t size)
{
    static const char space[] = " \t\r\n";
    size_t i = size >= 3 && memcmp(file, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    while (i < size && memchr(space, file[i], sizeof(space) - 1))
        i++;
    const char *text = (const char *)file + i;
    size_t left = size - i, checked = left < 256 ? left : 256;
    if (left >= 4 && strncasecmp(text, "<svg", 4) == 0)
        return "SVG";
    if ((left >= 5 && strncasecmp(text, "<html", 5) == 0) || (left >= 9 && strncasecmp(text, "<!doctype", 9) == 0))
        return "HTML";
    if (left >= 5 && strncasecmp(text, "<?xml", 5) == 0)
        return "XML";
    if (i == 0 && file[0] > 0x7e)
        return NULL;
    for (size_t k = 0; k < checked; k++)
        if ((unsigned char)text[k] < 0x20 && !memchr(space, text[k], sizeof(space) - 1))
            return NULL;
    return "text";
}

static int refuse(const char *name, struct why *why)
{
    return because(why, -EOPNOTSUPP, "%s file; only " READABLE " are read", name);
}

int format_find(const uint8_t *file, size_t size, const struct decoder **ret, struct why *why)
{
    for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
        if (!begins(file, size, &formats[i]))
            continue;
        if (!formats[i].decoder)
            return refuse(formats[i].name, why);
        *ret = formats[i].decoder;
        return 0;
    }
    const char *text = kind_of_text(file, size);
    if (text)
        return refuse(text, why);
    return because(why, -EOPNOTSUPP, "not an image that is known (it begins with %02x %02x %02x %02x); only " READABLE " are read",
                   file[0], size > 1 ? file[1] : 0, size > 2 ? file[2] : 0, size > 3 ? file[3] : 0);
}

int frame_check_time(struct frame *frame, struct why *why)
{
    if (!frame->cpu_limit_ns || frame->asked++ % 8 || clock_thread_cpu_ns() < frame->cpu_end_ns)
        return 0;
    return because(why, -ETIMEDOUT, "decoding took more processor time than --image-cpu-limit allows");
}
