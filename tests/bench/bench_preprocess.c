/* bench_preprocess.c: CPU time of decode, resize and crop, beside libjpeg-turbo's bare decode of the same files.
 *
 *     bench_preprocess LIST ROUNDS
 *
 * LIST names a file a line; all are read before. Every file is taken by each of the ways below before the next one is, each time in another
 * order, so that what disturbs the machine disturbs all of them. Prints a line a round: CPU seconds over all files, a column a way. The
 * first round warms up and is not printed. */
#include "common/cleanup.h"
#include "common/clock.h"
#include "worker/image/preprocess.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>

#define RESIZE 256
#define CROP 224
#define FILES_MAX 100000

struct file {
    uint8_t *data;
    size_t size;
};

static struct file files[FILES_MAX];
static int count;
static uint8_t pixels[3 * CROP * CROP];
static struct preprocess *preprocess;

static void read_file(const char *path)
{
    CLEANUP(fclosep) FILE *in = fopen(path, "rb");
    if (!in || count == FILES_MAX) {
        fprintf(stderr, "%s: %s\n", path, in ? "too many files" : strerror(errno));
        exit(1);
    }
    fseek(in, 0, SEEK_END);
    struct file *file = &files[count++];
    file->size = (size_t)ftell(in);
    file->data = malloc(file->size + 1);
    rewind(in);
    file->size = fread(file->data, 1, file->size, in);
}

static void read_list(const char *path)
{
    CLEANUP(fclosep) FILE *list = fopen(path, "r");
    char line[4096];
    while (list && fgets(line, sizeof(line), list)) {
        line[strcspn(line, "\n")] = '\0';
        read_file(line);
    }
}

/* ---- the ways -------------------------------------------------------------------------------------------------------- */

static void take_ours(const struct file *file)
{
    struct why why;
    if (preprocess_decode(preprocess, file->data, file->size, &why) < 0)
        fprintf(stderr, "file %d: %s\n", (int)(file - files) + 1, why.text);
    else
        preprocess_render(preprocess, pixels);
}

/* The whole frame to RGB, two rows at a time, with the library's defaults. Rows from its own allocator are aligned, and written past the caches;
 * `shift` bytes further on they are not. */
static void take_bare(const struct file *file, size_t shift)
{
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_decompress(&jpeg);
    jpeg_mem_src(&jpeg, file->data, file->size);
    jpeg_read_header(&jpeg, TRUE);
    if (jpeg.num_components < 4)
        jpeg.out_color_space = JCS_RGB;
    jpeg_start_decompress(&jpeg);
    JDIMENSION bytes = jpeg.output_width * (JDIMENSION)jpeg.output_components + (JDIMENSION)shift;
    JSAMPARRAY rows = jpeg.mem->alloc_sarray((j_common_ptr)&jpeg, JPOOL_IMAGE, bytes, 2);
    rows[0] += shift;
    rows[1] += shift;
    while (jpeg.output_scanline < jpeg.output_height)
        jpeg_read_scanlines(&jpeg, rows, 2);
    jpeg_finish_decompress(&jpeg);
    jpeg_destroy_decompress(&jpeg);
}

static void take_bare_aligned(const struct file *file)
{
    take_bare(file, 0);
}

static void take_bare_unaligned(const struct file *file)
{
    take_bare(file, 8);
}

static void (*const ways[])(const struct file *file) = { take_ours, take_bare_aligned, take_bare_unaligned };

#define WAYS ((int)ARRAY_SIZE(ways))

static void run_round(int round, uint64_t ns[WAYS])
{
    for (int i = 0; i < count; i++)
        for (int k = 0; k < WAYS; k++) {
            int way = (i + round + k) % WAYS;
            uint64_t start = clock_thread_cpu_ns();
            ways[way](&files[i]);
            ns[way] += clock_thread_cpu_ns() - start;
        }
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: bench_preprocess LIST ROUNDS\n");
        return 2;
    }
    struct preprocess_spec spec = { .resize = RESIZE, .crop = CROP };
    if (preprocess_new(&spec, &preprocess) < 0)
        return 1;
    read_list(argv[1]);
    for (int round = 0; round <= atoi(argv[2]); round++) {
        uint64_t ns[WAYS] = { 0 };
        run_round(round, ns);
        for (int k = 0; round && k < WAYS; k++)
            printf("%.6f%c", 1e-9 * (double)ns[k], k + 1 < WAYS ? ' ' : '\n');
    }
    preprocess_free(preprocess);
    return 0;
}
