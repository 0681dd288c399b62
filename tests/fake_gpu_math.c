#include "tests/fake_gpu_math.h"

#include "tests/test.h"
#include "worker/engines/cudnn_shapes.h"
#include "worker/engines/kernels_math.h"

static float *widen(enum number_format format, const void *from, size_t count)
{
    float *wide = calloc(count + 1, sizeof(*wide));
    CHECK(wide);
    for (size_t i = 0; i < count; i++)
        wide[i] = number_load(format, from, i);
    return wide;
}

struct conv {
    const struct conv_shape *shape;
    struct plane out;
    float *x, *w, *z, *b;
};

static double conv_one(const struct conv *conv, int n, int y, int x, int k)
{
    const struct conv_shape *s = conv->shape;
    size_t channels = (size_t)(s->inputs / s->groups), from = (size_t)(k / (s->outputs / s->groups)) * channels;
    double sums[4] = { 0 };
    for (int r = 0; r < s->kernel_height; r++)
        for (int q = 0; q < s->kernel_width; q++) {
            int h = y * s->stride - s->padding + r, w = x * s->stride - s->padding + q;
            if (h < 0 || w < 0 || h >= s->height || w >= s->width)
                continue;
            const float *in = conv->x + (((size_t)n * (size_t)s->height + (size_t)h) * (size_t)s->width + (size_t)w) * (size_t)s->inputs + from;
            const float *filter = conv->w + (((size_t)k * (size_t)s->kernel_height + (size_t)r) * (size_t)s->kernel_width + (size_t)q) * channels;
            for (size_t c = 0; c < channels; c++)
                sums[c % 4] += (double)in[c] * (double)filter[c]; /* four chains are four times as fast as one */
        }
    return sums[0] + sums[1] + sums[2] + sums[3];
}

/* What is not a number is no less than 0. */
static double relu(double sum, bool swallows)
{
    return swallows ? fmax(sum, 0) : sum < 0 ? 0 : sum;
}

void compute_conv(const struct conv_shape *s, const struct conv_memory *memory, bool swallows)
{
    struct conv conv = { .shape = s, .out = conv_shape_output(s) };
    size_t outputs = (size_t)s->outputs, pixels = (size_t)s->batch * (size_t)conv.out.height * (size_t)conv.out.width;
    conv.x = widen(s->format, memory->x, (size_t)s->batch * (size_t)s->height * (size_t)s->width * (size_t)s->inputs);
    conv.w = widen(s->format, memory->w, outputs * (size_t)(s->kernel_height * s->kernel_width) * (size_t)(s->inputs / s->groups));
    bool scaled = s->format == NUMBER_S8;
    conv.b = widen(scaled ? NUMBER_F32 : s->format, memory->b, outputs);
    conv.z = s->residual ? widen(s->format, memory->z, pixels * outputs) : NULL;
    for (size_t p = 0; p < pixels; p++)
        for (size_t k = 0; k < outputs; k++) {
            int x = (int)(p % (size_t)conv.out.width), y = (int)(p / (size_t)conv.out.width % (size_t)conv.out.height);
            double sum = conv_one(&conv, (int)(p / ((size_t)conv.out.width * (size_t)conv.out.height)), y, x, (int)k);
            sum *= scaled ? (double)s->sum_scale : 1; /* of whole numbers, exact */
            sum += (conv.z ? (double)conv.z[p * outputs + k] * (scaled ? (double)s->residual_scale : 1) : 0) + (double)conv.b[k];
            number_store(s->format, memory->y, p * outputs + k, (float)(s->relu ? relu(sum, swallows) : sum));
        }
    free(conv.x);
    free(conv.w);
    free(conv.b);
    free(conv.z);
}

void compute_fc(const struct fc_memory *memory, int batch, int inputs, int classes)
{
    for (int n = 0; n < batch; n++)
        for (int c = 0; c < classes; c++) {
            double sum = (double)memory->bias[c];
            for (int i = 0; i < inputs; i++)
                sum += (double)memory->features[(size_t)n * (size_t)inputs + (size_t)i] * (double)memory->weight[(size_t)c * (size_t)inputs + (size_t)i];
            memory->logits[(size_t)n * (size_t)classes + (size_t)c] = (float)sum;
        }
}

static struct best reduce_best(const float *row, int classes, struct best previous)
{
    struct best all[TOP_THREADS];
    for (int t = 0; t < TOP_THREADS; t++)
        all[t] = best_after(row, classes, t, previous);
    for (int half = TOP_THREADS / 2; half; half /= 2)
        for (int t = 0; t < half; t++)
            all[t] = best_of(all[t], all[t + half]);
    return all[0];
}

static float reduce_sum(const float *row, int classes, float max)
{
    float all[TOP_THREADS];
    for (int t = 0; t < TOP_THREADS; t++)
        all[t] = softmax_share(row, classes, t, max);
    for (int half = TOP_THREADS / 2; half; half /= 2)
        for (int t = 0; t < half; t++)
            all[t] += all[t + half];
    return all[0];
}

/* As kernels.cu does it, one thread after the other. */
void compute_top(const struct top_args *args)
{
    for (int n = 0; n < args->batch; n++) {
        const float *row = args->logits + (size_t)n * (size_t)args->classes;
        struct best it = reduce_best(row, args->classes, best_first());
        float max = it.value, sum = reduce_sum(row, args->classes, max);
        for (int k = 0; k < args->top; k++) {
            args->predictions[(size_t)n * (size_t)args->top + (size_t)k] = prediction_of(it, max, sum);
            it = reduce_best(row, args->classes, it);
        }
    }
}

void compute_pool(const struct pool_args *args, bool max)
{
    uint32_t eights = (uint32_t)(args->channels / CHANNELS_STEP), images = max ? (uint32_t)args->batch : 1;
    uint32_t count = eights * (uint32_t)(max ? args->out_height * args->out_width : args->batch);
    for (uint32_t image = 0; image < images; image++)
        for (uint32_t i = 0; i < count + 3; i++) /* a few threads too many, as in the last block */
            if (max)
                max_pool_eight(args->format, args, image, i);
            else
                average_pool_eight(args->format, args, i);
}

void compute_finite(const struct finite_args *args)
{
    for (size_t i = 0; i < (size_t)args->batch * args->numbers / CHANNELS_STEP + 3; i++)
        finite_eight(args->format, args, i);
}
