/* replay.c: the main() of a fuzz target without a fuzzer: feeds it the named files, one after another. */
#include "common/cleanup.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* In memory exactly as large, so that a sanitizer sees a read past the end. */
static int replay(const char *path)
{
    CLEANUP(fclosep) FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END))
        return -1;
    size_t size = (size_t)ftell(file);
    rewind(file);
    CLEANUP(freep) uint8_t *data = malloc(size + !size);
    if (!data || fread(data, 1, size, file) != size)
        return -1;
    LLVMFuzzerTestOneInput(data, size);
    return 0;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (replay(argv[i]) < 0) {
            perror(argv[i]);
            return 1;
        }
    printf("%d inputs\n", argc - 1);
    return argc < 2;
}
