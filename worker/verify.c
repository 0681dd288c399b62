/* verify.c: first the pixels of built-in files, by their hashes; then the seeded ResNet-18, cut off after each stage, so that the first
 * wrong one is named; then its logits. The engine runs as it would for a job: same precision, same batch; without --recheck. */
#include "worker/verify.h"

#include "common/machine.h"
#include "common/sha256.h"
#include "worker/engine_memory.h"
#include "worker/image/preprocess.h"
#include "worker/runtime.h"
#include "worker/weights/ranges.h"
#include "worker/weights/seeded.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <string.h>

#define SIDE    224
#define CLASSES 10
#define SHOWN   16 /* channels of a layer that are compared */

#define JPEG(name, ...) static const uint8_t jpeg_##name[] = { __VA_ARGS__ };
#define PIXELS(...)
#define LAYER(...)
#define RANGE(...)
#include "worker/verify.def"
#undef JPEG
#undef PIXELS

static const struct photo {
    const char *name;
    const uint8_t *file;
    size_t size;
    int resize, crop;
    const char *sha256;
} photos[] = {
#define JPEG(...)
#define PIXELS(name, resize, crop, sha256) { #name, jpeg_##name, sizeof(jpeg_##name), resize, crop, sha256 },
#include "worker/verify.def"
#undef PIXELS
#undef LAYER
};

static const struct golden {
    const char *layer;
    float values[SHOWN];
} goldens[] = {
#define PIXELS(...)
#define LAYER(name, ...) { name, { __VA_ARGS__ } },
#include "worker/verify.def"
#undef RANGE
#undef LAYER
};

/* What int8 needs to know of that network on that image. */
static const struct extent {
    const char *layer;
    struct range range;
} extents[] = {
#define LAYER(...)
#define RANGE(name, low, high) { name, { low, high } },
#include "worker/verify.def"
};

/* Largest normalised error, |answer - PyTorch's| / |PyTorch's|, by the number format that the engine says it computes in. */
static const struct {
    const char *precision;
    double most;
} tolerances[] = { { "f32", 1e-5 }, { "bf16", 5e-2 }, { "f16", 1e-2 }, { "int8", 1e-1 } };

struct verification {
    const struct tuning *tuning;
    void (*tell)(bool good, const char *line);
    struct verify_result *result;
    char fingerprint[256];
    double worst;
};

__attribute__((format(printf, 3, 4))) static void report(struct verification *v, bool good, const char *format, ...)
{
    char line[sizeof(v->result->text)];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    if (!good && !v->result->wrong)
        memcpy(v->result->text, line, sizeof(line));
    v->result->checks++;
    v->result->wrong += !good;
    if (v->tell)
        v->tell(good, line);
}

/* ---- pixels ----------------------------------------------------------------------------------------------------------- */

static int check_photo(struct verification *v, const struct photo *photo, struct why *why)
{
    CLEANUP(preprocess_freep) struct preprocess *p = NULL;
    struct preprocess_spec spec = { .resize = photo->resize, .crop = photo->crop };
    size_t bytes = 3 * (size_t)photo->crop * (size_t)photo->crop;
    CLEANUP(freep) uint8_t *pixels = malloc(bytes);
    char hex[SHA256_HEX];
    struct why problem;
    int r = pixels ? preprocess_new(&spec, &p) : -ENOMEM;
    if (r < 0)
        return because(why, r, "no memory");
    if (preprocess_decode(p, photo->file, photo->size, &problem) < 0) {
        report(v, false, "pixels of image %s: not decoded: %s", photo->name, problem.text);
        return 0;
    }
    preprocess_render(p, pixels);
    r = sha256_memory(pixels, bytes, hex);
    if (r < 0)
        return because(why, r, "no memory");
    bool good = !strcmp(hex, photo->sha256);
    char decoders[256];
    preprocess_fingerprint(decoders, sizeof(decoders));
    report(v, good, "pixels of image %s at %d/%d: %s (%s)", photo->name, photo->resize, photo->crop, good ? "Pillow's" : "not Pillow's",
           decoders);
    return 0;
}

/* ---- layers ----------------------------------------------------------------------------------------------------------- */

/* The network up to a layer, and its pooled channels; or all of it. */
static void cut_network(const char *last, struct network *cut, struct layer *layers)
{
    const struct network *whole = network_find("resnet18");
    *cut = *whole;
    if (!strcmp(last, "fc"))
        return;
    int i = 0;
    do
        layers[i] = whole->layers[i];
    while (strcmp(layers[i++].name, last));
    cut->features = layers[i - 1].outputs;
    layers[i] = (struct layer){ .kind = LAYER_AVG_POOL, .name = "avgpool", .inputs = cut->features, .outputs = cut->features, .groups = 1,
                                .input = i, .residual = NETWORK_NONE };
    cut->count = i + 1;
    cut->layers = layers;
}

static int find_extents(const struct network *network, const struct engine_spec *spec, struct ranges *ret, struct why *why)
{
    *ret = (struct ranges){ .resize = SIDE, .crop = SIDE, .images = 1, .clipping = "none", .agreement = 1 };
    memcpy(ret->mean, spec->mean, sizeof(ret->mean));
    memcpy(ret->std, spec->std, sizeof(ret->std));
    ret->of[NETWORK_IMAGE] = ranges_of_pixels(spec->mean, spec->std);
    for (int i = 0; i < network->count; i++)
        for (size_t k = 0; k < ARRAY_SIZE(extents); k++)
            if (!strcmp(network->layers[i].name, extents[k].layer))
                ret->of[i + 1] = extents[k].range;
    return ranges_finish(ret, network, why);
}

static int open_cut(const struct verification *v, const char *last, struct engines_opened *ret, struct why *why)
{
    CLEANUP(weights_closep) struct weights *weights = NULL;
    struct layer layers[NETWORK_LAYERS_MAX];
    struct network cut;
    cut_network(last, &cut, layers);
    int r = seeded_weights(&cut, CLASSES, &weights, why);
    struct engine_spec spec = {
        .network = &cut, .weights = weights, .height = SIDE, .width = SIDE, .mean = { 0.485f, 0.456f, 0.406f },
        .std = { 0.229f, 0.224f, 0.225f }, .emit = strcmp(last, "fc") ? EMIT_FEATURES : EMIT_LOGITS, .top = 1,
        .threads = 1, .classes = strcmp(last, "fc") ? 0 : CLASSES,
    };
    char plans[PATH_MAX];
    struct ranges ranges;
    runtime_tune(v->tuning, &spec, plans);
    spec.recheck = 0; /* f32 would hide what int8 does */
    if (r == 0 && spec.precision == PRECISION_INT8) { /* auto does not take them: they are nobody's calibration */
        r = find_extents(&cut, &spec, &ranges, why);
        spec.ranges = &ranges;
    }
    return r < 0 ? r : engine_memory_open(&spec, v->tuning, machine_resident(), ret, why);
}

/* The values of one image, every n-th; returns how many, or negative errno. */
static int run_one(const struct engines_opened *it, float *values, struct why *why)
{
    const struct engine_info *info = it->ops->info(it->engine);
    struct engine_slot *slot;
    int r = it->ops->slot_acquire(it->engine, &slot);
    if (r < 0)
        return because(why, r, "the engine lends no slot");
    seeded_pixels("image", slot->pixels, (size_t)SIDE * SIDE * 3);
    if ((r = it->ops->submit(it->engine, slot, 1, why)) < 0 || (r = it->ops->wait(it->engine, &slot, why)) < 0)
        return r;
    int count = info->values < SHOWN ? (int)info->values : SHOWN, step = (int)info->values / count;
    for (int i = 0; i < count; i++)
        values[i] = slot->values[(size_t)i * (size_t)step];
    it->ops->slot_release(it->engine, slot);
    return count;
}

static double difference(const float *values, const float *expected, int count)
{
    double apart = 0, norm = 0;
    for (int i = 0; i < count; i++) {
        double d = (double)values[i] - (double)expected[i];
        apart += d * d;
        norm += (double)expected[i] * (double)expected[i];
    }
    return sqrt(apart / norm);
}

static double tolerance(const char *fingerprint)
{
    for (size_t i = 0; i < ARRAY_SIZE(tolerances); i++) {
        char word[16];
        snprintf(word, sizeof(word), " %s,", tolerances[i].precision);
        if (strstr(fingerprint, word))
            return tolerances[i].most;
    }
    return 0;
}

static int check_layer(struct verification *v, const struct golden *golden, struct why *why)
{
    struct engines_opened it;
    float values[SHOWN];
    int r = open_cut(v, golden->layer, &it, why);
    if (r < 0)
        return r;
    snprintf(v->fingerprint, sizeof(v->fingerprint), "%s", it.ops->info(it.engine)->fingerprint);
    int count = run_one(&it, values, why);
    it.ops->close(it.engine);
    if (count < 0)
        return count;
    double most = tolerance(v->fingerprint), error = difference(values, golden->values, count);
    if (most == 0)
        return because(why, -ENOTSUP, "nothing is known of what PyTorch would answer to this precision (%s)", v->fingerprint);
    v->worst = error > v->worst ? error : v->worst;
    report(v, error <= most, "%s %s: normalised error %.1e, PyTorch's up to %.0e", strcmp(golden->layer, "fc") ? "layer" : "logits,",
           golden->layer, error, most);
    return 0;
}

int verify(const struct tuning *tuning, void (*tell)(bool good, const char *line), struct verify_result *ret, struct why *why)
{
    struct verification v = { .tuning = tuning, .tell = tell, .result = ret };
    char decoders[128];
    *ret = (struct verify_result){ 0 };
    if (!strcmp(tuning->engine, "sim"))
        return because(why, -ENOTSUP, "engine sim does no arithmetic: there is nothing to verify");
    int r = 0;
    for (size_t i = 0; i < ARRAY_SIZE(photos) && r == 0; i++)
        r = check_photo(&v, &photos[i], why);
    for (size_t i = 0; i < ARRAY_SIZE(goldens) && r == 0; i++)
        r = check_layer(&v, &goldens[i], why);
    preprocess_fingerprint(decoders, sizeof(decoders));
    if (*v.fingerprint)
        snprintf(ret->fingerprint, sizeof(ret->fingerprint), "%s %s", v.fingerprint, decoders);
    if (r == 0 && !ret->wrong)
        snprintf(ret->text, sizeof(ret->text), "%d checks, largest error %.1e (%s)", ret->checks, v.worst, v.fingerprint);
    return r;
}
