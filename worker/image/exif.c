#include "worker/image/exif.h"

#include <string.h>

#define ORIENTATION 0x0112

/* A TIFF structure, whose offsets and counts may say anything. */
struct tiff {
    const uint8_t *data;
    size_t size;
    bool little;
};

/* 0 beyond the end. */
static uint32_t number_at(const struct tiff *tiff, size_t at, int bytes)
{
    uint32_t value = 0;
    if (at > tiff->size || tiff->size - at < (size_t)bytes)
        return 0;
    for (int i = 0; i < bytes; i++)
        value |= (uint32_t)tiff->data[at + (size_t)i] << 8 * (tiff->little ? i : bytes - 1 - i);
    return value;
}

/* Bytes of a value of this type; 0: none that an orientation could have. */
static int size_of(uint32_t type)
{
    switch (type) {
    case 6: /* SBYTE */
        return 1;
    case 3: /* SHORT */
    case 8: /* SSHORT */
        return 2;
    case 4: /* LONG */
    case 9: /* SLONG */
    case 13: /* IFD */
        return 4;
    default:
        return 0;
    }
}

/* The first value of the entry at `at`, whose values are in the entry if they fit into four bytes; 0: none. */
static uint32_t value_at(const struct tiff *tiff, size_t at)
{
    int size = size_of(number_at(tiff, at + 2, 2));
    uint64_t count = number_at(tiff, at + 4, 4), bytes = count * (uint64_t)size;
    if (!bytes)
        return 0;
    size_t where = bytes <= 4 ? at + 8 : number_at(tiff, at + 8, 4);
    if (where > tiff->size || bytes > tiff->size - where)
        return 0;
    return number_at(tiff, where, size);
}

int exif_orientation(const uint8_t *data, size_t size)
{
    uint32_t found = 1;
    if (size >= 6 && !memcmp(data, "Exif\0\0", 6)) {
        data += 6;
        size -= 6;
    }
    if (size < 10 || (memcmp(data, "II*\0", 4) && memcmp(data, "MM\0*", 4)))
        return 1;
    struct tiff tiff = { data, size, data[0] == 'I' };
    size_t at = number_at(&tiff, 4, 4);
    uint32_t entries = number_at(&tiff, at, 2);
    at += 2;
    for (uint32_t i = 0; i < entries && at <= size && size - at >= 12; i++, at += 12) {
        uint32_t value = number_at(&tiff, at, 2) == ORIENTATION ? value_at(&tiff, at) : 0;
        if (value)
            found = value;
    }
    return found <= 8 ? (int)found : 1;
}

/* Markers without a length: TEM, RST0 to RST7, SOI, EOI. */
static bool stands_alone(uint8_t marker)
{
    return marker == 0x01 || (marker >= 0xd0 && marker <= 0xd9);
}

int exif_orientation_of_jpeg(const uint8_t *file, size_t size)
{
    size_t at = 2;
    while (size >= 4 && at <= size - 4) {
        if (file[at] != 0xff || file[at + 1] == 0xff || !file[at + 1] || stands_alone(file[at + 1])) {
            at += file[at] != 0xff || file[at + 1] == 0xff ? 1 : 2;
            continue;
        }
        size_t length = (size_t)file[at + 2] << 8 | file[at + 3];
        if (length < 2) /* an empty segment, for libjpeg and for Pillow */
            length = 2;
        if (file[at + 1] == 0xda || length > size - at - 2)
            return 1;
        if (file[at + 1] == 0xe1 && length >= 8 && !memcmp(file + at + 4, "Exif\0", 5))
            return exif_orientation(file + at + 4, length - 2);
        at += 2 + length;
    }
    return 1;
}

struct orientation exif_turn(int o)
{
    return (struct orientation){ o >= 5, o == 2 || o == 3 || o == 7 || o == 8, o == 3 || o == 4 || o == 6 || o == 7 };
}
