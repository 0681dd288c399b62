/* bench.c: the cuDNN engine by itself, for tests/gpu/report.py: computes, and times, and prints lines that a script can read.
 *
 *     bench probe
 *     bench logits SETTING PIXELS COUNT OUT      pixels (COUNT, SIDE, SIDE, 3) u8 in, logits (COUNT, classes) f32 out
 *     bench speed  SETTING SECONDS               "device IMAGES/S MS", "upload IMAGES/S", "tune S", "open S", "fingerprint ..."
 *     bench layers SETTING                       "layer NAME MS FLOP BYTES SHAPE" each
 *     bench rivals SETTING COUNT                 "whole MS MS-BY-ITSELF SHAPE | PLAN" each, "rivals BEFORE AFTER" (whole.h)
 *     bench split  SETTING                       "split BATCH MS-TO-LAYER2 MS-FROM-LAYER3" (whole.h)
 *
 * SETTING is six arguments: INDEX NUMBERS NETWORK SIDE PRECISION BATCH; plans are kept in $BENCH_PLANS, and not looked for without it. int8 takes the ranges in $BENCH_RANGES.
 * "device": the captured network alone, pixels there already. "upload": through slots, from pinned memory to predictions. Exit status: 3 without a
 * device. */
#include "common/cleanup.h"
#include "tests/gpu/bench_gpu.h"
#include "tests/gpu/flat.h"
#include "tests/gpu/whole.h"
#include "worker/engines/cudnn.h"
#include "worker/engines/cudnn_device.h"
#include "worker/engines/cudnn_wait.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#define NO_DEVICE 3
#define SETTING   6 /* arguments */

struct setting {
    struct engine_spec spec;
    struct weights *weights;
    struct ranges ranges; /* for int8 */
};

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static int complain(int r, const struct why *why)
{
    fprintf(stderr, "bench: %s\n", why->text);
    return r == -ENODEV ? NO_DEVICE : 1;
}

static enum precision precision_of(const char *name)
{
    return !strcmp(name, "f32") ? PRECISION_F32 : !strcmp(name, "bf16") ? PRECISION_BF16 : !strcmp(name, "int8") ? PRECISION_INT8 : PRECISION_F16;
}

static int read_setting(char **args, struct setting *setting, struct why *why)
{
    setting->spec = (struct engine_spec){
        .network = network_find(args[2]), .height = atoi(args[3]), .width = atoi(args[3]), .mean = { 0.485f, 0.456f, 0.406f },
        .std = { 0.229f, 0.224f, 0.225f }, .emit = EMIT_LOGITS, .top = 5, .precision = precision_of(args[4]), .batch = atoi(args[5]),
        .plans = getenv("BENCH_PLANS"), .no_tuning = !getenv("BENCH_PLANS"),
    };
    if (!setting->spec.network)
        return because(why, -EINVAL, "there is no network %s", args[2]);
    int r = flat_open(args[0], args[1], &setting->weights, why);
    setting->spec.weights = setting->weights;
    setting->spec.ranges = &setting->ranges;
    return r == 0 && setting->spec.precision == PRECISION_INT8 ? flat_ranges(getenv("BENCH_RANGES"), setting->spec.network, &setting->ranges, why) : r;
}

/* ---- probe ----------------------------------------------------------------------------------------------------------------- */

static int probe(void)
{
    char text[512];
    struct why why;
    int r = cudnn_engine(&BENCH_GPU)->probe(text, sizeof(text), &why);
    if (r < 0)
        return complain(r, &why);
    printf("%s\n", text);
    return 0;
}

/* ---- logits ---------------------------------------------------------------------------------------------------------------- */

static int compute(const struct engine_ops *ops, struct engine *engine, FILE *pixels, int count, FILE *out, struct why *why)
{
    const struct engine_info *info = ops->info(engine);
    for (int at = 0; at < count; at += info->batch) {
        struct engine_slot *slot;
        int n = count - at < info->batch ? count - at : info->batch, r = ops->slot_acquire(engine, &slot);
        if (r < 0)
            return because(why, r, "no slot");
        if (fread(slot->pixels, info->image_bytes, (size_t)n, pixels) != (size_t)n)
            return because(why, -EIO, "the pixels end too early");
        if ((r = ops->submit(engine, slot, n, why)) < 0 || (r = ops->wait(engine, &slot, why)) < 0)
            return r;
        fwrite(slot->values, sizeof(float) * info->values, (size_t)n, out);
        ops->slot_release(engine, slot);
    }
    return fflush(out) ? because(why, -EIO, "the logits cannot be written") : 0;
}

static int logits(const struct setting *setting, char **args, struct why *why)
{
    const struct engine_ops *ops = cudnn_engine(&BENCH_GPU);
    CLEANUP(fclosep) FILE *pixels = fopen(args[0], "rb");
    CLEANUP(fclosep) FILE *out = fopen(args[2], "wb");
    struct engine *engine;
    if (!pixels || !out)
        return because(why, -EIO, "%s or %s cannot be opened", args[0], args[2]);
    int r = ops->open(&setting->spec, &engine, why);
    if (r < 0)
        return r;
    r = compute(ops, engine, pixels, atoi(args[1]), out, why);
    if (r == 0) /* the last word: all of it was computed */
        printf("fingerprint %s\n", ops->info(engine)->fingerprint);
    ops->close(engine);
    return r;
}

/* ---- speed ----------------------------------------------------------------------------------------------------------------- */

/* Graph after graph on one lane; returns milliseconds a batch. */
static int time_device(struct device *device, double seconds, double *ret_ms, struct why *why)
{
    struct gpu *gpu = device->gpu;
    struct lane *lane = &device->lanes[0];
    int launches = 4, r = 0;
    float ms = 0;
    for (bool enough = false; !enough && r == 0; launches *= 2) {
        r = gpu->ops->event_record(gpu, lane->begun, device->stream, why);
        for (int i = 0; i < launches && r == 0; i++)
            r = gpu->ops->graph_launch(gpu, lane->graph, device->stream, why);
        if (r < 0 || (r = gpu->ops->event_record(gpu, lane->done, device->stream, why)) < 0 ||
            (r = wait_event(gpu, lane->done, why)) < 0 || (r = gpu->ops->event_between(gpu, lane->begun, lane->done, &ms, why)) < 0)
            return r;
        *ret_ms = (double)ms / launches;
        enough = (double)ms >= 1e3 * seconds || launches > 1 << 20;
    }
    return r;
}

static int fill_with_noise(struct device *device, struct why *why)
{
    size_t bytes = (size_t)device->net.batch * (size_t)device->net.height * (size_t)device->net.width * 3;
    CLEANUP(freep) uint8_t *noise = malloc(bytes);
    uint64_t state = 1;
    for (size_t i = 0; noise && i < bytes; i++)
        noise[i] = (uint8_t)((state = state * 6364136223846793005u + 1442695040888963407u) >> 56);
    int r = noise ? device->gpu->ops->copy(device->gpu, device->stream, device->lanes[0].pixels, noise, bytes, why) : -ENOMEM;
    return r < 0 ? r : wait_stream(device->gpu, device->stream, why);
}

static int open_device(struct device *device, const struct setting *setting, struct why *why)
{
    struct net_options options = { .batch = setting->spec.batch };
    return device_open(device, &BENCH_GPU, 0, &setting->spec, &options, why);
}

static int speed_on_device(const struct setting *setting, double seconds, struct why *why)
{
    struct device device = { 0 };
    double ms = 0, start = now_s();
    int r = open_device(&device, setting, why);
    if (r == 0)
        printf("tune %.1f\n", now_s() - start);
    if (r == 0)
        r = fill_with_noise(&device, why);
    if (r == 0)
        r = time_device(&device, seconds, &ms, why);
    if (r == 0)
        printf("device %.1f %.4f\n", 1e3 * device.net.batch / ms, ms);
    if (r == 0)
        printf("weights %.1f MB, largest %g, %zu of %zu subnormal; %d shapes tuned now; plans %s%s%s\n", (double)device.net.weight_bytes / 1e6,
               (double)device.net.report.largest, device.net.report.subnormals, device.net.report.numbers, device.net.tuned, device.net.hash,
               *device.net.complaint ? "; " : "", device.net.complaint);
    device_stop(&device);
    device_close(&device);
    return r;
}

/* Slot after slot, as many as there are under way. */
static int stream_slots(const struct engine_ops *ops, struct engine *engine, double seconds, double *ret_rate, struct why *why)
{
    const struct engine_info *info = ops->info(engine);
    struct engine_slot *slot;
    double start = 0;
    int done = 0, under_way = 0, r = 0;
    for (int sent = 0; done == 0 || now_s() - start < seconds || under_way;) {
        bool more = sent < 3 * info->slots || now_s() - start < seconds;
        if (more && under_way < info->slots) {
            if ((r = ops->slot_acquire(engine, &slot)) < 0 || (r = ops->submit(engine, slot, info->batch, why)) < 0)
                return r;
            sent++;
            under_way++;
            continue;
        }
        if ((r = ops->wait(engine, &slot, why)) < 0)
            return r;
        ops->slot_release(engine, slot);
        under_way--;
        if (sent > 2 * info->slots && done++ == 0) /* the clock starts when the pipe is full */
            start = now_s();
    }
    *ret_rate = done > 1 ? (double)(done - 1) * info->batch / (now_s() - start) : 0;
    return 0;
}

static int speed_with_upload(const struct setting *setting, double seconds, struct why *why)
{
    const struct engine_ops *ops = cudnn_engine(&BENCH_GPU);
    struct engine_spec spec = setting->spec;
    struct engine *engine;
    double rate, start = now_s();
    spec.emit = EMIT_TOPK;
    int r = ops->open(&spec, &engine, why);
    if (r < 0)
        return r;
    printf("open %.2f\nfingerprint %s\nbatch %d\n", now_s() - start, ops->info(engine)->fingerprint, ops->info(engine)->batch);
    r = stream_slots(ops, engine, seconds, &rate, why);
    if (r == 0)
        printf("upload %.1f\n", rate);
    ops->close(engine);
    return r;
}

static int speed(const struct setting *setting, char **args, struct why *why)
{
    double seconds = atof(args[0]);
    int r = speed_on_device(setting, seconds, why);
    return r < 0 ? r : speed_with_upload(setting, seconds, why);
}

/* ---- layers ---------------------------------------------------------------------------------------------------------------- */

#define NORMALISE (-1) /* a step in front of the first */
#define STEP_RUNS 20   /* of a step, in one graph */

/* What must be computed and moved: the image's three channels once, and not the form in which the first convolution reads them. */
static struct conv_shape least_shape(const struct net *net, const struct net_step *step)
{
    const struct layer *layer = &step->layer;
    struct conv_shape shape = net->shapes[step->shape];
    if (layer->input != NETWORK_IMAGE)
        return shape;
    shape.height = net->height;
    shape.width = net->width;
    shape.inputs = layer->inputs;
    shape.kernel_height = shape.kernel_width = layer->kernel;
    shape.stride = layer->stride;
    shape.padding = layer->padding;
    return shape;
}

static void print_step(const struct net *net, const struct net_step *step, double ms)
{
    const struct pool_args *pool = &step->pool;
    double in = (double)number_size(pool->format) * pool->batch * pool->height * pool->width * pool->channels;
    double out = (double)number_size(pool->to) * pool->batch * pool->out_height * pool->out_width * pool->channels;
    if (step->shape >= 0) {
        char shape[SHAPE_TEXT];
        struct conv_shape least = least_shape(net, step);
        conv_shape_text(&net->shapes[step->shape], shape);
        printf("layer %s %.5f %.0f %.0f %s\n", step->layer.name, ms, conv_shape_flop(&least), conv_shape_bytes(&least), shape);
    } else if (step->layer.kind == LAYER_FC)
        printf("layer fc %.5f %.0f %.0f f32\n", ms, 2.0 * net->batch * net->features * net->classes,
               4.0 * ((double)net->batch * (net->features + net->classes) + (double)net->features * net->classes));
    else
        printf("layer %s %.5f 0 %.0f %s\n", step->layer.name, ms,
               in + (step->layer.kind == LAYER_AVG_POOL ? 4.0 * pool->batch * pool->channels : out),
               number_name(net->format));
}

static double normalise_bytes(const struct normalise_args *args)
{
    double pixels = (double)args->batch * args->rows * args->columns;
    return 3.0 * args->batch * args->height * args->width + pixels * IMAGE_CHANNELS * (double)number_size(args->format);
}

static int layers(const struct setting *setting, struct why *why)
{
    struct device device = { 0 };
    int r = open_device(&device, setting, why);
    for (int i = NORMALISE; r == 0 && i < device.net.count; i++) {
        double ms = 0;
        r = whole_time(&device, i, i + 1, STEP_RUNS, &ms, why);
        if (r == 0 && i == NORMALISE)
            printf("layer normalise %.5f 0 %.0f u8\n", ms,
                   normalise_bytes(&device.net.normalise));
        else if (r == 0)
            print_step(&device.net, &device.net.steps[i], ms);
    }
    device_stop(&device);
    device_close(&device);
    return r;
}

/* ---- the network as a whole ---------------------------------------------------------------------------------------------------- */

static int whole(const struct setting *setting, const char *what, int rivals, struct why *why)
{
    struct device device = { 0 };
    int r = open_device(&device, setting, why);
    if (r == 0)
        r = fill_with_noise(&device, why);
    if (r == 0)
        r = !strcmp(what, "split") ? whole_split(&device, why) : whole_rivals(&device, rivals, why);
    device_stop(&device);
    device_close(&device);
    return r;
}

int main(int argc, char **argv)
{
    struct setting setting = { 0 };
    struct why why = { "" };
    const char *what = argc > 1 ? argv[1] : "";
    int given = argc - 2 - SETTING, r = -EINVAL;
    if (!strcmp(what, "probe"))
        return probe();
    if (given >= 0)
        r = read_setting(argv + 2, &setting, &why);
    char **rest = argv + 2 + SETTING;
    if (r == 0 && !strcmp(what, "logits") && given == 3)
        r = logits(&setting, rest, &why);
    else if (r == 0 && !strcmp(what, "speed") && given == 1)
        r = speed(&setting, rest, &why);
    else if (r == 0 && !strcmp(what, "layers") && given == 0)
        r = layers(&setting, &why);
    else if (r == 0 && ((!strcmp(what, "rivals") && given == 1) || (!strcmp(what, "split") && given == 0)))
        r = whole(&setting, what, given ? atoi(rest[0]) : 0, &why);
    else if (r == 0)
        r = because(&why, -EINVAL, "no such command; see tests/gpu/bench.c");
    weights_close(setting.weights);
    return r < 0 ? complain(r, &why) : 0;
}
