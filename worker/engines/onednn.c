/* onednn.c: ResNets on a CPU with oneDNN, in f32 or int8 [dnnl.h].
 *
 * N stream threads take slots from one queue; each runs a whole batch alone. Debian's oneDNN uses OpenMP, which is told in every
 * thread that calls it to use one thread: N independent single-threaded streams do not wait for each other, and the bytes
 * do not depend on how many there are.
 *
 *     onednn_net.c     the network as primitives, with weights; shared by the streams
 *     onednn_filter.c  the weights of a layer on their way into a primitive
 *     onednn_int8.c    how numbers become 8 bits
 *     onednn_vnni.c    convolutions of our own where oneDNN's leave something, with AVX-512 VNNI
 *     onednn_stream.c  the memory of one stream, and its walk through the network
 *     onednn_runner.c  a slot's way through a stream, and from logits to rows; what int8 leaves undecided is computed again in f32
 *     onednn_cpu.c     what this machine is called
 *     slots.c, rows.c  the queue of slots; softmax and top-k
 *
 * The fingerprint ends in a hash of the rows of a fixed batch of noise, run at open: oneDNN chooses its summation order by
 * ISA and cache sizes, so CPUs with equal names may differ, and this tells. */
#include "worker/engines/onednn_cpu.h"
#include "worker/engines/onednn_runner.h"

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/counted.h"
#include "common/sha256.h"
#include "worker/engines/slots.h"

#include <errno.h>
#include <gnu/libc-version.h>
#include <string.h>
#include <time.h>

#define DEFAULT_BATCH 4 /* within 3 % of the best, and a partial batch is computed in full */

struct stream_thread {
    struct engine *engine;
    pthread_t thread;
    bool ready; /* its memory is there, or `r` says why not */
    int r;
    struct why why;
};

struct engine {
    struct engine_info info;
    struct slots slots;
    struct onednn_model model;
    engine_observer *observe;
    void *observed;
    int recheck; /* of its images, as in engine_spec; 0 for a model that does not. Set between slots: their queue's lock tells the streams */
    bool warm; /* the fingerprint is there: what is computed from now on may be observed */
    pthread_mutex_t lock; /* of `ready` */
    pthread_cond_t ready;
    struct stream_thread *threads;
    int started;
};

/* From the OpenMP library that oneDNN was built with; absent if it was built without. */
extern void omp_set_num_threads(int count) __attribute__((weak));
extern int omp_get_max_threads(void) __attribute__((weak));

/* For the calling thread alone. Returns what it was, 0 without OpenMP. */
static int set_openmp_threads(int count)
{
    if (!omp_set_num_threads || !omp_get_max_threads || count < 1)
        return 0;
    int before = omp_get_max_threads();
    omp_set_num_threads(count);
    return before;
}

/* ---- streams ---------------------------------------------------------------------------------------------------------- */

static int run(struct onednn_runner *runner, const struct engine *engine, struct engine_slot *slot, struct why *why)
{
    runner->stream.observe = engine->warm ? engine->observe : NULL;
    runner->stream.observed = engine->observed;
    return onednn_runner_run(runner, &engine->info, engine->recheck, slot, why);
}

static void tell_ready(struct stream_thread *self, int r)
{
    pthread_mutex_lock(&self->engine->lock);
    self->r = r;
    self->ready = true;
    pthread_cond_signal(&self->engine->ready);
    pthread_mutex_unlock(&self->engine->lock);
}

static void *stream_main(void *argument)
{
    struct stream_thread *self = argument;
    struct engine *engine = self->engine;
    CLEANUP(freep) struct onednn_runner *runner = calloc(1, sizeof(*runner));
    set_openmp_threads(1);
    int r = runner ? onednn_runner_init(runner, &engine->model, &self->why) : because(&self->why, -ENOMEM, "engine onednn: no memory for a stream");
    tell_ready(self, r);
    struct slot *slot;
    while (r == 0 && (slot = slots_take(&engine->slots))) {
        struct why why;
        int ran = run(runner, engine, &slot->slot, &why);
        slots_finish(&engine->slots, slot, ran, &why);
    }
    if (runner)
        onednn_runner_done(runner);
    return NULL;
}

static int start_thread(struct stream_thread *thread, struct why *why)
{
    int r = pthread_create(&thread->thread, NULL, stream_main, thread);
    if (r)
        return because(why, -r, "engine onednn: cannot start a thread: %s", strerror(r));
    pthread_setname_np(thread->thread, "onednn");
    thread->engine->started++;
    return 0;
}

static int wait_ready(struct stream_thread *thread, struct why *why)
{
    pthread_mutex_lock(&thread->engine->lock);
    while (!thread->ready)
        pthread_cond_wait(&thread->engine->ready, &thread->engine->lock);
    pthread_mutex_unlock(&thread->engine->lock);
    if (thread->r < 0 && why)
        *why = thread->why;
    return thread->r;
}

static int start_streams(struct engine *engine, struct why *why)
{
    int r = 0;
    engine->threads = calloc((size_t)engine->info.threads, sizeof(engine->threads[0]));
    if (!engine->threads)
        return because(why, -ENOMEM, "engine onednn: no memory");
    for (int i = 0; i < engine->info.threads && r == 0; i++) {
        engine->threads[i].engine = engine;
        r = start_thread(&engine->threads[i], why);
    }
    for (int i = 0; i < engine->started && r == 0; i++)
        r = wait_ready(&engine->threads[i], why);
    return r;
}

/* ---- what it is ------------------------------------------------------------------------------------------------------- */

static bool is_int8(const struct engine_spec *spec)
{
    return spec->precision == PRECISION_INT8;
}

static int check_spec(const struct engine_spec *spec, struct why *why)
{
    if (!spec->network || !spec->weights)
        return because(why, -EINVAL, "engine onednn: needs a network and weights");
    if (spec->precision == PRECISION_F16 || spec->precision == PRECISION_BF16)
        return because(why, -ENOTSUP, "engine onednn: computes in f32 or int8; use --precision f32, int8 or auto");
    if (is_int8(spec) && !spec->ranges)
        return because(why, -ENOENT, "engine onednn: int8 needs activation ranges of these weights; make them with: sleddog-worker calibrate");
    if (spec->precision != PRECISION_F32 && spec->observe)
        return because(why, -ENOTSUP, "engine onednn: shows its activations in f32 only");
    if (spec->device && *spec->device && strcmp(spec->device, "cpu"))
        return because(why, -ENODEV, "engine onednn: device %.64s: it has only \"cpu\"", spec->device);
    for (int c = 0; c < 3; c++)
        if (!(spec->std[c] > 0))
            return because(why, -EINVAL, "engine onednn: std %g of the preset cannot be divided by", (double)spec->std[c]);
    return slots_check_spec("onednn", spec, why);
}

static int streams(const struct engine_spec *spec)
{
    return spec->threads ? spec->threads : onednn_cores();
}

static int default_slots(int threads)
{
    return threads + 2;
}

static int describe(struct engine *engine, const struct engine_spec *spec, struct why *why)
{
    bool features = spec->emit == EMIT_FEATURES;
    int classes = engine->model.net.classes, threads = streams(spec);
    if (spec->classes && spec->classes != classes)
        return because(why, -EINVAL, "engine onednn: the weights have %d classes, expected %d", classes, spec->classes);
    if (!features && (spec->top < 1 || spec->top > classes))
        return because(why, -EINVAL, "engine onednn: top %d of %d classes is impossible", spec->top, classes);
    engine->info = (struct engine_info){
        .engine = "onednn",
        .precision = !is_int8(spec) ? "f32" : onednn_model_rechecks(&engine->model) ? "int8+f32" : "int8",
        .batch = engine->model.net.batch,
        .slots = spec->slots ? spec->slots : default_slots(threads),
        .threads = threads,
        .image_bytes = (size_t)spec->height * (size_t)spec->width * 3,
        .image_read = (size_t)spec->height * (size_t)spec->width * 3,
        .classes = classes,
        .top = features ? 0 : spec->top,
        .values = features ? (size_t)engine->model.net.features : spec->emit == EMIT_LOGITS ? (size_t)classes : 0,
    };
    char cpu[80], from[RANGES_ORIGIN] = "";
    onednn_cpu_name(cpu, sizeof(cpu));
    if (is_int8(spec))
        ranges_origin(spec->ranges, from);
    snprintf(engine->info.device, sizeof(engine->info.device), "%s, %s, %s%s, %d stream%s", cpu, onednn_isa_name(), engine->info.precision, from, threads,
             threads == 1 ? "" : "s");
    if (is_int8(spec) && !onednn_isa_adds_exactly())
        snprintf(engine->info.note, sizeof(engine->info.note), "this CPU has no VNNI (%s): int8 keeps 7 bits of each weight instead of 8, and is about "
                 "half as fast as with it", onednn_isa_name());
    return 0;
}

/* ---- the fingerprint -------------------------------------------------------------------------------------------------- */

/* A linear congruential generator (Knuth, MMIX); its upper bits are noise enough. */
static void fill_noise(uint8_t *pixels, size_t size)
{
    uint64_t state = 1;
    for (size_t i = 0; i < size; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        pixels[i] = (uint8_t)(state >> 56);
    }
}

static int hash_rows(const struct engine_info *info, const struct engine_slot *slot, char hex[SHA256_HEX])
{
    char parts[2 * SHA256_HEX] = "";
    size_t images = (size_t)slot->count;
    int r = sha256_memory(slot->predictions, images * (size_t)info->top * sizeof(struct prediction), parts);
    if (r == 0)
        r = sha256_memory(slot->values, images * info->values * sizeof(float), parts + SHA256_HEX);
    return r < 0 ? r : sha256_memory(parts, sizeof(parts), hex);
}

/* What `images` of noise give. The first run of anything warms it up. */
static int hash_noise(struct engine *engine, int images, int recheck, char hex[SHA256_HEX], struct why *why)
{
    const struct engine_info *info = &engine->info;
    struct engine_slot *slot;
    int r = slots_acquire(&engine->slots, &slot);
    if (r < 0)
        return r;
    engine->recheck = recheck;
    fill_noise(slot->pixels, (size_t)images * info->image_bytes);
    if ((r = slots_submit(&engine->slots, slot, images, why)) < 0 || (r = slots_wait(&engine->slots, &slot, why)) < 0)
        return r;
    r = hash_rows(info, slot, hex);
    slots_release(&engine->slots, slot);
    return r < 0 ? because(why, r, "engine onednn: no memory") : 0;
}

static int fingerprint(struct engine *engine, const struct engine_spec *spec, struct why *why)
{
    struct engine_info *info = &engine->info;
    char hex[SHA256_HEX], exact[SHA256_HEX], ranges[40] = "", recheck[48] = "";
    bool rechecks = onednn_model_rechecks(&engine->model);
    int r = hash_noise(engine, info->batch, 0, hex, why);
    if (r == 0 && rechecks) /* each network's numbers by themselves, whatever of the noise is undecided */
        r = hash_noise(engine, 1, 100, exact, why);
    if (r < 0)
        return r;
    if (is_int8(spec))
        snprintf(ranges, sizeof(ranges), ", ranges %.16s", spec->ranges->sha256);
    if (rechecks)
        snprintf(recheck, sizeof(recheck), ", within %d %% %.16s", spec->recheck, exact);
    const dnnl_version_t *version = dnnl_version();
    snprintf(info->fingerprint, sizeof(info->fingerprint), "onednn %d.%d.%d, glibc %s, %s%s, batch %d, %s, noise %.16s%s", version->major,
             version->minor, version->patch, gnu_get_libc_version(), info->precision, ranges, info->batch, onednn_isa_name(), hex, recheck);
    engine->recheck = rechecks ? spec->recheck : 0;
    return 0;
}

/* ---- open and close --------------------------------------------------------------------------------------------------- */

static void onednn_close(struct engine *engine)
{
    if (!engine)
        return;
    slots_stop(&engine->slots);
    for (int i = 0; i < engine->started; i++)
        pthread_join(engine->threads[i].thread, NULL);
    onednn_model_done(&engine->model);
    slots_done(&engine->slots);
    pthread_mutex_destroy(&engine->lock);
    pthread_cond_destroy(&engine->ready);
    free(engine->threads);
    free(engine);
}
DEFINE_FREEP(onednn_close, struct engine)

static int make_model(struct engine *engine, const struct engine_spec *spec, struct why *why)
{
    int before = set_openmp_threads(1);
    int r = onednn_model_init(&engine->model, spec, spec->batch ? spec->batch : DEFAULT_BATCH, why);
    set_openmp_threads(before);
    return r;
}

/* An engine that can be closed, whatever else it lacks. */
static int make_engine(const struct engine_spec *spec, struct engine **ret, struct why *why)
{
    struct engine *engine = calloc(1, sizeof(*engine));
    if (!engine)
        return because(why, -ENOMEM, "engine onednn: no memory");
    engine->observe = spec->observe;
    engine->observed = spec->observed;
    int r = make_model(engine, spec, why);
    if (r == 0)
        r = describe(engine, spec, why);
    if (r == 0)
        r = slots_init(&engine->slots, &engine->info, why);
    if (r < 0) {
        onednn_model_done(&engine->model);
        free(engine);
        return r;
    }
    pthread_mutex_init(&engine->lock, NULL);
    pthread_cond_init(&engine->ready, NULL);
    *ret = engine;
    return 0;
}

/* AUTO becomes int8 where its ranges are there, unless it cannot be said in int8: then `note` says why. */
static void choose_precision(struct engine_spec *spec, struct why *note)
{
    struct form forms[NETWORK_LAYERS_MAX + 1];
    note->text[0] = '\0';
    if (spec->precision != PRECISION_AUTO)
        return;
    bool int8 = spec->ranges && !spec->observe && spec->network && int8_forms(spec, forms, note) == 0;
    spec->precision = int8 ? PRECISION_INT8 : PRECISION_F32;
}

static int onednn_open(const struct engine_spec *given, struct engine **ret, struct why *why)
{
    CLEANUP(onednn_closep) struct engine *engine = NULL;
    struct engine_spec chosen = *given, *spec = &chosen;
    struct why note;
    choose_precision(spec, &note);
    int r = check_spec(spec, why);
    if (r == 0)
        r = make_engine(spec, &engine, why);
    if (r == 0)
        r = start_streams(engine, why);
    if (r == 0)
        r = fingerprint(engine, spec, why);
    if (r < 0)
        return r;
    if (*note.text)
        snprintf(engine->info.note, sizeof(engine->info.note), "computes in f32: %.250s", note.text);
    engine->warm = true; /* seen by the streams with the first slot, through the lock of the queue */
    *ret = take(engine);
    return 0;
}

static uint64_t onednn_memory(const struct engine_spec *given)
{
    struct engine_spec spec = *given;
    struct why unused;
    int threads = streams(given);
    choose_precision(&spec, &unused);
    return onednn_model_memory(&spec, spec.batch ? spec.batch : DEFAULT_BATCH, threads) + slots_memory(&spec, default_slots(threads), DEFAULT_BATCH);
}

static const struct engine_info *onednn_info(const struct engine *engine)
{
    return &engine->info;
}

static int onednn_acquire(struct engine *engine, struct engine_slot **ret)
{
    return slots_acquire(&engine->slots, ret);
}

static int onednn_submit(struct engine *engine, struct engine_slot *slot, int n, struct why *why)
{
    return slots_submit(&engine->slots, slot, n, why);
}

static int onednn_wait(struct engine *engine, struct engine_slot **ret, struct why *why)
{
    return slots_wait(&engine->slots, ret, why);
}

static void onednn_release(struct engine *engine, struct engine_slot *slot)
{
    slots_release(&engine->slots, slot);
}

static void onednn_interrupt(struct engine *engine)
{
    slots_interrupt(&engine->slots);
}

static int onednn_probe(char *text, size_t size, struct why *why)
{
    (void)why;
    char cpu[80];
    onednn_cpu_name(cpu, sizeof(cpu));
    const dnnl_version_t *version = dnnl_version();
    snprintf(text, size, "oneDNN %d.%d.%d on %s, %s, %s, f32 or int8%s", version->major, version->minor, version->patch, cpu, onednn_isa_name(),
             COUNTED((uint64_t)onednn_cores(), "core", "cores"), onednn_isa_adds_exactly() ? "" : " (without VNNI)");
    return 0;
}

/* Milliseconds of the streams' CPU time: a step may take minutes on a slow machine that is shared, but not without computing. */
static uint64_t onednn_moves(const struct engine *engine)
{
    uint64_t sum = 0;
    for (int i = 0; i < engine->started; i++) {
        struct timespec used;
        clockid_t clock;
        if (pthread_getcpuclockid(engine->threads[i].thread, &clock) == 0 && clock_gettime(clock, &used) == 0)
            sum += (uint64_t)used.tv_sec * 1000000000u + (uint64_t)used.tv_nsec;
    }
    return sum / 1000000;
}

__attribute__((visibility("default"))) engine_entry_point sleddog_engine;

const struct engine_ops *sleddog_engine(void)
{
    static const struct engine_ops ops = {
        .abi = ENGINE_ABI,
        .name = "onednn",
        .open = onednn_open,
        .info = onednn_info,
        .slot_acquire = onednn_acquire,
        .submit = onednn_submit,
        .wait = onednn_wait,
        .slot_release = onednn_release,
        .interrupt = onednn_interrupt,
        .close = onednn_close,
        .probe = onednn_probe,
        .moves = onednn_moves,
        .memory = onednn_memory,
    };
    return &ops;
}
