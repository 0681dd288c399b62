/* Convolutions by AVX-512 VNNI against oneDNN's, byte by byte. */
#include "worker/engines/onednn_vnni.h"

#include "common/cleanup.h"
#include "tests/test.h"
#include "worker/engines/onednn_cpu.h"
#include "worker/weights/seeded.h"

#include <dnnl.h>
#include <math.h>
#include <sys/mman.h>
#include <unistd.h>

#define MARK 0xA5 /* bytes that may be read and must not count */

/* One convolution with numbers of its own. */
struct bed {
    struct vnni_conv conv;
    uint8_t *source, *target;
    size_t source_bytes, target_bytes;
    int8_t *weight;
    size_t weight_bytes;
    float *bias, *scale;
};

static void *take_memory(size_t bytes)
{
    void *memory = aligned_alloc(64, (bytes + 63) / 64 * 64);
    CHECK(memory);
    return memory;
}

static size_t pages_of(size_t bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return (bytes + page - 1) / page * page;
}

/* Memory behind which there is none: who touches it dies. */
static void *take_guarded(size_t bytes)
{
    size_t size = pages_of(bytes);
    uint8_t *memory = mmap(NULL, size + pages_of(1), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(memory != MAP_FAILED);
    CHECK_INT(mprotect(memory + size, pages_of(1), PROT_NONE), 0);
    return memory + size - bytes;
}

static void give_guarded(void *memory, size_t bytes)
{
    size_t size = pages_of(bytes);
    CHECK_INT(munmap((uint8_t *)memory + bytes - size, size + pages_of(1)), 0);
}

/* oneDNN must compute with the same instructions: without them it saturates, and AMX is not what is compared. */
static void need_vnni(void)
{
    setenv("DNNL_MAX_CPU_ISA", "AVX512_CORE_BF16", 0);
    if (!vnni_works())
        test_skip("this CPU has no AVX-512 VNNI");
    if (!onednn_isa_is_avx512_vnni())
        test_skip("DNNL_MAX_CPU_ISA lets oneDNN use %s, which adds otherwise", onednn_isa_name());
}

static void make_bed(struct bed *bed, struct vnni_conv conv)
{
    need_vnni();
    conv.height = (conv.source_height - conv.kernel) / conv.stride + 1;
    conv.width = (conv.source_width - conv.kernel) / conv.stride + 1;
    bed->conv = conv;
    bed->source_bytes = (size_t)conv.images * (size_t)conv.source_height * (size_t)conv.source_width * (size_t)conv.inputs;
    bed->target_bytes = (size_t)conv.images * (size_t)conv.height * (size_t)conv.width * (size_t)conv.outputs;
    bed->weight_bytes = (size_t)conv.outputs * (size_t)conv.inputs * (size_t)conv.kernel * (size_t)conv.kernel;
    bed->source = take_guarded(bed->source_bytes + VNNI_SLACK);
    bed->target = take_guarded(bed->target_bytes);
    bed->weight = take_memory(bed->weight_bytes);
    bed->bias = take_memory((size_t)conv.outputs * sizeof(float));
    bed->scale = take_memory((size_t)conv.outputs * sizeof(float));
    bed->conv.packed = take_guarded(vnni_conv_bytes(&conv));
    memset(bed->source, MARK, bed->source_bytes + VNNI_SLACK);
    seeded_pixels("source", bed->source, bed->source_bytes);
    seeded_pixels("weights", (uint8_t *)bed->weight, bed->weight_bytes);
    seeded_pixels("target", bed->target, bed->target_bytes);
    float reach = 128.0f / (float)(conv.inputs * conv.kernel * conv.kernel * 32);
    for (int o = 0; o < conv.outputs; o++) { /* some levels below 0, some above 255, the rest between */
        bed->bias[o] = 37.3f * (float)(o % 64);
        bed->scale[o] = 0.01f * reach * (1 + (float)(o % 7));
    }
}

static void done_bed(struct bed *bed)
{
    give_guarded(bed->source, bed->source_bytes + VNNI_SLACK);
    give_guarded(bed->target, bed->target_bytes);
    give_guarded(bed->conv.packed, vnni_conv_bytes(&bed->conv));
    free(bed->weight);
    free(bed->bias);
    free(bed->scale);
}

/* ---- what oneDNN makes of it -------------------------------------------------------------------------------------------- */

static dnnl_memory_desc_t describe(int count, const dnnl_dims_t dims, dnnl_data_type_t type, dnnl_format_tag_t tag)
{
    dnnl_memory_desc_t desc;
    CHECK_INT(dnnl_memory_desc_init_by_tag(&desc, count, dims, type, tag), 0);
    return desc;
}

static dnnl_memory_t remember(const dnnl_memory_desc_t *desc, dnnl_engine_t engine, void *at)
{
    dnnl_memory_t memory;
    CHECK_INT(dnnl_memory_create(&memory, desc, engine, at), 0);
    return memory;
}

static dnnl_primitive_desc_t describe_conv(const struct bed *bed, dnnl_engine_t engine, const dnnl_memory_desc_t descs[4])
{
    const struct vnni_conv *conv = &bed->conv;
    dnnl_dims_t strides = { conv->stride, conv->stride }, padding = { 0, 0 };
    dnnl_primitive_attr_t attr;
    dnnl_post_ops_t ops;
    dnnl_convolution_desc_t desc;
    dnnl_primitive_desc_t ret;
    CHECK_INT(dnnl_primitive_attr_create(&attr), 0);
    CHECK_INT(dnnl_primitive_attr_set_output_scales(attr, conv->outputs, 1 << 1, bed->scale), 0);
    CHECK_INT(dnnl_post_ops_create(&ops), 0);
    CHECK_INT(conv->has_residual ? dnnl_post_ops_append_sum(ops, conv->residual_scale) : dnnl_success, 0);
    CHECK_INT(dnnl_primitive_attr_set_post_ops(attr, ops), 0);
    CHECK_INT(dnnl_convolution_forward_desc_init(&desc, dnnl_forward_inference, dnnl_convolution_direct, &descs[0], &descs[1], &descs[2], &descs[3], strides, padding,
                                                 padding), 0);
    CHECK_INT(dnnl_primitive_desc_create(&ret, &desc, attr, engine, NULL), 0);
    dnnl_post_ops_destroy(ops);
    dnnl_primitive_attr_destroy(attr);
    return ret;
}

static void execute(dnnl_primitive_desc_t desc, dnnl_stream_t stream, int count, const dnnl_exec_arg_t *args)
{
    dnnl_primitive_t primitive;
    CHECK_INT(dnnl_primitive_create(&primitive, desc), 0);
    CHECK_INT(dnnl_primitive_execute(primitive, stream, count, args), 0);
    CHECK_INT(dnnl_stream_wait(stream), 0);
    dnnl_primitive_destroy(primitive);
    dnnl_primitive_desc_destroy(desc);
}

/* Over `target`, which holds the residual. `source`: the bed's, or a copy. */
static void run_onednn(const struct bed *bed, uint8_t *source, uint8_t *target)
{
    const struct vnni_conv *conv = &bed->conv;
    dnnl_dims_t in = { conv->images, conv->inputs, conv->source_height, conv->source_width }, out = { conv->images, conv->outputs, conv->height, conv->width };
    dnnl_dims_t kernel = { conv->outputs, conv->inputs, conv->kernel, conv->kernel }, vector = { conv->outputs };
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    CHECK_INT(dnnl_engine_create(&engine, dnnl_cpu, 0), 0);
    CHECK_INT(dnnl_stream_create(&stream, engine, dnnl_stream_default_flags), 0);
    dnnl_memory_desc_t descs[4] = { describe(4, in, dnnl_u8, dnnl_nhwc), describe(4, kernel, dnnl_s8, dnnl_format_tag_any), describe(1, vector, dnnl_f32, dnnl_a),
                                    describe(4, out, dnnl_u8, dnnl_nhwc) };
    dnnl_memory_desc_t plain = describe(4, kernel, dnnl_s8, dnnl_oihw);
    dnnl_primitive_desc_t desc = describe_conv(bed, engine, descs), reorder;
    const dnnl_memory_desc_t *wanted = dnnl_primitive_desc_query_md(desc, dnnl_query_weights_md, 0);
    dnnl_memory_t memories[5] = { remember(&descs[0], engine, source), remember(wanted, engine, DNNL_MEMORY_ALLOCATE), remember(&descs[2], engine, bed->bias),
                                  remember(&descs[3], engine, target), remember(&plain, engine, bed->weight) };
    CHECK_INT(dnnl_reorder_primitive_desc_create(&reorder, &plain, engine, wanted, engine, NULL), 0);
    execute(reorder, stream, 2, (dnnl_exec_arg_t[]){ { DNNL_ARG_FROM, memories[4] }, { DNNL_ARG_TO, memories[1] } });
    execute(desc, stream, 4, (dnnl_exec_arg_t[]){ { DNNL_ARG_SRC, memories[0] }, { DNNL_ARG_WEIGHTS, memories[1] }, { DNNL_ARG_BIAS, memories[2] }, { DNNL_ARG_DST, memories[3] } });
    for (size_t i = 0; i < ARRAY_SIZE(memories); i++)
        dnnl_memory_destroy(memories[i]);
    dnnl_stream_destroy(stream);
    dnnl_engine_destroy(engine);
}

/* oneDNN reads and writes copies: how much it touches behind them is not what is tested. */
static void check_same(struct bed *bed)
{
    CLEANUP(freep) uint8_t *source = take_memory(bed->source_bytes);
    CLEANUP(freep) uint8_t *expected = take_memory(bed->target_bytes);
    memcpy(source, bed->source, bed->source_bytes);
    memcpy(expected, bed->target, bed->target_bytes);
    run_onednn(bed, source, expected);
    vnni_conv_pack(&bed->conv, bed->weight, bed->bias, bed->scale);
    vnni_conv_run(&bed->conv, bed->source, bed->target);
    for (size_t i = 0; i < bed->target_bytes; i++)
        if (bed->target[i] != expected[i])
            test_fail(__FILE__, __LINE__, "%d to %d channels, kernel %d: byte %zu is %d, oneDNN's is %d", bed->conv.inputs, bed->conv.outputs, bed->conv.kernel, i,
                      bed->target[i], expected[i]);
}

static void check_conv(struct vnni_conv conv)
{
    struct bed bed;
    size_t between = 0;
    make_bed(&bed, conv);
    check_same(&bed);
    for (size_t i = 0; i < bed.target_bytes; i++)
        between += bed.target[i] > 0 && bed.target[i] < 255;
    CHECK(between > bed.target_bytes / 10);
    done_bed(&bed);
}

/* ---- shapes ------------------------------------------------------------------------------------------------------------- */

TEST(a_1x1_convolution_has_the_bytes_of_onednn)
{
    check_conv((struct vnni_conv){ .inputs = 64, .outputs = 256, .kernel = 1, .stride = 1, .images = 2, .source_height = 8, .source_width = 8 });
    check_conv((struct vnni_conv){ .inputs = 512, .outputs = 64, .kernel = 1, .stride = 1, .images = 1, .source_height = 4, .source_width = 4 });
    check_conv((struct vnni_conv){ .inputs = 4, .outputs = 128, .kernel = 1, .stride = 1, .images = 3, .source_height = 6, .source_width = 2 });
}

TEST(a_residual_is_added_as_onednn_adds_it)
{
    check_conv((struct vnni_conv){ .inputs = 64, .outputs = 256, .kernel = 1, .stride = 1, .images = 2, .source_height = 8, .source_width = 8,
                                   .has_residual = true, .residual_scale = 0.7f });
    check_conv((struct vnni_conv){ .inputs = 128, .outputs = 512, .kernel = 1, .stride = 1, .images = 1, .source_height = 7, .source_width = 7,
                                   .has_residual = true, .residual_scale = 1.3f });
}

TEST(a_stride_leaves_pixels_out_in_odd_planes_too)
{
    check_conv((struct vnni_conv){ .inputs = 64, .outputs = 128, .kernel = 1, .stride = 2, .images = 3, .source_height = 8, .source_width = 8 });
    check_conv((struct vnni_conv){ .inputs = 64, .outputs = 128, .kernel = 1, .stride = 2, .images = 3, .source_height = 7, .source_width = 9 });
}

TEST(a_number_of_pixels_that_is_not_one_of_fours_is_computed_whole)
{
    for (int width = 1; width <= 9; width++)
        check_conv((struct vnni_conv){ .inputs = 16, .outputs = 64, .kernel = 1, .stride = 1, .images = 1, .source_height = 1, .source_width = width,
                                       .has_residual = width % 2 == 0, .residual_scale = 0.5f });
}

/* Pixels of more than a tile, which is no multiple of them, and more than a block of outputs. */
TEST(weights_that_are_fetched_for_many_pixels_at_a_time_meet_each_of_them)
{
    for (int width = 62; width <= 70; width++)
        check_conv((struct vnni_conv){ .inputs = 8, .outputs = 192, .kernel = 1, .stride = 1, .images = 3, .source_height = 1, .source_width = width,
                                       .has_residual = width % 2 == 0, .residual_scale = 0.5f });
}

TEST(the_window_of_the_first_layer_has_the_bytes_of_onednn)
{
    for (int width = 16; width <= 23; width++)
        check_conv((struct vnni_conv){ .inputs = 3, .outputs = 64, .kernel = 7, .stride = 2, .images = 2, .source_height = 19, .source_width = width });
}

TEST(channels_that_are_no_multiple_of_four_meet_weights_of_zero)
{
    for (int inputs = 1; inputs <= 7; inputs++)
        check_conv((struct vnni_conv){ .inputs = inputs, .outputs = 64, .kernel = 1, .stride = 1, .images = 1, .source_height = 3, .source_width = 5 });
}

/* ---- numbers ------------------------------------------------------------------------------------------------------------ */

TEST(what_does_not_fit_is_cut_off_at_both_ends)
{
    static const float most[] = { 1e30f, -1e30f, 3e9f, -3e9f, 254.5f, 255.5f, 0.5f, -0.5f, 1.5f };
    struct bed bed;
    make_bed(&bed, (struct vnni_conv){ .inputs = 64, .outputs = 64, .kernel = 1, .stride = 1, .images = 1, .source_height = 2, .source_width = 2 });
    memset(bed.weight, 0, bed.weight_bytes);
    for (size_t o = 0; o < 64; o++) {
        bed.bias[o] = most[o % ARRAY_SIZE(most)];
        bed.scale[o] = 1;
    }
    check_same(&bed);
    CHECK_INT(bed.target[0], 255);
    CHECK_INT(bed.target[1], 0);
    CHECK_INT(bed.target[4], 254); /* to the even one */
    CHECK_INT(bed.target[8], 2);
    done_bed(&bed);
}

/* A bias that is none, 0 * inf and, with a residual, inf - inf. */
static void check_not_numbers(bool has_residual)
{
    struct bed bed;
    make_bed(&bed, (struct vnni_conv){ .inputs = 64, .outputs = 64, .kernel = 1, .stride = 1, .images = 1, .source_height = 2, .source_width = 2,
                                       .has_residual = has_residual, .residual_scale = -INFINITY });
    memset(bed.weight, 0, bed.weight_bytes);
    memset(bed.target, 1, bed.target_bytes);
    for (size_t o = 0; o < 64; o++) {
        bed.bias[o] = o % 4 == 0 ? NAN : o % 4 == 1 ? 0 : 1;
        bed.scale[o] = INFINITY;
    }
    check_same(&bed);
    for (size_t o = 0; o < 64; o++)
        CHECK_INT(bed.target[o], o % 4 < 2 || has_residual ? 0 : 255);
    done_bed(&bed);
}

TEST(what_is_not_a_number_becomes_0_as_with_onednn)
{
    check_not_numbers(false);
    check_not_numbers(true);
}

/* ---- roundings: each sum lies so near the middle of two levels that one rounding more or less decides --------------------------------------- */

TEST(a_residual_is_scaled_and_added_with_one_rounding)
{
    struct bed bed;
    make_bed(&bed, (struct vnni_conv){ .inputs = 64, .outputs = 64, .kernel = 1, .stride = 1, .images = 1, .source_height = 2, .source_width = 3,
                                       .has_residual = true, .residual_scale = 0.7f });
    memset(bed.weight, 0, bed.weight_bytes);
    for (size_t o = 0; o < 64; o++) {
        bed.bias[o] = 0.5f - (float)(o + 1) * 0.7f;
        bed.scale[o] = 1;
        for (size_t p = 0; p < 6; p++)
            bed.target[p * 64 + o] = (uint8_t)(o + 1);
    }
    check_same(&bed);
    done_bed(&bed);
}

TEST(a_bias_is_added_before_the_sum_is_scaled)
{
    struct bed bed;
    make_bed(&bed, (struct vnni_conv){ .inputs = 64, .outputs = 64, .kernel = 1, .stride = 1, .images = 1, .source_height = 2, .source_width = 3 });
    memset(bed.source, 0, bed.source_bytes);
    memset(bed.weight, 0, bed.weight_bytes);
    for (size_t p = 0; p < 6; p++)
        bed.source[p * 64] = 1;
    for (size_t o = 0; o < 64; o++) {
        bed.weight[o * 64] = (int8_t)(o + 1);
        bed.bias[o] = 0.37f * (float)(o + 1);
        float sum = (float)(o + 1) + bed.bias[o];
        bed.scale[o] = (floorf(sum * 0.7f) + 0.5f) / sum;
    }
    check_same(&bed);
    done_bed(&bed);
}

/* ---- sizes -------------------------------------------------------------------------------------------------------------------- */

TEST(the_largest_products_there_are_do_not_saturate_before_they_are_scaled)
{
    struct bed bed;
    make_bed(&bed, (struct vnni_conv){ .inputs = 2048, .outputs = 64, .kernel = 1, .stride = 1, .images = 1, .source_height = 2, .source_width = 2 });
    memset(bed.source, 255, bed.source_bytes);
    memset(bed.weight, 127, bed.weight_bytes);
    for (int o = 0; o < 64; o++)
        bed.scale[o] = (float)(o * 4) / (2048 * 255 * 127.0f);
    check_same(&bed);
    CHECK_INT(bed.target[32], 128);
    done_bed(&bed);
}
