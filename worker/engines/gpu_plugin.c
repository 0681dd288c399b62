/* gpu_plugin.c: where the engine meets the real GPU. */
#include "worker/engine.h"
#include "worker/engines/cudnn.h"

__attribute__((visibility("default"))) engine_entry_point sleddog_engine;

const struct engine_ops *sleddog_engine(void)
{
    return cudnn_engine(&gpu_cuda);
}
