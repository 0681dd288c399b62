/* png.c: the chunks are read here, their compressed rows by libpng.
 *
 * libpng sees a stream of our making: a header and the IDAT chunks, never the many others, so none of them can get at it, and what
 * is wrong with them is judged as Pillow judges it. In that header a palette image is a grey one: its rows are the same, and
 * come back as indices. Rows are delivered as they come; only an interlaced image is held whole.
 *
 * Kept equal to Pillow 9.4, by experiment (tests/unit/test_png.c):
 *   - 16 bits: colours keep the high byte, but grey is cut off at 255, so that most of it turns white.
 *   - An index without a palette entry is the grey of its own number.
 *   - Checksums of chunks in front of the image must be right, those of the image are not looked at; the end chunk may be missing.
 * Different on purpose: compressed data that ends early is refused (Pillow makes the missing rows black), so is an APNG whose
 * first frame is a part of the picture, and chunks that do not concern pixels are not looked into. */
#include "worker/image/png.h"

#include "common/cleanup.h"
#include "worker/image/exif.h"

#include <ctype.h>
#include <errno.h>
#include <setjmp.h>
#include <stdbool.h>
#include <string.h>

#include <png.h>
#include <zlib.h>

#define SIGNATURE 8      /* bytes in front of the first chunk */
#define AROUND    12     /* bytes of a chunk around its data: length, name, checksum */
#define HEADER    13     /* bytes of an IHDR's data */
#define PIECE     65536  /* bytes that libpng inflates at a time; as in Pillow, whose verdict on a last row depends on it */

struct chunk {
    const uint8_t *name, *data;
    size_t size;       /* bytes of data that the chunk claims */
    size_t there;      /* bytes of data that the file has */
};

struct job {
    png_structp png;
    png_infop info;
    struct frame *frame;
    struct why *why;
    const uint8_t *file;
    size_t size, at;          /* bytes of the file, and of it read */
    const uint8_t *header;    /* data of IHDR */
    uint8_t palette[256][3];
    int bits, type;           /* of a sample; PNG_COLOR_TYPE_* */
    int width, height;
    struct window window;
    uint8_t stream[SIGNATURE + AROUND + HEADER], around[8]; /* for libpng: what comes first; what comes around IDAT data */
    const uint8_t *next;      /* for libpng: bytes to come ... */
    size_t left;              /* ... and how many */
    struct chunk idat;        /* whose data follows those bytes; data is NULL when it went out */
    uint8_t *raw, *rgb;       /* rows as libpng gives them, one or all; one row of R G B */
    size_t row_bytes;
    bool no_memory;
    char message[128];
    jmp_buf failed;
};

static uint32_t read_u32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void write_u32(uint8_t *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (24 - 8 * i));
}

static bool is(const struct chunk *chunk, const char *name)
{
    return !memcmp(chunk->name, name, 4);
}

/* ---- chunks ---------------------------------------------------------------------------------------------------------- */

static bool is_name(const uint8_t *name)
{
    for (int i = 0; i < 4; i++)
        if (name[i] > 'z' || (!isalnum(name[i]) && name[i] != '_'))
            return false;
    return true;
}

/* The chunk at `at`. False where the file ends, or goes on with something that is no chunk. */
static bool chunk_at(const struct job *job, size_t at, struct chunk *ret)
{
    if (at > job->size || job->size - at < 8 || !is_name(job->file + at + 4))
        return false;
    size_t rest = job->size - at - 8;
    *ret = (struct chunk){ .name = job->file + at + 4, .data = job->file + at + 8, .size = read_u32(job->file + at) };
    ret->there = ret->size < rest ? ret->size : rest;
    return true;
}

static size_t chunk_end(const struct job *job, const struct chunk *chunk)
{
    return (size_t)(chunk->data - job->file) + chunk->there + 4;
}

static bool is_sound(const struct job *job, const struct chunk *chunk)
{
    size_t end = chunk_end(job, chunk);
    return chunk->there == chunk->size && end <= job->size &&
           crc32(crc32(0, chunk->name, 4), chunk->data, (uInt)chunk->size) == read_u32(chunk->data + chunk->size);
}

static void grey_palette(struct job *job)
{
    for (int i = 0; i < 256; i++)
        memset(job->palette[i], i, 3);
}

static int read_palette(struct job *job, const struct chunk *chunk)
{
    if (job->header && job->header[9] == PNG_COLOR_TYPE_PALETTE && chunk->size / 3 > 256)
        return because(job->why, -EBADMSG, "PNG is damaged: a palette of %zu colours", chunk->size / 3);
    size_t bytes = chunk->size < sizeof(job->palette) ? chunk->size : sizeof(job->palette);
    grey_palette(job);
    memcpy(job->palette, chunk->data, bytes / 3 * 3);
    return 0;
}

static int read_frame_control(const struct job *job, const struct chunk *chunk)
{
    if (!job->header || chunk->size < 26)
        return because(job->why, -EBADMSG, "PNG is damaged: an fcTL chunk is too short or comes first");
    if (memcmp(chunk->data + 4, job->header, 8) || read_u32(chunk->data + 12) || read_u32(chunk->data + 16))
        return because(job->why, -EOPNOTSUPP, "APNG whose first frame is a part of the picture");
    return 0;
}

static int read_chunk(struct job *job, const struct chunk *chunk)
{
    if (!is_sound(job, chunk))
        return because(job->why, -EBADMSG, "PNG is damaged: the %.4s chunk is cut or its checksum wrong", (const char *)chunk->name);
    if (is(chunk, "IHDR")) {
        if (chunk->size < HEADER)
            return because(job->why, -EBADMSG, "PNG is damaged: its header is too short");
        job->header = chunk->data;
    }
    if (is(chunk, "PLTE"))
        return read_palette(job, chunk);
    if (is(chunk, "fcTL"))
        return read_frame_control(job, chunk);
    return 0;
}

/* Up to the first IDAT. */
static int read_chunks(struct job *job)
{
    struct chunk chunk;
    for (;;) {
        if (!chunk_at(job, job->at, &chunk))
            return because(job->why, -EBADMSG, "PNG data ends, or is damaged, inside the header");
        if (is(&chunk, "IDAT"))
            break;
        if (is(&chunk, "IEND"))
            return because(job->why, -EBADMSG, "PNG without image data");
        int r = read_chunk(job, &chunk);
        if (r < 0)
            return r;
        job->at = chunk_end(job, &chunk);
    }
    return job->header ? 0 : because(job->why, -EBADMSG, "PNG without a header");
}

/* EXIF data may stand behind the image. */
static int find_orientation(const struct job *job)
{
    struct chunk chunk;
    int orientation = 1;
    for (size_t at = SIGNATURE; chunk_at(job, at, &chunk) && !is(&chunk, "IEND"); at = chunk_end(job, &chunk))
        if (is(&chunk, "eXIf"))
            orientation = exif_orientation(chunk.data, chunk.there);
    return orientation;
}

/* What follows the image must be whole chunks, up to one that ends the file or is none. */
static int check_tail(const struct job *job)
{
    struct chunk chunk;
    for (size_t at = job->at; chunk_at(job, at, &chunk) && !is(&chunk, "IEND"); at = chunk_end(job, &chunk))
        if (chunk.there < chunk.size)
            return because(job->why, -EBADMSG, "PNG data ends inside the %.4s chunk", (const char *)chunk.name);
    return 0;
}

/* ---- what libpng calls ----------------------------------------------------------------------------------------------- */

static void on_error(png_structp png, png_const_charp message)
{
    struct job *job = png_get_error_ptr(png);
    snprintf(job->message, sizeof(job->message), "%s", message);
    longjmp(job->failed, 1);
}

static void on_warning(png_structp png, png_const_charp message)
{
    (void)png;
    (void)message;
}

static png_voidp on_malloc(png_structp png, png_alloc_size_t size)
{
    struct job *job = png_get_mem_ptr(png);
    void *memory = malloc(size);
    job->no_memory |= !memory;
    return memory;
}

static void on_free(png_structp png, png_voidp memory)
{
    (void)png;
    free(memory);
}

static bool is_complete(const struct job *job)
{
    return job->row_bytes && (job->header[12] ? png_get_current_pass_number(job->png) == 7
                                              : (int)png_get_current_row_number(job->png) == job->height);
}

/* The bytes after those that were read: the next IDAT's. A chunk that is cut is handed on as a shorter whole one. */
static void refill(struct job *job)
{
    if (job->idat.data) { /* the head went out: its data, then anything for a checksum */
        job->next = job->idat.data;
        job->left = job->idat.there;
        job->idat.data = NULL;
        memset(job->around, 0, sizeof(job->around));
        return;
    }
    if (job->idat.name) {
        job->next = job->around;
        job->left = 4;
        job->idat.name = NULL;
        return;
    }
    if (is_complete(job)) /* do not inflate what nobody looks at */
        png_error(job->png, "there is more data than rows");
    if (!chunk_at(job, job->at, &job->idat) || !is(&job->idat, "IDAT")) {
        job->idat.name = NULL;
        png_error(job->png, "data ends too early");
    }
    job->at = chunk_end(job, &job->idat);
    write_u32(job->around, (uint32_t)job->idat.there);
    memcpy(job->around + 4, "IDAT", 4);
    job->next = job->around;
    job->left = 8;
}

static void on_read(png_structp png, png_bytep to, size_t size)
{
    struct job *job = png_get_io_ptr(png);
    while (size) {
        if (!job->left)
            refill(job);
        size_t n = size < job->left ? size : job->left;
        if (n)
            memcpy(to, job->next, n);
        job->next += n;
        job->left -= n;
        to += n;
        size -= n;
    }
}

/* ---- rows ------------------------------------------------------------------------------------------------------------ */

static int channels_of(int type)
{
    int colours = type & PNG_COLOR_MASK_COLOR && type != PNG_COLOR_TYPE_PALETTE ? 3 : 1;
    return colours + (type & PNG_COLOR_MASK_ALPHA ? 1 : 0);
}

/* Sample `i` of a packed row. */
static unsigned sample_at(const uint8_t *row, int bits, int i)
{
    int per_byte = 8 / bits;
    return (unsigned)row[i / per_byte] >> (8 - bits - i % per_byte * bits) & ((1u << bits) - 1);
}

static void grey_to_rgb(const struct job *job, const uint8_t *row, int left, int right, uint8_t *to)
{
    unsigned scale = 255 / ((1u << job->bits) - 1);
    for (int x = left; x < right; x++, to += 3)
        memset(to, (int)(sample_at(row, job->bits, x) * scale), 3);
}

static void deep_grey_to_rgb(const uint8_t *row, int left, int right, uint8_t *to)
{
    for (int x = left; x < right; x++, to += 3)
        memset(to, row[2 * (size_t)x] ? 255 : row[2 * (size_t)x + 1], 3);
}

static void palette_to_rgb(const struct job *job, const uint8_t *row, int left, int right, uint8_t *to)
{
    for (int x = left; x < right; x++, to += 3)
        memcpy(to, job->palette[sample_at(row, job->bits, x)], 3);
}

/* Samples of 8 or 16 bits: the first byte of each, and the first or the first three of a pixel. */
static void samples_to_rgb(const struct job *job, const uint8_t *row, int left, int right, uint8_t *to)
{
    size_t sample = (size_t)job->bits / 8, pixel = sample * (size_t)channels_of(job->type);
    size_t step = job->type & PNG_COLOR_MASK_COLOR ? sample : 0;
    const uint8_t *from = row + (size_t)left * pixel;
    for (int x = left; x < right; x++, from += pixel, to += 3) {
        to[0] = from[0];
        to[1] = from[step];
        to[2] = from[2 * step];
    }
}

static void deliver(struct job *job, int y, const uint8_t *row)
{
    const struct window *window = &job->window;
    if (y < window->top || y >= window->bottom)
        return;
    if (job->type == PNG_COLOR_TYPE_PALETTE)
        palette_to_rgb(job, row, window->left, window->right, job->rgb);
    else if (job->bits < 8)
        grey_to_rgb(job, row, window->left, window->right, job->rgb);
    else if (job->bits == 16 && job->type == PNG_COLOR_TYPE_GRAY)
        deep_grey_to_rgb(row, window->left, window->right, job->rgb);
    else
        samples_to_rgb(job, row, window->left, window->right, job->rgb);
    job->frame->row(job->frame, y, job->rgb);
}

static int read_plain(struct job *job)
{
    for (int y = 0; y < job->height; y++) {
        int r = frame_check_time(job->frame, job->why);
        if (r < 0)
            return r;
        png_read_row(job->png, job->raw, NULL);
        if (y < job->height - 1) /* the last one is for finish_rows() */
            deliver(job, y, job->raw);
    }
    return 0;
}

/* An interlaced image comes in seven passes, each of which fills in pixels of the whole. */
static int read_interlaced(struct job *job)
{
    int passes = png_set_interlace_handling(job->png);
    png_start_read_image(job->png);
    for (int pass = 0; pass < passes; pass++)
        for (int y = 0; y < job->height; y++) {
            int r = frame_check_time(job->frame, job->why);
            if (r < 0)
                return r;
            png_read_row(job->png, job->raw + (size_t)y * job->row_bytes, NULL);
        }
    return 0;
}

/* Also after libpng gave up on what follows the last row: it has that row already. */
static int finish_rows(struct job *job)
{
    if (!job->header[12])
        deliver(job, job->height - 1, job->raw);
    else
        for (int y = 0; y < job->height; y++)
            deliver(job, y, job->raw + (size_t)y * job->row_bytes);
    return check_tail(job);
}

/* ---- from header to rows --------------------------------------------------------------------------------------------- */

static bool is_variant(int bits, int type)
{
    switch (type) {
    case PNG_COLOR_TYPE_GRAY:
        return bits == 1 || bits == 2 || bits == 4 || bits == 8 || bits == 16;
    case PNG_COLOR_TYPE_PALETTE:
        return bits == 1 || bits == 2 || bits == 4 || bits == 8;
    case PNG_COLOR_TYPE_RGB:
    case PNG_COLOR_TYPE_GRAY_ALPHA:
    case PNG_COLOR_TYPE_RGB_ALPHA:
        return bits == 8 || bits == 16;
    default:
        return false;
    }
}

static int read_header(struct job *job)
{
    uint32_t width = read_u32(job->header), height = read_u32(job->header + 4);
    job->bits = job->header[8];
    job->type = job->header[9];
    if (!is_variant(job->bits, job->type) || job->header[11])
        return because(job->why, -EBADMSG, "PNG of %d bits, colour type %d, filter method %d: there is no such kind", job->bits,
                       job->type, job->header[11]);
    if (!width || !height)
        return because(job->why, -EBADMSG, "PNG of %u x %u pixels", width, height);
    if (width > SIDE_LIMIT || height > SIDE_LIMIT)
        return because(job->why, -E2BIG, "PNG of %u x %u pixels; at most %d a side are read", width, height, SIDE_LIMIT);
    job->width = (int)width;
    job->height = (int)height;
    return 0;
}

static void write_header(struct job *job)
{
    uint8_t *at = job->stream;
    memcpy(at, "\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR", SIGNATURE + 8);
    at += SIGNATURE + 8;
    memcpy(at, job->header, HEADER);
    at[9] = job->type == PNG_COLOR_TYPE_PALETTE ? PNG_COLOR_TYPE_GRAY : job->header[9];
    at[10] = 0;
    at[12] = job->header[12] != 0;
    write_u32(at + HEADER, (uint32_t)crc32(0, at - 4, HEADER + 4));
    job->next = job->stream;
    job->left = sizeof(job->stream);
}

static int take_rows(struct job *job)
{
    size_t rows = job->header[12] ? (size_t)job->height : 1;
    job->raw = calloc(rows, job->row_bytes);
    job->rgb = malloc(3 * (size_t)job->width + ROW_PADDING);
    if (!job->raw || !job->rgb)
        return because(job->why, -ENOMEM, "no memory to decode a PNG of %d x %d pixels", job->width, job->height);
    return 0;
}

static int begin(struct job *job)
{
    int r = read_chunks(job);
    if (r == 0)
        r = read_header(job);
    if (r < 0)
        return r;
    size_t row_bytes = ((size_t)job->width * (size_t)(channels_of(job->type) * job->bits) + 7) / 8;
    struct picture picture = { job->width, job->height, job->header[12] ? row_bytes * (size_t)job->height : 0,
                               job->frame->wants_orientation ? find_orientation(job) : 0 };
    return job->frame->begin(job->frame, &picture, &job->window, job->why);
}

static int read_image(struct job *job)
{
    write_header(job);
    job->info = png_create_info_struct(job->png);
    png_set_read_fn(job->png, job, on_read);
    png_set_crc_action(job->png, PNG_CRC_QUIET_USE, PNG_CRC_QUIET_USE);
    png_set_user_limits(job->png, SIDE_LIMIT, SIDE_LIMIT);
    png_set_compression_buffer_size(job->png, PIECE);
    png_read_info(job->png, job->info);
    job->row_bytes = png_get_rowbytes(job->png, job->info);
    int r = take_rows(job);
    if (r < 0)
        return r;
    r = job->header[12] ? read_interlaced(job) : read_plain(job);
    return r < 0 ? r : finish_rows(job);
}

static int explain(const struct job *job)
{
    if (job->no_memory)
        return because(job->why, -ENOMEM, "no memory to decode a PNG of %d x %d pixels", job->width, job->height);
    return because(job->why, -EBADMSG, "PNG is damaged: %s", job->message);
}

static int png_decode(const uint8_t *file, size_t size, struct frame *frame, struct why *why)
{
    struct job job = { .frame = frame, .why = why, .file = file, .size = size, .at = SIGNATURE };
    grey_palette(&job);
    int r = begin(&job);
    if (r < 0)
        return r;
    job.png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, &job, on_error, on_warning, &job, on_malloc, on_free);
    if (!job.png)
        return because(why, -ENOMEM, "no memory to decode a PNG of %d x %d pixels", job.width, job.height);
    if (!setjmp(job.failed))
        r = read_image(&job);
    else
        r = is_complete(&job) ? finish_rows(&job) : explain(&job);
    png_destroy_read_struct(&job.png, &job.info, NULL);
    free(job.raw);
    free(job.rgb);
    return r;
}

const struct decoder png_decoder = { "PNG", png_decode };
