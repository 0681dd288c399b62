#include "worker/image/png_chunks.h"

#include "worker/image/exif.h"
#include "worker/image/png_rows.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include <zlib.h>

#define SIGNATURE 8 /* bytes in front of the first chunk */

static uint32_t read_u32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static bool is(const struct png_chunk *chunk, const char *name)
{
    return !memcmp(chunk->name, name, 4);
}

static bool is_name(const uint8_t *name)
{
    for (int i = 0; i < 4; i++)
        if (name[i] > 'z' || (!isalnum(name[i]) && name[i] != '_'))
            return false;
    return true;
}

/* The chunk at `at`. False where the file ends, or goes on with something that is no chunk. */
static bool chunk_at(const struct png_chunks *chunks, size_t at, struct png_chunk *ret)
{
    if (at > chunks->size || chunks->size - at < 8 || !is_name(chunks->file + at + 4))
        return false;
    size_t rest = chunks->size - at - 8;
    *ret = (struct png_chunk){ .name = chunks->file + at + 4, .data = chunks->file + at + 8, .size = read_u32(chunks->file + at) };
    ret->there = ret->size < rest ? ret->size : rest;
    return true;
}

static size_t chunk_end(const struct png_chunks *chunks, const struct png_chunk *chunk)
{
    return (size_t)(chunk->data - chunks->file) + chunk->there + 4;
}

static bool is_sound(const struct png_chunks *chunks, const struct png_chunk *chunk)
{
    size_t end = chunk_end(chunks, chunk);
    return chunk->there == chunk->size && end <= chunks->size &&
           crc32(crc32(0, chunk->name, 4), chunk->data, (uInt)chunk->size) == read_u32(chunk->data + chunk->size);
}

static void grey_palette(struct png_chunks *chunks)
{
    for (int i = 0; i < 256; i++)
        memset(chunks->palette[i], i, 3);
}

/* A palette counts behind a header that asks for one. */
static int read_palette(struct png_chunks *chunks, const struct png_chunk *chunk)
{
    if (!chunks->header || chunks->header[9] != PNG_PALETTE)
        return 0;
    if (chunk->size / 3 > 256)
        return because(chunks->why, -EBADMSG, "PNG is damaged: a palette of %zu colours", chunk->size / 3);
    size_t bytes = chunk->size < sizeof(chunks->palette) ? chunk->size : sizeof(chunks->palette);
    grey_palette(chunks);
    memcpy(chunks->palette, chunk->data, bytes / 3 * 3);
    return 0;
}

/* A count that no animation can have makes it none, and so does a second one. */
static int read_animation_control(struct png_chunks *chunks, const struct png_chunk *chunk)
{
    if (chunk->size < 8)
        return because(chunks->why, -EBADMSG, "PNG is damaged: an acTL chunk is too short");
    uint32_t frames = read_u32(chunk->data);
    chunks->frames = chunks->frames || frames > 0x80000000 ? 0 : frames;
    return 0;
}

static int read_frame_control(struct png_chunks *chunks, const struct png_chunk *chunk)
{
    if (!chunks->header || chunk->size < 26)
        return because(chunks->why, -EBADMSG, "PNG is damaged: an fcTL chunk is too short or comes first");
    if (memcmp(chunk->data + 4, chunks->header, 8) || read_u32(chunk->data + 12) || read_u32(chunk->data + 16))
        return because(chunks->why, -EOPNOTSUPP, "APNG whose first frame is a part of the picture");
    chunks->first_is_frame = true;
    return 0;
}

static int read_chunk(struct png_chunks *chunks, const struct png_chunk *chunk)
{
    if (!is_sound(chunks, chunk))
        return because(chunks->why, -EBADMSG, "PNG is damaged: the %.4s chunk is cut or its checksum wrong", (const char *)chunk->name);
    if (is(chunk, "IHDR")) {
        if (chunk->size < PNG_HEADER)
            return because(chunks->why, -EBADMSG, "PNG is damaged: its header is too short");
        if (chunks->header && memcmp(chunks->header, chunk->data, PNG_HEADER))
            return because(chunks->why, -EBADMSG, "PNG is damaged: it has two headers, which differ");
        chunks->header = chunk->data;
    }
    if (is(chunk, "PLTE"))
        return read_palette(chunks, chunk);
    if (is(chunk, "fdAT"))
        return because(chunks->why, -EBADMSG, "PNG is damaged: a frame of an animation comes before the image");
    if (is(chunk, "acTL"))
        return read_animation_control(chunks, chunk);
    if (is(chunk, "fcTL"))
        return read_frame_control(chunks, chunk);
    return 0;
}

int png_chunks_open(struct png_chunks *chunks)
{
    struct png_chunk chunk;
    grey_palette(chunks);
    chunks->at = SIGNATURE;
    for (;;) {
        if (!chunk_at(chunks, chunks->at, &chunk))
            return because(chunks->why, -EBADMSG, "PNG data ends, or is damaged, inside the header");
        if (is(&chunk, "IDAT"))
            break;
        if (is(&chunk, "IEND"))
            return because(chunks->why, -EBADMSG, "PNG without image data");
        int r = read_chunk(chunks, &chunk);
        if (r < 0)
            return r;
        chunks->at = chunk_end(chunks, &chunk);
    }
    return chunks->header ? 0 : because(chunks->why, -EBADMSG, "PNG without a header");
}

/* Behind the image: nobody reads on from here. */
static bool ends_tail(const struct png_chunks *chunks, const struct png_chunk *chunk)
{
    bool has_more = chunks->frames > (chunks->first_is_frame ? 1 : 0);
    return is(chunk, "IEND") || (has_more && is(chunk, "fcTL"));
}

/* What is behind the image counts where nothing is in front of it. */
int png_chunks_orientation(const struct png_chunks *chunks)
{
    struct png_chunk chunk;
    int orientation = 0;
    for (size_t at = SIGNATURE; chunk_at(chunks, at, &chunk); at = chunk_end(chunks, &chunk)) {
        if (at >= chunks->at && (orientation || ends_tail(chunks, &chunk)))
            break;
        if (is(&chunk, "eXIf"))
            orientation = exif_orientation(chunk.data, chunk.there);
    }
    return orientation ? orientation : 1;
}

int png_chunks_check_tail(const struct png_chunks *chunks)
{
    struct png_chunk chunk;
    for (size_t at = chunks->at; chunk_at(chunks, at, &chunk) && !ends_tail(chunks, &chunk); at = chunk_end(chunks, &chunk))
        if (chunk.there < chunk.size)
            return because(chunks->why, -EBADMSG, "PNG data ends inside the %.4s chunk", (const char *)chunk.name);
    return 0;
}

bool png_chunks_next(struct png_chunks *chunks, struct png_chunk *ret)
{
    if (!chunk_at(chunks, chunks->at, ret) || !is(ret, "IDAT"))
        return false;
    chunks->at = chunk_end(chunks, ret);
    return true;
}
