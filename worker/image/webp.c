/* webp.c: the container is read by libwebpdemux, the first frame in it by libwebp's incremental decoder, a piece of the file at a
 * time, so that its processor time can be watched. A piece may be a whole picture: pixels can cost no bits at all. So a picture that could
 * take too long is not begun.
 *
 * Kept equal to Pillow 9.4, by experiment (tests/unit/test_webp.c): the container must be whole, sound and begin with one of
 * three chunks, and both the decoder and the demuxer must take it for one: the decoder is stricter with chunks in front of the picture.
 * Every frame in it must have a sane header, and the first one must decode. */
#include "worker/image/webp.h"

#include "common/cleanup.h"
#include "worker/image/exif.h"
#include "worker/image/webp_memory.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <webp/decode.h>
#include <webp/demux.h>

#define PIECE    16384  /* bytes decoded between two looks at the clock */
#define PIXEL_NS 32     /* that a pixel may take; measured at worst: 18 (one-pixel copies under three transforms), 3 in photos */

/* Bytes that libwebp takes for itself. Tables for prefix codes took up to 3 MB with files that libwebp wrote, but a file decides on their number:
 * so they are held to what its size makes likely. */
#define CONTAINER   (1u << 20) /* and as many as the file has */
#define COLUMN      128        /* rows on their way */
#define TABLES      (2u << 20) /* and TABLES_BYTE for each byte of data, TABLES_MOST at most */
#define TABLES_BYTE 4
#define TABLES_MOST (64u << 20)

struct job {
    struct frame *frame;
    struct why *why;
    int width, height;
    struct window window;
    WebPDemuxer *demux;
    WebPIterator first;   /* the first frame */
    uint8_t *pixels;      /* (first.height, first.width, 3) R G B and ROW_PADDING */
};

static int out_of_memory(const struct job *job)
{
    return because(job->why, -ENOMEM, "no memory to decode a WebP of %d x %d pixels", job->width, job->height);
}

static int explain(const struct job *job, VP8StatusCode status)
{
    switch (status) {
    case VP8_STATUS_OUT_OF_MEMORY:
        return out_of_memory(job);
    case VP8_STATUS_SUSPENDED:
    case VP8_STATUS_NOT_ENOUGH_DATA:
        return because(job->why, -EBADMSG, "WebP data ends too early");
    case VP8_STATUS_UNSUPPORTED_FEATURE:
        return because(job->why, -EOPNOTSUPP, "WebP with a feature that is not read");
    default:
        return because(job->why, -EBADMSG, "WebP is damaged");
    }
}

/* ---- pixels ---------------------------------------------------------------------------------------------------------- */

static int feed(struct job *job, WebPIDecoder *decoder)
{
    const WebPData *data = &job->first.fragment;
    for (size_t fed = 0;;) {
        job->frame->asked = 0; /* a piece is much */
        int r = frame_check_time(job->frame, job->why);
        if (r < 0)
            return r;
        fed = data->size - fed > PIECE ? fed + PIECE : data->size;
        VP8StatusCode status = WebPIUpdate(decoder, data->bytes, fed);
        if (status == VP8_STATUS_OK)
            return 0;
        if (status != VP8_STATUS_SUSPENDED || fed == data->size)
            return explain(job, status);
    }
}

/* What is one piece needs no incremental decoder, which refuses some pictures of a few blocks: those whose modes are in the bytes that it
 * read with the header. But only that one says what is wrong with a file. */
static bool decode_small(const struct job *job, size_t bytes, int stride)
{
    const WebPData *data = &job->first.fragment;
    return data->size <= PIECE && WebPDecodeRGBInto(data->bytes, data->size, job->pixels, bytes, stride);
}

static int decode_first(struct job *job)
{
    size_t stride = 3 * (size_t)job->first.width, bytes = stride * (size_t)job->first.height;
    job->pixels = malloc(bytes + ROW_PADDING);
    if (job->pixels && decode_small(job, bytes, (int)stride))
        return 0;
    WebPIDecoder *decoder = job->pixels ? WebPINewRGB(MODE_RGB, job->pixels, bytes, (int)stride) : NULL;
    if (!decoder)
        return out_of_memory(job);
    int r = feed(job, decoder);
    WebPIDelete(decoder);
    return r;
}

/* Whether the frame is the whole picture, so that its rows can be handed on as they are. */
static bool is_whole(const struct job *job)
{
    return job->first.width == job->width && job->first.height == job->height;
}

/* Row `y` of the picture: black, and what the frame has of it. */
static void compose(const struct job *job, int y, uint8_t *row)
{
    const WebPIterator *first = &job->first;
    memset(row, 0, 3 * (size_t)job->width);
    if (y < first->y_offset || y >= first->y_offset + first->height)
        return;
    const uint8_t *from = job->pixels + 3 * (size_t)first->width * (size_t)(y - first->y_offset);
    memcpy(row + 3 * (size_t)first->x_offset, from, 3 * (size_t)first->width);
}

static int deliver(const struct job *job)
{
    const struct window *window = &job->window;
    CLEANUP(freep) uint8_t *row = is_whole(job) ? NULL : malloc(3 * (size_t)job->width + ROW_PADDING);
    if (!row && !is_whole(job))
        return out_of_memory(job);
    for (int y = window->top; y < window->bottom; y++) {
        const uint8_t *pixels = job->pixels + 3 * (size_t)job->width * (size_t)y;
        if (row) {
            compose(job, y, row);
            pixels = row;
        }
        job->frame->row(job->frame, y, pixels + 3 * (size_t)window->left);
    }
    return 0;
}

/* ---- the container --------------------------------------------------------------------------------------------------- */

/* What libwebp will take: for a lossless picture 4 bytes a pixel, and less than one for its transforms; for a lossy one only rows, but its
 * alpha channel is a lossless picture of its own. */
static uint64_t memory_of(const struct job *job, bool lossless)
{
    const WebPIterator *first = &job->first;
    uint64_t pixels = (uint64_t)first->width * (uint64_t)first->height, columns = COLUMN * (uint64_t)first->width;
    uint64_t tables = TABLES + TABLES_BYTE * (uint64_t)first->fragment.size;
    if (!lossless && !first->has_alpha)
        return columns;
    return columns + pixels * (lossless ? 5 : 6) + (tables < TABLES_MOST ? tables : TABLES_MOST);
}

static int find_orientation(const struct job *job)
{
    WebPChunkIterator chunk;
    if (!WebPDemuxGetChunk(job->demux, "EXIF", 1, &chunk))
        return 1;
    int orientation = exif_orientation(chunk.chunk.bytes, chunk.chunk.size);
    WebPDemuxReleaseChunkIterator(&chunk);
    return orientation;
}

static int read_frame(struct job *job)
{
    WebPBitstreamFeatures features;
    VP8StatusCode status = WebPGetFeatures(job->first.fragment.bytes, job->first.fragment.size, &features);
    if (status != VP8_STATUS_OK)
        return explain(job, status);
    if (features.width != job->first.width || features.height != job->first.height)
        return because(job->why, -EBADMSG, "WebP is damaged: its frame says %d x %d pixels and its container %d x %d", features.width,
                       features.height, job->first.width, job->first.height);
    uint64_t pixels = (uint64_t)features.width * (uint64_t)features.height, memory = memory_of(job, features.format == 2);
    struct picture picture = { job->width, job->height, memory + 3 * pixels, job->frame->wants_orientation ? find_orientation(job) : 0, 1 };
    int r = job->frame->begin(job->frame, &picture, &job->window, job->why);
    if (r == 0 && job->frame->cpu_limit_ns && pixels * PIXEL_NS > job->frame->cpu_limit_ns)
        r = because(job->why, -ETIMEDOUT, "WebP of %d x %d pixels, which may take longer to decode than --image-cpu-limit allows",
                    features.width, features.height);
    if (r < 0)
        return r;
    webp_memory_allow_more(memory);
    r = decode_first(job);
    return r < 0 ? r : deliver(job);
}

static bool begins_as_pillow_wants(const uint8_t *file, size_t size)
{
    return size >= 16 && !memcmp(file, "RIFF", 4) && (!memcmp(file + 12, "VP8 ", 4) || !memcmp(file + 12, "VP8X", 4) || !memcmp(file + 12, "VP8L", 4));
}

/* Whether the file is as long as it says. */
static bool is_all_there(const uint8_t *file, size_t size)
{
    uint32_t says = (uint32_t)file[4] | (uint32_t)file[5] << 8 | (uint32_t)file[6] << 16 | (uint32_t)file[7] << 24;
    return says <= size - 8;
}

static int open_container(struct job *job, const uint8_t *file, size_t size)
{
    WebPBitstreamFeatures features;
    if (!is_all_there(file, size))
        return explain(job, VP8_STATUS_NOT_ENOUGH_DATA);
    VP8StatusCode status = WebPGetFeatures(file, size, &features);
    if (status != VP8_STATUS_OK)
        return explain(job, status);
    job->demux = WebPDemux(&(WebPData){ file, size });
    return job->demux ? 0 : explain(job, VP8_STATUS_BITSTREAM_ERROR);
}

static int read_container(struct job *job, const uint8_t *file, size_t size)
{
    int r = open_container(job, file, size);
    if (r < 0)
        return r;
    job->width = (int)WebPDemuxGetI(job->demux, WEBP_FF_CANVAS_WIDTH);
    job->height = (int)WebPDemuxGetI(job->demux, WEBP_FF_CANVAS_HEIGHT);
    r = WebPDemuxGetFrame(job->demux, 1, &job->first) ? read_frame(job) : because(job->why, -EBADMSG, "WebP without a frame");
    WebPDemuxReleaseIterator(&job->first);
    WebPDemuxDelete(job->demux);
    free(job->pixels);
    return r;
}

static int webp_decode(const uint8_t *file, size_t size, struct frame *frame, struct why *why)
{
    struct job job = { .frame = frame, .why = why };
    if (!begins_as_pillow_wants(file, size))
        return because(why, -EBADMSG, "WebP is damaged: it does not begin with VP8, VP8L or VP8X");
    webp_memory_allow(CONTAINER + size);
    int r = read_container(&job, file, size);
    if (webp_memory_end() && r < 0)
        return because(why, -E2BIG, "WebP that asks for more memory than such a picture needs");
    return r;
}

int webp_release(void)
{
    return WebPGetDecoderVersion();
}

const struct decoder webp_decoder = { "WebP", webp_decode };
