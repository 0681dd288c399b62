/* fuzz_pth.c: any bytes as PyTorch's zip or legacy file, and as a bare pickle. The checksums of a zip would stop a fuzzer at
 * every change, so the first byte chooses what the rest is. */
#include "worker/weights/check.h"
#include "worker/weights/pickle.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_file(const uint8_t *data, size_t size)
{
    CLEANUP(weights_closep) struct weights *weights = NULL;
    const struct network *network;
    struct why why;
    int classes;
    if (weights_from_memory("fuzz", data, size, &weights, &why) == 0 && network_detect(weights, &network, &why) == 0)
        weights_check(weights, network, &classes, &why);
}

static void fuzz_pickle(const uint8_t *data, size_t size)
{
    struct pickle pickle;
    struct pickle_value *value;
    struct why why;
    size_t used;
    pickle_init(&pickle, "fuzz");
    pickle_load(&pickle, data, size, &used, &value, &why);
    pickle_done(&pickle);
}

/* The legacy form with any pickles behind its magic number. */
static void fuzz_legacy(const uint8_t *data, size_t size)
{
    static const char start[] = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.\x80\x02}X\x0d\0\0\0little_endian\x88s.";
    uint8_t *file = malloc(sizeof(start) - 1 + size);
    if (!file)
        return;
    memcpy(file, start, sizeof(start) - 1);
    memcpy(file + sizeof(start) - 1, data, size);
    fuzz_file(file, sizeof(start) - 1 + size);
    free(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size && data[0] == 'p')
        fuzz_pickle(data + 1, size - 1);
    else if (size && data[0] == 'l')
        fuzz_legacy(data + 1, size - 1);
    else
        fuzz_file(data, size);
    return 0;
}
