/* fuzz_safetensors.c: any bytes as a weights file, then the check against a network. */
#include "worker/weights/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(weights_closep) struct weights *weights = NULL;
    const struct network *network;
    struct why why;
    int classes;
    if (weights_from_memory("fuzz", data, size, &weights, &why) == 0 && network_detect(weights, &network, &why) == 0)
        weights_check(weights, network, &classes, &why);
    return 0;
}
