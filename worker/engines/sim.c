/* sim.c: an engine without arithmetic, for testing clusters at sizes that nobody owns.
 *
 * Each stream thread is a server with a fixed cost an image: a slot starts when it was submitted, or when the stream's previous
 * one ended, and ends `images * cost_us` later on CLOCK_MONOTONIC. Late wake-ups do not add up, because the next slot starts
 * when the previous one was due. A long slot is slept through in several naps, so that one can see it move. Rows are a function of the first eight bytes of an image and of nothing else. */
#include "worker/engines/slots.h"

#include "common/cleanup.h"
#include "common/counted.h"
#include "worker/network.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#define SEED_BYTES       8
#define DEFAULT_FEATURES 2048 /* ResNet-50's */
#define DEFAULT_BATCH    16
#define NAP_NS           100000000u /* at least; an image is never cut */

struct engine {
    struct engine_info info;
    struct slots slots;
    enum emit emit;
    uint64_t cost_ns; /* an image */
    int started;
    pthread_t *threads;
    atomic_uint_fast64_t naps; /* of all streams */
};

/* splitmix64 (Steele, Lea, Flood 2014): one step of the generator. */
static uint64_t next(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* 0 <= x < 1, in steps of 2^-24: exact in f32 */
static float unit(uint64_t *state)
{
    return (float)(next(state) >> 40) * 0x1p-24f;
}

static uint32_t common_divisor(uint32_t a, uint32_t b)
{
    while (b) {
        uint32_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* Distinct classes: first, first + step, first + 2 step ... modulo `classes`, with a step that shares no divisor. Falling
 * probabilities: first / (i + 1)^2, whose sum stays under 1.65 times the first. */
static void predict(uint64_t *state, int classes, int top, struct prediction *predictions)
{
    uint32_t n = (uint32_t)classes, index = (uint32_t)(next(state) % n), step = 1 + (uint32_t)(next(state) % n);
    if (common_divisor(n, step) != 1)
        step = 1;
    float first = n == 1 ? 1 : 0.3f + 0.3f * unit(state);
    for (int i = 0; i < top; i++) {
        predictions[i] = (struct prediction){ index, first / ((float)(i + 1) * (float)(i + 1)) };
        index = (uint32_t)(((uint64_t)index + step) % n);
    }
}

/* Logits that agree with the predictions: theirs are the logarithms, all others lie well below. */
static void fill_logits(uint64_t *state, int classes, int top, const struct prediction *predictions, float *values)
{
    for (int c = 0; c < classes; c++)
        values[c] = -40 + unit(state);
    for (int i = 0; i < top; i++)
        values[predictions[i].index] = logf(predictions[i].probability);
}

static void run(const struct engine *engine, struct engine_slot *slot)
{
    const struct engine_info *info = &engine->info;
    for (int i = 0; i < slot->count; i++) {
        uint64_t state = 0;
        for (int b = 0; b < SEED_BYTES; b++)
            state = state << 8 | slot->pixels[(size_t)i * info->image_bytes + (size_t)b];
        struct prediction *predictions = slot->predictions + (size_t)i * (size_t)info->top;
        float *values = slot->values + (size_t)i * info->values;
        if (engine->emit != EMIT_FEATURES)
            predict(&state, info->classes, info->top, predictions);
        if (engine->emit == EMIT_LOGITS)
            fill_logits(&state, info->classes, info->top, predictions, values);
        for (size_t v = 0; engine->emit == EMIT_FEATURES && v < info->values; v++)
            values[v] = unit(&state);
    }
    slot->busy_ns = (uint64_t)slot->count * engine->cost_ns;
}

static void sleep_until(uint64_t due_ns)
{
    struct timespec due = { (time_t)(due_ns / 1000000000u), (long)(due_ns % 1000000000u) };
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL) == EINTR)
        ;
}

/* From start_ns on, until the slot is due. */
static void sleep_through(struct engine *engine, uint64_t start_ns, int images)
{
    int at_once = engine->cost_ns < NAP_NS ? (int)(NAP_NS / engine->cost_ns) : 1;
    for (int done = 0; done < images;) {
        done += images - done < at_once ? images - done : at_once;
        sleep_until(start_ns + (uint64_t)done * engine->cost_ns);
        atomic_fetch_add(&engine->naps, 1);
    }
}

static void *stream(void *argument)
{
    struct engine *engine = argument;
    struct slot *slot;
    uint64_t due_ns = 0;
    while ((slot = slots_take(&engine->slots))) {
        run(engine, &slot->slot);
        if (engine->cost_ns) {
            uint64_t start_ns = slot->submitted_ns > due_ns ? slot->submitted_ns : due_ns;
            due_ns = start_ns + slot->slot.busy_ns;
            sleep_through(engine, start_ns, slot->slot.count);
        }
        slots_finish(&engine->slots, slot, 0, NULL);
    }
    return NULL;
}

static void sim_close(struct engine *engine)
{
    if (!engine)
        return;
    slots_stop(&engine->slots);
    for (int i = 0; i < engine->started; i++)
        pthread_join(engine->threads[i], NULL);
    slots_done(&engine->slots);
    free(engine->threads);
    free(engine);
}
DEFINE_FREEP(sim_close, struct engine)

static int streams(const struct engine_spec *spec)
{
    return spec->threads ? spec->threads : 1;
}

static int default_slots(const struct engine_spec *spec)
{
    return streams(spec) + 2;
}

static int describe(struct engine *engine, const struct engine_spec *spec, struct why *why)
{
    int classes = spec->classes ? spec->classes : ENGINE_SIM_CLASSES;
    bool features = spec->emit == EMIT_FEATURES;
    if (spec->height < 1 || spec->width < 1 || (size_t)spec->height * (size_t)spec->width * 3 < SEED_BYTES)
        return because(why, -EINVAL, "engine sim: cannot work on images of %dx%d pixels", spec->width, spec->height);
    if (classes < 1 || (!features && (spec->top < 1 || spec->top > classes)))
        return because(why, -EINVAL, "engine sim: top %d of %d classes is impossible", spec->top, classes);
    if (spec->cost_us < 0)
        return because(why, -EINVAL, "engine sim: a cost of %d us is impossible", spec->cost_us);
    int threads = streams(spec);
    size_t pooled = spec->network ? (size_t)spec->network->features : DEFAULT_FEATURES;
    engine->info = (struct engine_info){
        .engine = "sim",
        .precision = "none",
        .batch = spec->batch ? spec->batch : DEFAULT_BATCH,
        .slots = spec->slots ? spec->slots : default_slots(spec),
        .threads = threads,
        .image_bytes = (size_t)spec->height * (size_t)spec->width * 3,
        .image_read = SEED_BYTES,
        .classes = classes,
        .top = features ? 0 : spec->top,
        .values = features ? pooled : spec->emit == EMIT_LOGITS ? (size_t)classes : 0,
    };
    snprintf(engine->info.device, sizeof(engine->info.device), "no arithmetic, %d us an image, %s", spec->cost_us,
             COUNTED((uint64_t)threads, "stream", "streams"));
    snprintf(engine->info.fingerprint, sizeof(engine->info.fingerprint), "sim 1");
    return 0;
}

static int start_threads(struct engine *engine, struct why *why)
{
    engine->threads = calloc((size_t)engine->info.threads, sizeof(engine->threads[0]));
    if (!engine->threads)
        return because(why, -ENOMEM, "engine sim: no memory");
    for (; engine->started < engine->info.threads; engine->started++) {
        int r = pthread_create(&engine->threads[engine->started], NULL, stream, engine);
        if (r)
            return because(why, -r, "engine sim: cannot start a thread: %s", strerror(r));
    }
    return 0;
}

static int sim_open(const struct engine_spec *spec, struct engine **ret, struct why *why)
{
    struct engine *made = calloc(1, sizeof(*made));
    if (!made)
        return because(why, -ENOMEM, "engine sim: no memory");
    made->emit = spec->emit;
    made->cost_ns = (uint64_t)spec->cost_us * 1000;
    int r = slots_check_spec("sim", spec, why);
    if (r == 0)
        r = describe(made, spec, why);
    if (r == 0)
        r = slots_init(&made->slots, &made->info, why);
    if (r < 0) {
        free(made);
        return r;
    }
    CLEANUP(sim_closep) struct engine *engine = made;
    r = start_threads(engine, why);
    if (r < 0)
        return r;
    *ret = take(engine);
    return 0;
}

static const struct engine_info *sim_info(const struct engine *engine)
{
    return &engine->info;
}

static int sim_acquire(struct engine *engine, struct engine_slot **ret)
{
    return slots_acquire(&engine->slots, ret);
}

static int sim_submit(struct engine *engine, struct engine_slot *slot, int n, struct why *why)
{
    return slots_submit(&engine->slots, slot, n, why);
}

static int sim_wait(struct engine *engine, struct engine_slot **ret, struct why *why)
{
    return slots_wait(&engine->slots, ret, why);
}

static void sim_release(struct engine *engine, struct engine_slot *slot)
{
    slots_release(&engine->slots, slot);
}

static void sim_interrupt(struct engine *engine)
{
    slots_interrupt(&engine->slots);
}

static int sim_probe(char *text, size_t size, struct why *why)
{
    (void)why;
    snprintf(text, size, "no arithmetic, for tests");
    return 0;
}

static uint64_t sim_moves(const struct engine *engine)
{
    return atomic_load(&engine->naps);
}

static uint64_t sim_memory(const struct engine_spec *spec)
{
    return slots_memory(spec, default_slots(spec), DEFAULT_BATCH);
}

const struct engine_ops sim_engine = {
    .abi = ENGINE_ABI,
    .name = "sim",
    .open = sim_open,
    .info = sim_info,
    .slot_acquire = sim_acquire,
    .submit = sim_submit,
    .wait = sim_wait,
    .slot_release = sim_release,
    .interrupt = sim_interrupt,
    .close = sim_close,
    .probe = sim_probe,
    .moves = sim_moves,
    .memory = sim_memory,
};
