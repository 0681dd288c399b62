/* png.c: the chunks are read by png_chunks.c, the compressed rows in them by libpng, and png_rows.c makes R G B of them.
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

#include "worker/image/png_chunks.h"
#include "worker/image/png_rows.h"

#include <errno.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>
#include <zlib.h>

#define SIGNATURE 8      /* bytes in front of the first chunk */
#define AROUND    12     /* bytes of a chunk around its data: length, name, checksum */
#define PIECE     65536  /* bytes that libpng inflates at a time; as in Pillow, whose verdict on a last row depends on it */

struct job {
    png_structp png;
    png_infop info;
    struct frame *frame;
    struct why *why;
    struct png_chunks chunks;
    struct png_kind kind;
    bool interlaced;
    int width, height;
    struct window window;
    uint8_t stream[SIGNATURE + AROUND + PNG_HEADER], around[8]; /* for libpng: what comes first; what comes around IDAT data */
    const uint8_t *next;      /* for libpng: bytes to come ... */
    size_t left;              /* ... and how many */
    struct png_chunk idat;    /* whose data follows those bytes; data is NULL when it went out */
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
    return job->row_bytes && (job->interlaced ? png_get_current_pass_number(job->png) == 7
                                              : (int)png_get_current_row_number(job->png) == job->height);
}

/* The bytes after those that were read: the next IDAT's. A chunk that is cut is handed on as a shorter whole one. */
static void refill(struct job *job)
{
    if (job->idat.data) { /* the head went out: its data, then anything for a checksum */
        job->next = job->idat.data;
        job->left = job->idat.there;
        job->idat.data = NULL;
        return;
    }
    if (job->idat.name) {
        job->next = job->around;
        job->left = 4;
        job->idat.name = NULL;
        return;
    }
    if (!png_chunks_next(&job->chunks, &job->idat))
        png_error(job->png, "data ends too early");
    write_u32(job->around, (uint32_t)job->idat.there);
    memcpy(job->around + 4, "IDAT", 4);
    job->next = job->around;
    job->left = 8;
}

static void on_read(png_structp png, png_bytep to, size_t size)
{
    struct job *job = png_get_io_ptr(png);
    if (is_complete(job)) /* do not inflate what nobody looks at */
        png_error(png, "there is more data than rows");
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

static void deliver(struct job *job, int y, const uint8_t *row)
{
    const struct window *window = &job->window;
    if (y < window->top || y >= window->bottom)
        return;
    png_to_rgb(&job->kind, row, window->left, window->right, job->rgb);
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
    if (!job->interlaced)
        deliver(job, job->height - 1, job->raw);
    else
        for (int y = 0; y < job->height; y++)
            deliver(job, y, job->raw + (size_t)y * job->row_bytes);
    return png_chunks_check_tail(&job->chunks);
}

/* ---- from header to rows --------------------------------------------------------------------------------------------- */

static int read_header(struct job *job)
{
    const uint8_t *header = job->chunks.header;
    uint32_t width = read_u32(header), height = read_u32(header + 4);
    job->kind = (struct png_kind){ .bits = header[8], .type = header[9], .palette = (const uint8_t(*)[3])job->chunks.palette };
    job->interlaced = header[12] != 0;
    if (!png_kind_exists(job->kind.bits, job->kind.type) || header[11])
        return because(job->why, -EBADMSG, "PNG of %d bits, colour type %d, filter method %d: there is no such kind", job->kind.bits,
                       job->kind.type, header[11]);
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
    memcpy(at, job->chunks.header, PNG_HEADER);
    at[9] = (uint8_t)(job->kind.type == PNG_PALETTE ? PNG_GREY : job->kind.type);
    at[10] = 0;
    at[12] = job->interlaced;
    write_u32(at + PNG_HEADER, (uint32_t)crc32(0, at - 4, PNG_HEADER + 4));
    job->next = job->stream;
    job->left = sizeof(job->stream);
}

static int take_rows(struct job *job)
{
    size_t rows = job->interlaced ? (size_t)job->height : 1;
    job->raw = calloc(rows, job->row_bytes);
    job->rgb = malloc(3 * (size_t)job->width + ROW_PADDING);
    if (!job->raw || !job->rgb)
        return because(job->why, -ENOMEM, "no memory to decode a PNG of %d x %d pixels", job->width, job->height);
    return 0;
}

static int begin(struct job *job)
{
    int r = png_chunks_open(&job->chunks);
    if (r == 0)
        r = read_header(job);
    if (r < 0)
        return r;
    size_t row_bytes = ((size_t)job->width * (size_t)(png_channels(job->kind.type) * job->kind.bits) + 7) / 8;
    struct picture picture = { job->width, job->height, job->interlaced ? row_bytes * (size_t)job->height : 0,
                               job->frame->wants_orientation ? png_chunks_orientation(&job->chunks) : 0, 1 };
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
    r = job->interlaced ? read_interlaced(job) : read_plain(job);
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
    struct job job = { .frame = frame, .why = why, .chunks = { .file = file, .size = size, .why = why } };
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
