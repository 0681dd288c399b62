/* bench_preprocess.c: CPU time of decode, resize and crop an image, beside libjpeg-turbo's bare decode of the same files.
 *
 *     bench_preprocess preprocess|decode LIST ROUNDS
 *
 * LIST names a file a line. Prints the CPU seconds of each round over all files, which were read before. */
#include "common/cleanup.h"
#include "worker/image/preprocess.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

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

static void preprocess_all(void)
{
    struct preprocess_spec spec = { .resize = RESIZE, .crop = CROP };
    CLEANUP(preprocess_freep) struct preprocess *p = NULL;
    if (preprocess_new(&spec, &p) < 0)
        exit(1);
    for (int i = 0; i < count; i++) {
        struct why why;
        if (preprocess_decode(p, files[i].data, files[i].size, &why) < 0)
            fprintf(stderr, "file %d: %s\n", i + 1, why.text);
        else
            preprocess_render(p, pixels);
    }
}

static void decode_file(const struct file *file)
{
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_decompress(&jpeg);
    jpeg_mem_src(&jpeg, file->data, file->size);
    jpeg_read_header(&jpeg, TRUE);
    jpeg_start_decompress(&jpeg);
    JSAMPARRAY rows = jpeg.mem->alloc_sarray((j_common_ptr)&jpeg, JPOOL_IMAGE,
                                             jpeg.output_width * (JDIMENSION)jpeg.output_components, 2);
    while (jpeg.output_scanline < jpeg.output_height)
        jpeg_read_scanlines(&jpeg, rows, 2);
    jpeg_finish_decompress(&jpeg);
    jpeg_destroy_decompress(&jpeg);
}

static void decode_all(void)
{
    for (int i = 0; i < count; i++)
        decode_file(&files[i]);
}

static double cpu_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: bench_preprocess preprocess|decode LIST ROUNDS\n");
        return 2;
    }
    CLEANUP(fclosep) FILE *list = fopen(argv[2], "r");
    char path[4096];
    while (list && fgets(path, sizeof(path), list)) {
        path[strcspn(path, "\n")] = '\0';
        read_file(path);
    }
    for (int round = atoi(argv[3]); round > 0; round--) {
        double start = cpu_seconds();
        if (strcmp(argv[1], "decode") == 0)
            decode_all();
        else
            preprocess_all();
        printf("%.6f\n", cpu_seconds() - start);
    }
    return 0;
}
