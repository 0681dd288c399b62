/* fake_plugin.c: the cuDNN engine over the GPU of the tests, as a plugin for whole workers.
 *
 * $FAKE_GPU_DEVICES: how many there are (1). $FAKE_GPU_LAUNCHES: after so many batches the GPU is lost (-1: with the first). $FAKE_GPU_CALLS: with this call.
 * $FAKE_GPU_HANGS: it is not lost, but hangs, which is noticed after so many milliseconds. */
#include "tests/fake_gpu.h"
#include "worker/engine.h"
#include "worker/engines/cudnn.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

static void configure(void)
{
    const char *devices = getenv("FAKE_GPU_DEVICES"), *launches = getenv("FAKE_GPU_LAUNCHES");
    const char *calls = getenv("FAKE_GPU_CALLS"), *hangs = getenv("FAKE_GPU_HANGS");
    struct fake_settings settings = { .devices = devices ? atoi(devices) : 1, .launches = launches ? atoi(launches) : 0, .hangs = hangs,
                                      .fail_at = calls && !hangs ? atoi(calls) : 0, .fail_code = -ENOTRECOVERABLE,
                                      .hang_at = calls && hangs ? atoi(calls) : 0,
                                      .patience_ns = hangs ? (uint64_t)atoi(hangs) * 1000000 : 0 };
    fake_gpu_reset(&settings);
}

__attribute__((visibility("default"))) engine_entry_point sleddog_engine;

const struct engine_ops *sleddog_engine(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, configure);
    return cudnn_engine(&fake_gpu);
}
