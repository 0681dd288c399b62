/* cudnn.c: ResNets on GPUs: cuDNN's graph API, cublasLt and a few kernels of our own.
 *
 *     cudnn_list.c     which GPUs;  cudnn_device.c  one of them: lanes that take slots, copy, launch, and hand rows back
 *     cudnn_net.c      the network in the memory of a GPU;  cudnn_pack.c  weights in its number format;  cudnn_stem.c  the first convolution
 *     cudnn_shapes.c   the convolutions of a network, each once;  cudnn_tune.c  the fastest plan of each;  cudnn_plans.c  keeps them on disk
 *     gpu.h            everything below: gpu_cuda.c, gpu_conv.c, gpu_search.c, gpu_recipe.c, gpu_plan.c, gpu_product.c, gpu_fc.c, kernels.cu, or a test's
 *     slots.c, rows.c  the queue of slots; what is a row
 *
 * Several devices take slots from one queue. They must be of one kind: else an image's row would depend on where it was computed.
 *
 * When memory is short, open tries half the batch, and again, down to one image. An engine whose device hangs is left as it is when it is closed: a
 * thread may be in the driver for good, and the device may still write. The process should end. */
#include "worker/engines/cudnn.h"

#include "common/cleanup.h"
#include "worker/engines/cudnn_device.h"
#include "worker/engines/cudnn_list.h"
#include "worker/weights/ranges.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#define DEFAULT_BATCH 256

struct engine {
    struct engine_info info;
    struct slots slots;
    bool slots_ready;
    struct device_list list;
    struct device devices[DEVICES_MAX];
    void *pinned[3];
    struct engine *next_left; /* of those that were left as they are */
};

static const struct gpu_ops *_Atomic ops; /* always the same, set before any engine is opened; several threads may look for the engine */

/* ---- what it computes ----------------------------------------------------------------------------------------------------- */

static bool is_same_kind(const struct gpu_info *a, const struct gpu_info *b)
{
    return !strcmp(a->name, b->name) && a->major == b->major && a->minor == b->minor && a->processors == b->processors;
}

static int check_spec(const struct engine_spec *spec, struct why *why)
{
    if (!spec->network || !spec->weights)
        return because(why, -EINVAL, "engine cudnn: needs a network and weights");
    if (spec->precision == PRECISION_INT8 && !spec->ranges)
        return because(why, -ENOENT, "engine cudnn: int8 needs activation ranges of these weights; make them with: sleddog-worker calibrate");
    if (spec->precision == PRECISION_INT8 && spec->recheck)
        return because(why, -ENOTSUP, "engine cudnn: int8 on a GPU computes no image again; leave out --recheck, or use --precision f16 without it");
    for (int c = 0; c < 3; c++)
        if (!(spec->std[c] > 0))
            return because(why, -EINVAL, "engine cudnn: std %g of the preset cannot be divided by", (double)spec->std[c]);
    if (spec->emit != EMIT_FEATURES && spec->top < 1)
        return because(why, -EINVAL, "engine cudnn: top %d is impossible", spec->top);
    return slots_check_spec("cudnn", spec, why);
}

static int check_device(const struct engine *engine, const struct device *device, enum precision precision, struct why *why)
{
    const struct gpu_info *info = &device->gpu->info, *first = &engine->devices[0].gpu->info;
    if (!is_same_kind(info, first))
        return because(why, -EINVAL, "engine cudnn: device %d is a %s and device %d a %s; give each kind a worker of its own", first->device,
                       first->name, info->device, info->name);
    if (precision == PRECISION_BF16 && info->major < 8)
        return because(why, -ENOTSUP, "engine cudnn: %s (compute capability %d.%d) cannot compute in bf16, which wants 8.0; use --precision f16",
                       info->name, info->major, info->minor);
    return 0;
}

static int check_classes(const struct net *net, const struct engine_spec *spec, struct why *why)
{
    if (spec->classes && spec->classes != net->classes)
        return because(why, -EINVAL, "engine cudnn: the weights have %d classes, expected %d", net->classes, spec->classes);
    if (spec->emit != EMIT_FEATURES && spec->top > net->classes)
        return because(why, -EINVAL, "engine cudnn: top %d of %d classes is impossible", spec->top, net->classes);
    return 0;
}

static void name_device(struct engine *engine, const struct engine_spec *spec)
{
    struct engine_info *info = &engine->info;
    const struct net *net = &engine->devices[0].net;
    const struct gpu_info *gpu = &engine->devices[0].gpu->info;
    char several[24] = "";
    if (engine->list.count > 1)
        snprintf(several, sizeof(several), "%d x ", engine->list.count);
    char ranges[40] = "", from[RANGES_ORIGIN] = "";
    if (net->format == NUMBER_S8) {
        snprintf(ranges, sizeof(ranges), ", ranges %.16s", spec->ranges->sha256);
        ranges_origin(spec->ranges, from);
    }
    snprintf(info->device, sizeof(info->device), "%s%s, %s%s, batch %d", several, gpu->name, number_name(net->format), from, net->batch);
    snprintf(info->fingerprint, sizeof(info->fingerprint), "cudnn: %s, %s %d.%d, %d processors, %s%s, batch %d, kernels %d, plans %s", gpu->libraries,
             gpu->name, gpu->major, gpu->minor, gpu->processors, number_name(net->format), ranges, net->batch, KERNELS_VERSION, net->hash);
}

static int default_slots(int devices)
{
    return LANES * devices + 2;
}

static void describe(struct engine *engine, const struct engine_spec *spec, int wanted)
{
    const struct net *net = &engine->devices[0].net;
    bool features = spec->emit == EMIT_FEATURES;
    engine->info = (struct engine_info){
        .engine = "cudnn",
        .precision = number_name(net->format),
        .batch = net->batch,
        .slots = spec->slots ? spec->slots : default_slots(engine->list.count),
        .threads = engine->list.count, /* a device without work is worth a partial slot; a second one in flight is not */
        .image_bytes = (size_t)spec->height * (size_t)spec->width * 3,
        .image_read = (size_t)spec->height * (size_t)spec->width * 3,
        .classes = net->classes,
        .top = features ? 0 : spec->top,
        .values = features ? (size_t)net->features : spec->emit == EMIT_LOGITS ? (size_t)net->classes : 0,
    };
    name_device(engine, spec);
    int n = 0;
    if (net->batch < wanted)
        n = snprintf(engine->info.note, sizeof(engine->info.note), "there is no memory for batches of %d: %d are computed at once%s", wanted,
                     net->batch, *net->complaint ? "; " : "");
    snprintf(engine->info.note + n, sizeof(engine->info.note) - (size_t)n, "%s", net->complaint);
}

/* ---- open and close ------------------------------------------------------------------------------------------------------- */

static bool hangs(const struct engine *engine)
{
    bool any = false;
    for (int i = 0; i < engine->list.count; i++)
        any = any || device_hangs(&engine->devices[i]);
    return any;
}

/* Everything but the list of devices; the engine can be tried again after it, unless a device hangs. */
static void close_all(struct engine *engine)
{
    struct gpu *gpu = engine->devices[0].gpu;
    if (engine->slots_ready)
        slots_stop(&engine->slots);
    for (int i = 0; i < engine->list.count; i++)
        device_stop(&engine->devices[i]);
    if (hangs(engine)) /* what was still under way has not ended */
        return;
    for (size_t i = 0; i < ARRAY_SIZE(engine->pinned); i++) {
        if (engine->pinned[i])
            gpu->ops->unpin(gpu, engine->pinned[i]);
        engine->pinned[i] = NULL;
    }
    for (int i = 0; i < engine->list.count; i++)
        device_close(&engine->devices[i]);
    if (engine->slots_ready)
        slots_done(&engine->slots);
    engine->slots_ready = false;
}

static void leave_as_it_is(struct engine *engine)
{
    static struct engine *_Atomic left;
    engine->next_left = atomic_exchange(&left, engine);
    if (engine->slots_ready)
        slots_stop(&engine->slots);
}

static void cudnn_close(struct engine *engine)
{
    if (!engine)
        return;
    if (!hangs(engine))
        close_all(engine);
    if (hangs(engine))
        leave_as_it_is(engine);
    else
        free(engine);
}
DEFINE_FREEP(cudnn_close, struct engine)

static int open_devices(struct engine *engine, const struct engine_spec *spec, int batch, struct why *why)
{
    struct net_options options = { .batch = batch };
    for (int i = 0; i < engine->list.count; i++) {
        struct device *device = &engine->devices[i];
        int r = device_open(device, ops, engine->list.numbers[i], spec, &options, why);
        /* Why it cannot work may be what it is. */
        if (device->gpu && check_device(engine, device, spec->precision, NULL) < 0)
            return check_device(engine, device, spec->precision, why);
        if (r < 0)
            return r;
        options.like = &engine->devices[0].net;
    }
    return check_classes(&engine->devices[0].net, spec, why);
}

static int pin(struct engine *engine, size_t at, void *memory, size_t bytes, struct why *why)
{
    struct gpu *gpu = engine->devices[0].gpu;
    if (!memory || !bytes)
        return 0;
    int r = gpu->ops->pin(gpu, memory, bytes, why);
    if (r < 0)
        return because_in(why, r, "engine cudnn: no pinned memory for %d slots of %d images", engine->info.slots, engine->info.batch);
    engine->pinned[at] = memory;
    return 0;
}

/* The memory of all slots, which lie one behind the other. */
static int pin_slots(struct engine *engine, struct why *why)
{
    const struct engine_info *info = &engine->info;
    const struct engine_slot *first = &engine->slots.slots[0].slot;
    size_t images = (size_t)info->slots * (size_t)info->batch;
    int r;
    if ((r = pin(engine, 0, first->pixels, images * info->image_bytes, why)) < 0 ||
        (r = pin(engine, 1, first->predictions, images * (size_t)info->top * sizeof(struct prediction), why)) < 0)
        return r;
    return pin(engine, 2, first->values, images * info->values * sizeof(float), why);
}

static int open_at(struct engine *engine, const struct engine_spec *spec, int batch, int wanted, struct why *why)
{
    int r = open_devices(engine, spec, batch, why);
    if (r < 0)
        return r;
    describe(engine, spec, wanted);
    r = slots_init(&engine->slots, &engine->info, why);
    if (r < 0)
        return r;
    engine->slots_ready = true;
    r = pin_slots(engine, why);
    for (int i = 0; i < engine->list.count && r == 0; i++)
        r = device_start(&engine->devices[i], &engine->slots, &engine->info, why);
    return r;
}

static int cudnn_open(const struct engine_spec *spec, struct engine **ret, struct why *why)
{
    int r = check_spec(spec, why);
    if (r < 0)
        return r;
    CLEANUP(cudnn_closep) struct engine *engine = calloc(1, sizeof(*engine));
    if (!engine)
        return because(why, -ENOMEM, "engine cudnn: no memory");
    r = device_list_read(&engine->list, ops, spec->device, why);
    if (r < 0)
        return r;
    int wanted = spec->batch ? spec->batch : DEFAULT_BATCH, batch = wanted;
    while ((r = open_at(engine, spec, batch, wanted, why)) == -ENOMEM && batch > 1) {
        close_all(engine);
        if (hangs(engine))
            return because_in(why, -ENOTRECOVERABLE, "engine cudnn: the GPU hangs; before that");
        batch /= 2;
    }
    if (r < 0)
        return r;
    *ret = take(engine);
    return 0;
}

/* ---- the functions of engine.h --------------------------------------------------------------------------------------------- */

static const struct engine_info *cudnn_info(const struct engine *engine)
{
    return &engine->info;
}

static int cudnn_acquire(struct engine *engine, struct engine_slot **ret)
{
    return slots_acquire(&engine->slots, ret);
}

static int cudnn_submit(struct engine *engine, struct engine_slot *slot, int n, struct why *why)
{
    return slots_submit(&engine->slots, slot, n, why);
}

static int cudnn_wait(struct engine *engine, struct engine_slot **ret, struct why *why)
{
    return slots_wait(&engine->slots, ret, why);
}

static void cudnn_release(struct engine *engine, struct engine_slot *slot)
{
    slots_release(&engine->slots, slot);
}

static void cudnn_interrupt(struct engine *engine)
{
    slots_interrupt(&engine->slots);
}

static int cudnn_probe(char *text, size_t size, struct why *why)
{
    int present, r = ops->count(&present, why);
    struct gpu_info info = { 0 };
    if (r == 0)
        r = ops->look(0, &info, why);
    if (r < 0)
        return because_in(why, -ENODEV, "engine cudnn");
    snprintf(text, size, "%d device%s, the first: %s, compute capability %d.%d, %.0f GiB; %s", present, present == 1 ? "" : "s", info.name,
             info.major, info.minor, (double)info.memory / (1 << 30), info.libraries);
    return 0;
}

/* The slots are pinned here; all else is the device's. Of "all" devices it is not known yet how many they are: at least one. */
static uint64_t cudnn_memory(const struct engine_spec *spec)
{
    int devices = 1;
    for (const char *at = spec->device; at && (at = strchr(at, ',')); at++)
        devices++;
    return slots_memory(spec, default_slots(devices), DEFAULT_BATCH);
}

const struct engine_ops *cudnn_engine(const struct gpu_ops *gpu)
{
    static const struct engine_ops engine_ops = {
        .abi = ENGINE_ABI,
        .name = "cudnn",
        .open = cudnn_open,
        .info = cudnn_info,
        .slot_acquire = cudnn_acquire,
        .submit = cudnn_submit,
        .wait = cudnn_wait,
        .slot_release = cudnn_release,
        .interrupt = cudnn_interrupt,
        .close = cudnn_close,
        .probe = cudnn_probe,
        .memory = cudnn_memory,
    };
    ops = gpu;
    return &engine_ops;
}
