/* The arithmetic of the GPU's kernels, computed here. */
#include "worker/engines/kernels_math.h"

#include "common/cleanup.h"
#include "tests/fake_gpu.h"
#include "tests/random_weights.h"
#include "tests/test.h"
#include "worker/engines/cudnn_stem.h"
#include "worker/engines/rows.h"

static float half_of(enum number_format format, uint16_t bits)
{
    return format == NUMBER_F16 ? number_from_f16(bits) : number_from_bf16(bits);
}

static uint16_t bits_of(enum number_format format, float value)
{
    return format == NUMBER_F16 ? number_to_f16(value) : number_to_bf16(value);
}

/* Of two neighbours the nearer one, the even one in the middle. */
static bool is_nearest(enum number_format format, float value, uint16_t bits)
{
    double here = fabs((double)half_of(format, bits) - (double)value);
    for (int side = -1; side <= 1; side += 2) {
        uint16_t other = (uint16_t)(bits + side);
        float neighbour = half_of(format, other);
        double there = fabs((double)neighbour - (double)value);
        if (isfinite(neighbour) && (other ^ bits) < 0x8000 && (there < here || (there == here && bits & 1)))
            return false;
    }
    return true;
}

static void check_format(enum number_format format)
{
    uint64_t state = 3;
    for (uint32_t bits = 0; bits < 65536; bits++) {
        float value = half_of(format, (uint16_t)bits);
        if (isnan(value))
            CHECK(isnan(half_of(format, bits_of(format, value))));
        else
            CHECK_INT(bits_of(format, value), bits);
    }
    for (int i = 0; i < 1000000; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        float value = number_of_bits((uint32_t)(state >> 32));
        float rounded = half_of(format, bits_of(format, value));
        if (isfinite(value) && isfinite(rounded) && !is_nearest(format, value, bits_of(format, value)))
            test_fail(__FILE__, __LINE__, "%a becomes %a", (double)value, (double)rounded);
    }
}

TEST(numbers_are_rounded_to_the_nearest_half)
{
    check_format(NUMBER_F16);
    CHECK_INT(number_to_f16(1), 0x3c00);
    CHECK_INT(number_to_f16(-2), 0xc000);
    CHECK_INT(number_to_f16(65504), 0x7bff);
    CHECK_INT(number_to_f16(65519.996f), 0x7bff);
    CHECK_INT(number_to_f16(65520), 0x7c00);
    CHECK_INT(number_to_f16(0x1p-24f), 1);
    CHECK_INT(number_to_f16(0x1p-25f), 0);
    CHECK_INT(number_to_f16(0x1.8p-25f), 1);
    CHECK_INT(number_to_f16(-0x1p-30f), 0x8000);
}

TEST(numbers_are_rounded_to_the_nearest_bfloat16)
{
    check_format(NUMBER_BF16);
    CHECK_INT(number_to_bf16(1), 0x3f80);
    CHECK_INT(number_to_bf16(0x1.01p0f), 0x3f80);
    CHECK_INT(number_to_bf16(0x1.03p0f), 0x3f82);
    CHECK_INT(number_to_bf16(3.4e38f), 0x7f80);
}

static const enum number_format formats[] = { NUMBER_F32, NUMBER_F16, NUMBER_BF16 };

/* What the pixel's colour c of an image becomes, 0 outside. */
static double normalised(const struct normalise_args *args, int n, int y, int x, int c)
{
    static const double mean[3] = { 0.485, 0.456, 0.406 }, std[3] = { 0.229, 0.224, 0.225 };
    if (y < 0 || x < 0 || y >= args->height || x >= args->width)
        return 0;
    return (args->pixels[((n * args->height + y) * args->width + x) * 3 + c] / 255.0 - mean[c]) / std[c];
}

/* Channel k of the image as it lies there. */
static double channel(const struct normalise_args *args, int n, int row, int column, int k)
{
    int y = (row - args->before) * IMAGE_PAIR + k / (3 * IMAGE_ACROSS), x = (column - args->before) * IMAGE_PAIR + k / 3 % IMAGE_ACROSS;
    return k < IMAGE_PAIR * IMAGE_ACROSS * 3 ? normalised(args, n, y, x, k % 3) : 0;
}

static void check_normalise(struct normalise_args args)
{
    static uint8_t pixels[3 * 2 * 12 * 16] __attribute__((aligned(16)));
    static float image[2 * 9 * 8 * IMAGE_CHANNELS + 8] __attribute__((aligned(16)));
    size_t numbers = (size_t)(2 * args.rows * args.columns) * IMAGE_CHANNELS;
    double step = args.format == NUMBER_F32 ? 0x1p-21 : args.format == NUMBER_F16 ? 0x1.01p-10 : 0x1.01p-7;
    for (size_t i = 0; i < sizeof(pixels); i++)
        pixels[i] = (uint8_t)(i < 256 ? i : 7 * i);
    args.pixels = pixels;
    args.image = image;
    args.batch = 2;
    for (int c = 0; c < 3; c++) {
        args.scale[c] = (float)(1 / (255.0 * (double[]){ 0.229, 0.224, 0.225 }[c]));
        args.shift[c] = (float)(-(double[]){ 0.485, 0.456, 0.406 }[c] / (double[]){ 0.229, 0.224, 0.225 }[c]);
    }
    memset(image, 0x55, sizeof(image));
    for (uint32_t n = 0; n < 2; n++)
        for (uint32_t i = 0; i < (uint32_t)(args.rows * args.columns * IMAGE_CHANNELS / 8) + 3; i++)
            normalise_eight(args.format, &args, n, i);
    for (size_t i = 0; i < numbers; i++) {
        int at = (int)(i / IMAGE_CHANNELS), row = at / args.columns % args.rows, column = at % args.columns;
        double exact = channel(&args, at / args.columns / args.rows, row, column, (int)(i % IMAGE_CHANNELS));
        CHECK(fabs((double)number_load(args.format, image, i) - exact) <= (exact == 0 ? 0 : step));
    }
    CHECK_INT(((uint8_t *)image)[numbers * number_size(args.format)], 0x55);
}

TEST(pixels_are_normalised_as_torchvision_does_and_lie_as_they_are_read_with_zeros_around)
{
    for (size_t f = 0; f < ARRAY_SIZE(formats); f++) {
        check_normalise((struct normalise_args){ .height = 12, .width = 16, .rows = 9, .columns = 8, .before = 2, .format = formats[f] });
        check_normalise((struct normalise_args){ .height = 11, .width = 13, .rows = 9, .columns = 7, .before = 2, .format = formats[f] });
        check_normalise((struct normalise_args){ .height = 1, .width = 1, .rows = 4, .columns = 1, .before = 2, .format = formats[f] });
    }
}

static double stem_sum(const struct layer *layer, const float *filter, const struct normalise_args *image, int o, int y, int x)
{
    double sum = 0;
    for (int c = 0; c < 3; c++)
        for (int r = 0; r < 7; r++)
            for (int q = 0; q < 7; q++)
                sum += (double)filter[((o * 3 + c) * 7 + r) * 7 + q] * normalised(image, 0, 2 * y + r - layer->padding, 2 * x + q - layer->padding, c);
    return sum;
}

static double described_sum(const struct conv_shape *shape, const float *filter, const struct normalise_args *image, int o, int y, int x)
{
    double sum = 0;
    for (int r = 0; r < shape->kernel_height; r++)
        for (int k = 0; k < shape->inputs; k++)
            sum += (double)filter[(o * shape->kernel_height + r) * shape->inputs + k] * channel(image, 0, y + r, x, k);
    return sum;
}

TEST(the_first_convolution_has_the_sums_of_the_one_over_pixels)
{
    static const struct plane sizes[] = { { 14, 20 }, { 13, 21 }, { 8, 7 } };
    struct layer layer = network_find("resnet18")->layers[0];
    static float filter[64 * 3 * 7 * 7], spread[64 * 4 * IMAGE_CHANNELS];
    static uint8_t pixels[3 * 14 * 21];
    uint64_t state = 2;
    for (size_t i = 0; i < ARRAY_SIZE(filter); i++)
        filter[i] = random_unit(&state) - 0.5f;
    for (size_t i = 0; i < sizeof(pixels); i++)
        pixels[i] = (uint8_t)(31 * i);
    CHECK_INT(stem_filter_count(&layer), ARRAY_SIZE(spread));
    stem_filter(&layer, filter, spread);
    for (size_t s = 0; s < ARRAY_SIZE(sizes); s++) {
        struct normalise_args image = { .pixels = pixels, .height = sizes[s].height, .width = sizes[s].width, .before = stem_before(&layer) };
        struct conv_shape shape = { .outputs = 64 };
        stem_describe(&layer, sizes[s], &shape);
        CHECK(shape.height == (sizes[s].height + 1) / 2 + 3 && shape.width == (sizes[s].width + 1) / 2);
        CHECK(shape.kernel_height == 4 && shape.kernel_width == 1 && shape.stride == 1 && shape.padding == 0 && shape.inputs == IMAGE_CHANNELS);
        for (int y = 0; y < (sizes[s].height + 1) / 2; y++)
            for (int x = 0; x < (sizes[s].width + 1) / 2; x++)
                CHECK(fabs(stem_sum(&layer, filter, &image, 63, y, x) - described_sum(&shape, spread, &image, 63, y, x)) < 1e-9);
    }
}

/* Activations as a pool sees them: random, some negative. */
static void *random_numbers(enum number_format format, size_t count, uint64_t *state)
{
    uint8_t *memory = aligned_alloc(64, (count * 4 + 127) / 64 * 64);
    CHECK(memory);
    for (size_t i = 0; i < count; i++)
        number_store(format, memory, i, 4 * random_unit(state) - 2);
    return memory;
}

static float plain_max(const struct pool_args *a, int n, int y, int x, int c)
{
    float best = -INFINITY;
    for (int h = y * a->stride - a->padding; h < y * a->stride - a->padding + a->kernel; h++)
        for (int w = x * a->stride - a->padding; w < x * a->stride - a->padding + a->kernel; w++)
            if (h >= 0 && w >= 0 && h < a->height && w < a->width)
                best = fmaxf(best, number_load(a->format, a->input, (((size_t)n * (size_t)a->height + (size_t)h) * (size_t)a->width + (size_t)w) *
                                                                        (size_t)a->channels + (size_t)c));
    return best;
}

static void check_max_pool(struct pool_args args)
{
    uint64_t state = 5;
    size_t channels = (size_t)args.channels, out = (size_t)args.batch * (size_t)args.out_height * (size_t)args.out_width * channels;
    CLEANUP(freep) void *input = random_numbers(args.format, (size_t)args.batch * (size_t)args.height * (size_t)args.width * channels, &state);
    CLEANUP(freep) void *output = random_numbers(args.format, out, &state);
    args.input = input;
    args.output = output;
    args.to = args.format;
    args.scale = 1;
    for (uint32_t n = 0; n < (uint32_t)args.batch; n++)
        for (uint32_t i = 0; i < (uint32_t)(out / 8) / (uint32_t)args.batch + 2; i++)
            max_pool_eight(args.format, &args, n, i);
    for (size_t i = 0; i < out; i++) {
        int c = (int)(i % channels), x = (int)(i / channels % (size_t)args.out_width), y = (int)(i / channels / (size_t)args.out_width);
        float expected = plain_max(&args, y / args.out_height, y % args.out_height, x, c);
        CHECK(number_load(args.format, output, i) == expected);
    }
}

TEST(the_largest_of_a_window_is_pooled_and_nothing_beyond_the_edge)
{
    for (size_t f = 0; f < ARRAY_SIZE(formats); f++) {
        check_max_pool((struct pool_args){ .batch = 2, .height = 7, .width = 12, .channels = 16, .kernel = 3, .stride = 2, .padding = 1,
                                           .out_height = 4, .out_width = 6, .format = formats[f] });
        check_max_pool((struct pool_args){ .batch = 1, .height = 1, .width = 1, .channels = 64, .kernel = 3, .stride = 2, .padding = 1,
                                           .out_height = 1, .out_width = 1, .format = formats[f] });
    }
}

TEST(the_average_is_that_of_the_whole_plane_in_f32)
{
    for (size_t f = 0; f < ARRAY_SIZE(formats); f++) {
        uint64_t state = 9;
        CLEANUP(freep) void *input = random_numbers(formats[f], 3 * 35 * 24, &state);
        static float output[3 * 24] __attribute__((aligned(16)));
        struct pool_args args = { .input = input, .output = output, .batch = 3, .height = 5, .width = 7, .channels = 24, .format = formats[f], .scale = 1 };
        for (size_t i = 0; i < 3 * 3 + 2; i++)
            average_pool_eight(formats[f], &args, i);
        for (size_t n = 0; n < 3; n++)
            for (size_t c = 0; c < 24; c++) {
                double sum = 0;
                for (size_t p = 0; p < 35; p++)
                    sum += (double)number_load(formats[f], input, (n * 35 + p) * 24 + c);
                CHECK(fabs((double)output[n * 24 + c] - sum / 35) < 1e-6);
            }
    }
}

TEST(what_is_not_a_number_stays_that_in_a_pool)
{
    for (size_t f = 0; f < ARRAY_SIZE(formats); f++) {
        uint64_t state = 3;
        CLEANUP(freep) void *input = random_numbers(formats[f], 9 * 8, &state);
        static float output[4 * 8] __attribute__((aligned(16)));
        struct pool_args args = { .input = input, .output = output, .batch = 1, .height = 3, .width = 3, .channels = 8, .kernel = 2, .stride = 1,
                                  .out_height = 2, .out_width = 2, .format = formats[f], .to = formats[f], .scale = 1 };
        number_store(formats[f], input, 4 * 8 + 5, NAN); /* in the middle: every window has it, first, last and in between */
        for (uint32_t i = 0; i < 4; i++)
            max_pool_eight(formats[f], &args, 0, i);
        for (size_t i = 0; i < 4 * 8; i++)
            CHECK(isnan(number_load(formats[f], output, i)) == (i % 8 == 5));
        average_pool_eight(formats[f], &args, 0);
        for (size_t c = 0; c < 8; c++)
            CHECK(isnan(output[c]) == (c == 5));
    }
}

TEST(an_image_with_a_number_that_is_not_finite_is_marked_and_its_features_are_none)
{
    static const float bad[] = { NAN, INFINITY, -INFINITY };
    for (size_t f = 0; f < 3 * ARRAY_SIZE(formats); f++) {
        enum number_format format = formats[f / 3];
        uint64_t state = 3;
        CLEANUP(freep) void *input = random_numbers(format, 3 * 40, &state);
        static float output[3 * 8] __attribute__((aligned(16)));
        uint32_t broken[4] = { 9, 9, 9, 9 };
        static float image[3 * IMAGE_CHANNELS] __attribute__((aligned(16)));
        struct normalise_args clear = { .pixels = (const uint8_t *)"abcdefghi", .image = image, .batch = 3, .height = 1, .width = 1, .rows = 1, .columns = 1,
                                        .broken = broken };
        struct finite_args args = { input, broken, 40, 3, format };
        number_store(format, input, 40 + f % 40, bad[f % 3]);
        for (uint32_t n = 0; n < 3; n++)
            normalise_eight(NUMBER_F32, &clear, n, 0);
        for (size_t i = 0; i < 3 * 5 + 2; i++)
            finite_eight(format, &args, i);
        CHECK(broken[0] == 0 && broken[1] == 1 && broken[2] == 0 && broken[3] == 9);
        struct pool_args pool = { .input = input, .output = output, .batch = 3, .height = 5, .width = 1, .channels = 8, .format = format, .scale = 1,
                                  .broken = broken };
        for (size_t i = 0; i < 3; i++)
            average_pool_eight(format, &pool, i);
        CHECK(isfinite(output[0]) && isnan(output[8]) && isnan(output[15]) && isfinite(output[16]));
    }
}

TEST(pools_round_to_8_bits_and_take_them_back)
{
    uint64_t state = 7;
    CLEANUP(freep) void *input = random_numbers(NUMBER_F16, 4 * 8, &state);
    static int8_t small[8] __attribute__((aligned(16)));
    static float output[8] __attribute__((aligned(16)));
    number_store(NUMBER_F16, input, 3, 60000); /* cut off */
    struct pool_args max = { .input = input, .output = small, .batch = 1, .height = 2, .width = 2, .channels = 8, .kernel = 2, .stride = 1,
                             .out_height = 1, .out_width = 1, .format = NUMBER_F16, .to = NUMBER_S8, .scale = 60 };
    max_pool_eight(NUMBER_F16, &max, 0, 0);
    for (int c = 0; c < 8; c++)
        CHECK_INT(small[c], c == 3 ? 127 : lrintf(60 * plain_max(&max, 0, 0, 0, c)));
    static const int8_t numbers[16] __attribute__((aligned(16))) = { -127, 127, 1, 0, 5, -5, 100, 3, -127, 127, 2, 0, 6, 5, -100, 4 };
    struct pool_args average = { .input = numbers, .output = output, .batch = 1, .height = 2, .width = 1, .channels = 8, .format = NUMBER_S8, .scale = 0.5f };
    average_pool_eight(NUMBER_S8, &average, 0);
    for (int c = 0; c < 8; c++)
        CHECK(output[c] == (float)(numbers[c] + numbers[c + 8]) / 4);
}

/* ---- softmax and top-k, as the blocks of the kernel would -------------------------------------------------------------------- */

static void run_top(const float *logits, int classes, int top, struct top_prediction *predictions)
{
    struct fake_settings settings = { .devices = 1 };
    struct top_args args = { logits, predictions, 1, classes, top };
    struct gpu *gpu;
    struct gpu_stream *stream;
    fake_gpu_reset(&settings);
    CHECK_INT(fake_gpu.open(0, &gpu, NULL), 0);
    CHECK_INT(fake_gpu.stream_new(gpu, &stream, NULL), 0);
    CHECK_INT(fake_gpu.top(gpu, stream, &args, NULL), 0);
    CHECK_INT(fake_gpu.stream_done(gpu, stream, NULL), 0);
    fake_gpu.stream_free(gpu, stream);
    fake_gpu.close(gpu);
}

TEST(the_most_probable_classes_come_first_and_the_lowest_index_on_a_tie)
{
    static const int sizes[] = { 1, 2, 255, 256, 257, 1000 };
    uint64_t state = 1;
    for (size_t s = 0; s < ARRAY_SIZE(sizes); s++)
        for (int steps = 3; steps <= 3000; steps *= 10) { /* few steps: many ties */
            int classes = sizes[s], top = classes < 300 ? classes : 5;
            float logits[1000];
            struct prediction expected[300];
            struct top_prediction got[300];
            for (int c = 0; c < classes; c++)
                logits[c] = (float)(int)((float)steps * random_unit(&state)) * 8 / (float)steps - 4;
            CHECK_INT(rows_predict(logits, classes, top, expected), 0);
            run_top(logits, classes, top, got);
            for (int k = 0; k < top; k++) {
                CHECK_INT(got[k].index, expected[k].index);
                CHECK(fabsf(got[k].probability - expected[k].probability) <= 1e-6f);
            }
        }
}

TEST(a_row_that_is_not_finite_is_marked)
{
    static const float bad[] = { INFINITY, -INFINITY, NAN };
    for (size_t b = 0; b < ARRAY_SIZE(bad); b++)
        for (int at = 0; at < 300; at += 299) {
            float logits[300] = { 0 };
            struct top_prediction got[2];
            logits[at] = bad[b];
            run_top(logits, 300, 2, got);
            CHECK(got[0].index == TOP_BROKEN && got[1].index == TOP_BROKEN);
        }
}
