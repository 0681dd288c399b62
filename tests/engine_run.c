#include "tests/engine_run.h"

#include "tests/test.h"
#include "worker/weights/ranges.h"

#include <math.h>
#include <pthread.h>

void engine_close(struct engines_opened it)
{
    it.ops->close(it.engine);
}

const struct engine_info *engine_info_of(struct engines_opened it)
{
    return it.ops->info(it.engine);
}

static int collect(struct engines_opened it, float *values, struct prediction *predictions, int done)
{
    const struct engine_info *info = engine_info_of(it);
    struct engine_slot *slot;
    struct why why;
    if (it.ops->wait(it.engine, &slot, &why) < 0)
        test_fail(__FILE__, __LINE__, "%s", why.text);
    size_t rows = (size_t)slot->count;
    memcpy(values + (size_t)done * info->values, slot->values, rows * info->values * sizeof(*values));
    if (predictions)
        memcpy(predictions + (size_t)(done * info->top), slot->predictions, rows * (size_t)info->top * sizeof(*predictions));
    it.ops->slot_release(it.engine, slot);
    return (int)rows;
}

float *engine_run(struct engines_opened it, const uint8_t *pixels, int count, struct prediction *predictions)
{
    const struct engine_info *info = engine_info_of(it);
    float *values = calloc((size_t)count * info->values, sizeof(*values));
    int sent = 0, done = 0, under_way = 0;
    CHECK(values);
    while (done < count)
        if (sent < count && under_way < info->slots) {
            struct engine_slot *slot;
            int n = count - sent < info->batch ? count - sent : info->batch;
            CHECK_INT(it.ops->slot_acquire(it.engine, &slot), 0);
            memcpy(slot->pixels, pixels + (size_t)sent * info->image_bytes, (size_t)n * info->image_bytes);
            CHECK_INT(it.ops->submit(it.engine, slot, n, NULL), 0);
            sent += n;
            under_way++;
        } else {
            done += collect(it, values, predictions, done);
            under_way--;
        }
    return values;
}

float *engine_run_on_cpu(struct engine_spec spec, const uint8_t *pixels, int count)
{
    struct engines_opened it;
    struct why why;
    setenv("SLEDDOG_ENGINES", test_build(), 0);
    spec.precision = PRECISION_F32;
    spec.threads = 1;
    spec.device = NULL;
    int r = engines_open("onednn", &spec, &it, &why);
    if (r == -ENOENT)
        test_skip("%s", why.text);
    if (r < 0)
        test_fail(__FILE__, __LINE__, "%s", why.text);
    float *values = engine_run(it, pixels, count, NULL);
    engine_close(it);
    return values;
}

void engine_widen(void *observed, int activation, float *values, size_t count, int images)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    struct ranges *ranges = observed;
    struct range *range = &ranges->of[activation];
    CHECK(images >= 1 && images <= ranges->images && count % (size_t)images == 0);
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < count; i++) {
        range->low = fminf(range->low, values[i]);
        range->high = fmaxf(range->high, values[i]);
    }
    pthread_mutex_unlock(&lock);
}

double engine_difference(const float *a, const float *b, size_t count)
{
    double apart = 0, norm = 0;
    for (size_t i = 0; i < count; i++) {
        apart += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
        norm += (double)b[i] * (double)b[i];
    }
    CHECK(norm > 0);
    return sqrt(apart / norm);
}
