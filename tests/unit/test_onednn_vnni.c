/* Convolutions by AVX-512 VNNI against oneDNN's, byte by byte. */
#include "worker/engines/onednn_vnni.h"

#include "common/cleanup.h"
#include "tests/test.h"
#include "worker/weights/seeded.h"

#include <dnnl.h>

#define MARGIN 64 /* bytes behind the target that must stay */
#define MARK   0xA5

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

static void make_bed(struct bed *bed, struct vnni_conv conv)
{
    if (!vnni_works())
        test_skip("this CPU has no AVX-512 VNNI");
    conv.height = (conv.source_height - conv.kernel) / conv.stride + 1;
    conv.width = (conv.source_width - conv.kernel) / conv.stride + 1;
    bed->conv = conv;
    bed->source_bytes = (size_t)conv.images * (size_t)conv.source_height * (size_t)conv.source_width * (size_t)conv.inputs;
    bed->target_bytes = (size_t)conv.images * (size_t)conv.height * (size_t)conv.width * (size_t)conv.outputs;
    bed->weight_bytes = (size_t)conv.outputs * (size_t)conv.inputs * (size_t)conv.kernel * (size_t)conv.kernel;
    bed->source = take_memory(bed->source_bytes + VNNI_SLACK);
    bed->target = take_memory(bed->target_bytes + MARGIN);
    bed->weight = take_memory(bed->weight_bytes);
    bed->bias = take_memory((size_t)conv.outputs * sizeof(float));
    bed->scale = take_memory((size_t)conv.outputs * sizeof(float));
    bed->conv.packed = take_memory(vnni_conv_bytes(&conv));
    memset(bed->source, MARK, bed->source_bytes + VNNI_SLACK);
    seeded_pixels("source", bed->source, bed->source_bytes);
    seeded_pixels("weights", (uint8_t *)bed->weight, bed->weight_bytes);
    seeded_pixels("target", bed->target, bed->target_bytes);
    memset(bed->target + bed->target_bytes, MARK, MARGIN);
    float reach = 128.0f / (float)(conv.inputs * conv.kernel * conv.kernel * 32);
    for (int o = 0; o < conv.outputs; o++) { /* some levels below 0, some above 255, the rest between */
        bed->bias[o] = 37.3f * (float)(o % 64);
        bed->scale[o] = 0.01f * reach * (1 + (float)(o % 7));
    }
}

static void done_bed(struct bed *bed)
{
    free(bed->source);
    free(bed->target);
    free(bed->weight);
    free(bed->bias);
    free(bed->scale);
    free(bed->conv.packed);
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

/* Over `target`, which holds the residual. */
static void run_onednn(const struct bed *bed, uint8_t *target)
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
    dnnl_memory_t memories[5] = { remember(&descs[0], engine, bed->source), remember(wanted, engine, DNNL_MEMORY_ALLOCATE), remember(&descs[2], engine, bed->bias),
                                  remember(&descs[3], engine, target), remember(&plain, engine, bed->weight) };
    CHECK_INT(dnnl_reorder_primitive_desc_create(&reorder, &plain, engine, wanted, engine, NULL), 0);
    execute(reorder, stream, 2, (dnnl_exec_arg_t[]){ { DNNL_ARG_FROM, memories[4] }, { DNNL_ARG_TO, memories[1] } });
    execute(desc, stream, 4, (dnnl_exec_arg_t[]){ { DNNL_ARG_SRC, memories[0] }, { DNNL_ARG_WEIGHTS, memories[1] }, { DNNL_ARG_BIAS, memories[2] }, { DNNL_ARG_DST, memories[3] } });
    for (size_t i = 0; i < ARRAY_SIZE(memories); i++)
        dnnl_memory_destroy(memories[i]);
    dnnl_stream_destroy(stream);
    dnnl_engine_destroy(engine);
}

static void check_same(struct bed *bed)
{
    CLEANUP(freep) uint8_t *expected = malloc(bed->target_bytes);
    CHECK(expected);
    memcpy(expected, bed->target, bed->target_bytes);
    run_onednn(bed, expected);
    vnni_conv_pack(&bed->conv, bed->weight, bed->bias, bed->scale);
    vnni_conv_run(&bed->conv, bed->source, bed->target);
    for (size_t i = 0; i < bed->target_bytes; i++)
        if (bed->target[i] != expected[i])
            test_fail(__FILE__, __LINE__, "%d to %d channels, kernel %d: byte %zu is %d, oneDNN's is %d", bed->conv.inputs, bed->conv.outputs, bed->conv.kernel, i,
                      bed->target[i], expected[i]);
    for (size_t i = 0; i < MARGIN; i++)
        CHECK_INT(bed->target[bed->target_bytes + i], MARK);
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
