/* jpeg.c: one file is one libjpeg decompressor, made and thrown away.
 *
 * A decompressor is not reused: Huffman and quantisation tables of one file would be there for the next one.
 * Errors of the library, and the end of the file where it wanted more, arrive through longjmp in jpeg_decode(), the only place
 * with setjmp; everything that must survive the jump lives in `struct job`, and every byte taken belongs to the decompressor.
 *
 * Kept equal to Pillow 9.4, by experiment (tests/unit/test_hostile.c):
 *   - 1, 3 or 4 components of 8 bits. Grey is replicated; four components are CMYK or YCCK, taken as inverted with or
 *     without an Adobe marker.
 *   - libjpeg gets the file in pieces of PIECE bytes, and is suspended between them: what it makes of damaged data depends on
 *     how far it has read ahead, and so on where the pieces end.
 *   - A file without its end marker is refused: the entropy decoder reads up to a marker. But when anything else follows the
 *     last row, no end marker is needed; what does follow in the same piece, up to one, must be well formed.
 *   - Warnings are ignored: the data is damaged, but decoded the same way there and here.
 * Different on purpose: a progressive file of more than SCANS_MAX scans is refused. A few bytes can ask for thousands of passes
 * over a huge frame; libjpeg-turbo's authors advise such a limit, and real files have about ten scans. An arithmetic-coded file, for which
 * libjpeg cannot be suspended, is one piece (Pillow refuses it if it is longer than a piece). */
#include "worker/image/jpeg.h"

#include "worker/image/exif.h"

#include <errno.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h>

#define TEXT_OF(macro) TEXT(macro)
#define TEXT(text)     #text

const char jpeg_library[] = "libjpeg-turbo " TEXT_OF(LIBJPEG_TURBO_VERSION);

#define SCANS_MAX 500
#define PIECE     65536

enum jump {
    JUMP_ERROR = 1, /* libjpeg gave up; its message is in the error manager */
    JUMP_END,       /* the file ended where libjpeg wanted more */
    JUMP_SCANS,
    JUMP_TIME,  /* `why` is filled in */
};

struct job {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    struct jpeg_source_mgr source;
    struct jpeg_progress_mgr progress;
    const uint8_t *file;
    size_t size, given; /* bytes of the file, and of those that libjpeg knows of */
    size_t skip;        /* bytes to leave out of the next piece */
    struct frame *frame;
    struct why *why;
    struct window window;
    bool started;    /* the header is complete and the scan has begun */
    jmp_buf failed;
};

/* ---- what libjpeg calls ---------------------------------------------------------------------------------------------- */

static __attribute__((noreturn)) void jump(j_common_ptr jpeg, enum jump reason)
{
    struct job *job = jpeg->client_data;
    longjmp(job->failed, reason);
}

static void on_error(j_common_ptr jpeg)
{
    jump(jpeg, JUMP_ERROR);
}

static void on_message(j_common_ptr jpeg)
{
    (void)jpeg;
}

/* Called for every row of blocks, in every scan. */
static void on_progress(j_common_ptr jpeg)
{
    const struct job *job = jpeg->client_data;
    if (((j_decompress_ptr)jpeg)->input_scan_number > SCANS_MAX)
        jump(jpeg, JUMP_SCANS);
    if (frame_check_time(job->frame, job->why) < 0)
        jump(jpeg, JUMP_TIME);
}

static boolean on_more(j_decompress_ptr jpeg)
{
    (void)jpeg;
    return FALSE;
}

static void skip(struct job *job, size_t count)
{
    size_t here = count < job->source.bytes_in_buffer ? count : job->source.bytes_in_buffer;
    job->source.next_input_byte += here;
    job->source.bytes_in_buffer -= here;
    job->skip = count - here;
}

static void on_skip(j_decompress_ptr jpeg, long count)
{
    if (count > 0)
        skip(jpeg->client_data, (size_t)count);
}

static void on_source(j_decompress_ptr jpeg)
{
    (void)jpeg;
}

static void job_prepare(struct job *job)
{
    job->jpeg.err = jpeg_std_error(&job->errors);
    job->jpeg.client_data = job;
    job->errors.error_exit = on_error;
    job->errors.output_message = on_message;
    job->source = (struct jpeg_source_mgr){
        .next_input_byte = job->file,
        .init_source = on_source,
        .fill_input_buffer = on_more,
        .skip_input_data = on_skip,
        .resync_to_restart = jpeg_resync_to_restart,
        .term_source = on_source,
    };
    job->progress.progress_monitor = on_progress;
}

/* The pieces lie one behind the other, so what libjpeg has not read of the last one stays where it is. */
static void give(struct job *job, size_t most)
{
    size_t left = job->size - job->given, count = left < most ? left : most;
    if (!left)
        jump((j_common_ptr)&job->jpeg, JUMP_END);
    job->given += count;
    job->source.bytes_in_buffer += count;
    skip(job, job->skip);
}

/* ---- from header to rows --------------------------------------------------------------------------------------------- */

static int check_variant(const struct job *job)
{
    int components = job->jpeg.num_components;
    if (components != 1 && components != 3 && components != 4)
        return because(job->why, -EOPNOTSUPP, "JPEG with %d components; only 1, 3 and 4 are read", components);
    if (job->jpeg.data_precision != 8)
        return because(job->why, -EOPNOTSUPP, "JPEG of %d bits a sample; only 8 are read", job->jpeg.data_precision);
    return 0;
}

/* Several scans: all coefficients are held until the last one. */
static uint64_t memory_of(j_decompress_ptr jpeg)
{
    uint64_t blocks = 0;
    if (!jpeg_has_multiple_scans(jpeg))
        return 0;
    for (int i = 0; i < jpeg->num_components; i++) {
        const jpeg_component_info *c = &jpeg->comp_info[i];
        uint64_t wide = (c->width_in_blocks + (unsigned)c->h_samp_factor) & ~1ull;
        blocks += wide * (c->height_in_blocks + (unsigned)c->v_samp_factor);
    }
    return blocks * sizeof(JBLOCK);
}

/* libjpeg-turbo gives a block as 4x4, 2x2 or 1 pixels for much less than as 8x8. */
static int choose_reduction(const struct job *job)
{
    int reduction = 8, width = (int)job->jpeg.image_width, height = (int)job->jpeg.image_height, side = width < height ? width : height;
    if (!job->frame->enough)
        return 1;
    while (reduction > 1 && side / reduction < job->frame->enough)
        reduction /= 2;
    return reduction;
}

static int read_header(struct job *job)
{
    jpeg_create_decompress(&job->jpeg);
    job->jpeg.src = &job->source;
    job->jpeg.progress = &job->progress;
    int r;
    while ((r = jpeg_read_header(&job->jpeg, FALSE)) != JPEG_HEADER_OK) /* or tables only, as in Pillow: the image follows */
        if (r == JPEG_SUSPENDED)
            give(job, PIECE);
    r = check_variant(job);
    if (r < 0)
        return r;
    job->jpeg.out_color_space = job->jpeg.num_components == 4 ? JCS_CMYK : JCS_RGB;
    struct picture picture = { (int)job->jpeg.image_width, (int)job->jpeg.image_height, memory_of(&job->jpeg),
                               job->frame->wants_orientation ? exif_orientation_of_jpeg(job->file, job->size) : 0, choose_reduction(job) };
    job->jpeg.scale_num = 1;
    job->jpeg.scale_denom = (unsigned)picture.reduction;
    return job->frame->begin(job->frame, &picture, &job->window, job->why);
}

/* As Pillow's cmyk2rgb on inverted samples: of ink and black, both 255 for none, the product over 255, rounded. */
static void cmyk_to_rgb(uint8_t *pixels, int width)
{
    uint8_t *to = pixels;
    for (const uint8_t *from = pixels; width--; from += 4, to += 3) {
        int light = from[3];
        for (int c = 0; c < 3; c++) {
            int t = (255 - from[c]) * light + 128, v = light - (((t >> 8) + t) >> 8);
            to[c] = (uint8_t)(v < 0 ? 0 : v);
        }
    }
}

static void deliver(struct job *job, int y, uint8_t *row)
{
    const struct window *window = &job->window;
    if (y < window->top || y >= window->bottom)
        return;
    uint8_t *first = row + (size_t)window->left * (size_t)job->jpeg.output_components;
    if (job->jpeg.output_components == 4)
        cmyk_to_rgb(first, window->right - window->left);
    job->frame->row(job->frame, y, first);
}

/* To an aligned row libjpeg-turbo writes past the caches, and reading it back would wait for memory (measured: a quarter
 * of the whole time). So no row is aligned. */
#define MISALIGNMENT 8

static JSAMPARRAY take_rows(struct jpeg_decompress_struct *jpeg)
{
    JDIMENSION bytes = jpeg->output_width * (JDIMENSION)jpeg->output_components + ROW_PADDING + MISALIGNMENT;
    JSAMPARRAY rows = jpeg->mem->alloc_sarray((j_common_ptr)jpeg, JPOOL_IMAGE, bytes, (JDIMENSION)jpeg->rec_outbuf_height);
    for (int i = 0; i < jpeg->rec_outbuf_height; i++)
        rows[i] += MISALIGNMENT;
    return rows;
}

/* All rows and columns are decoded: jpeg_crop_scanline() would save 5 % of the time on 500x375 photos (measured), and take parts
 * of libjpeg-turbo into use that Pillow does not. */
static void read_rows(struct job *job)
{
    struct jpeg_decompress_struct *jpeg = &job->jpeg;
    JSAMPARRAY rows = take_rows(jpeg);
    while (jpeg->output_scanline < jpeg->output_height) {
        int y = (int)jpeg->output_scanline;
        int n = (int)jpeg_read_scanlines(jpeg, rows, (JDIMENSION)jpeg->rec_outbuf_height);
        if (!n)
            give(job, PIECE);
        for (int i = 0; i < n; i++)
            deliver(job, y + i, rows[i]);
    }
}

static int read_image(struct job *job)
{
    int r = read_header(job);
    if (r < 0)
        return r;
    job->started = true;
    if (job->jpeg.arith_code && job->given < job->size)
        give(job, SIZE_MAX);
    while (!jpeg_start_decompress(&job->jpeg))
        give(job, PIECE);
    read_rows(job);
    jpeg_finish_decompress(&job->jpeg); /* or not: only the end marker is missing, or it is in another piece */
    return 0;
}

/* ---- what went wrong ------------------------------------------------------------------------------------------------- */

static int explain_end(struct job *job)
{
    const struct jpeg_decompress_struct *jpeg = &job->jpeg;
    if (!job->started)
        return because(job->why, -EBADMSG, "JPEG data ends inside the header");
    if (jpeg_has_multiple_scans(&job->jpeg))
        return because(job->why, -EBADMSG, "JPEG data ends before its last scan is complete");
    return because(job->why, -EBADMSG, "JPEG data ends after line %u of %u", jpeg->output_scanline * jpeg->scale_denom, jpeg->image_height);
}

static int explain_error(struct job *job)
{
    char message[JMSG_LENGTH_MAX];
    job->errors.format_message((j_common_ptr)&job->jpeg, message);
    switch (job->errors.msg_code) {
    case JERR_CANT_SUSPEND:
        return explain_end(job);
    case JERR_OUT_OF_MEMORY:
    case JERR_NO_BACKING_STORE:
        return because(job->why, -ENOMEM, "no memory to decode a JPEG of %u x %u pixels", job->jpeg.image_width,
                       job->jpeg.image_height);
    case JERR_IMAGE_TOO_BIG:
    case JERR_WIDTH_OVERFLOW:
        return because(job->why, -E2BIG, "JPEG of %u x %u pixels: %s", job->jpeg.image_width, job->jpeg.image_height, message);
    case JERR_BAD_PRECISION:
    case JERR_SOF_UNSUPPORTED:
    case JERR_ARITH_NOTIMPL:
    case JERR_CONVERSION_NOTIMPL:
    case JERR_FRACT_SAMPLE_NOTIMPL:
    case JERR_CCIR601_NOTIMPL:
        return because(job->why, -EOPNOTSUPP, "JPEG of a kind that is not read: %s", message);
    default:
        return because(job->why, -EBADMSG, "JPEG is damaged: %s", message);
    }
}

static int explain(struct job *job, enum jump reason)
{
    switch (reason) {
    case JUMP_END:
        return explain_end(job);
    case JUMP_SCANS:
        return because(job->why, -EBADMSG, "progressive JPEG with more than %d scans", SCANS_MAX);
    case JUMP_TIME:
        return -ETIMEDOUT;
    default:
        return explain_error(job);
    }
}

static int jpeg_decode(const uint8_t *file, size_t size, struct frame *frame, struct why *why)
{
    struct job job = { .file = file, .size = size, .frame = frame, .why = why };
    job_prepare(&job);
    int reason = setjmp(job.failed);
    int r = reason ? explain(&job, (enum jump)reason) : read_image(&job);
    jpeg_destroy_decompress(&job.jpeg);
    return r;
}

const struct decoder jpeg_decoder = { "JPEG", jpeg_decode };
