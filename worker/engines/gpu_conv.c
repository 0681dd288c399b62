#include "worker/engines/gpu_conv.h"

#include "worker/engines/gpu_chain.h"

#include <string.h>

struct builder {
    struct conv_graph *graph;
    struct chain chain;
};

/* The graph owns it from now on. */
static descriptor part(struct builder *builder, cudnnBackendDescriptorType_t type)
{
    descriptor it = chain_create(&builder->chain, type);
    if (it)
        builder->graph->parts[builder->graph->count++] = it;
    return it;
}

/* Dimensions are N C H W, strides those of NHWC. */
static descriptor tensor(struct builder *builder, int64_t uid, cudnnDataType_t type, int64_t n, int64_t c, int64_t h, int64_t w)
{
    struct chain *chain = &builder->chain;
    descriptor it = part(builder, CUDNN_BACKEND_TENSOR_DESCRIPTOR);
    bool is_virtual = uid >= UID_VIRTUAL;
    chain_set_i64(chain, it, CUDNN_ATTR_TENSOR_UNIQUE_ID, uid);
    chain_set_type(chain, it, CUDNN_ATTR_TENSOR_DATA_TYPE, type);
    chain_set_i64(chain, it, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, 16);
    chain_set(chain, it, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 4, (int64_t[]){ n, c, h, w });
    chain_set(chain, it, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, 4, (int64_t[]){ c * h * w, 1, c * w, c });
    chain_set(chain, it, CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, 1, &is_virtual);
    chain_finalize(chain, it);
    return it;
}

static descriptor convolution(struct builder *builder, const struct conv_shape *shape)
{
    struct chain *chain = &builder->chain;
    cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
    descriptor it = part(builder, CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
    chain_set_i64(chain, it, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, 2);
    chain_set_type(chain, it, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, shape->format == NUMBER_S8 ? CUDNN_DATA_INT32 : CUDNN_DATA_FLOAT);
    chain_set(chain, it, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1, &mode);
    chain_set_pair(chain, it, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, shape->padding);
    chain_set_pair(chain, it, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, shape->padding);
    chain_set_pair(chain, it, CUDNN_ATTR_CONVOLUTION_DILATIONS, 1);
    chain_set_pair(chain, it, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, shape->stride);
    chain_finalize(chain, it);
    return it;
}

static descriptor convolve(struct builder *builder, descriptor x, descriptor w, descriptor y, descriptor conv)
{
    struct chain *chain = &builder->chain;
    descriptor it = part(builder, CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR);
    chain_set_part(chain, it, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, x);
    chain_set_part(chain, it, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, w);
    chain_set_part(chain, it, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, y);
    chain_set_part(chain, it, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, conv);
    chain_set_one(chain, it, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, 1);
    chain_set_one(chain, it, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA, 0);
    chain_finalize(chain, it);
    return it;
}

/* y = x + b, or y = relu(x) without b; with `scales`, y = scales[0] * x + scales[1] * b. */
static descriptor pointwise(struct builder *builder, descriptor x, descriptor b, descriptor y, const float *scales)
{
    struct chain *chain = &builder->chain;
    cudnnPointwiseMode_t mode = b ? CUDNN_POINTWISE_ADD : CUDNN_POINTWISE_RELU_FWD;
    cudnnNanPropagation_t nan = CUDNN_PROPAGATE_NAN; /* asked for; cudnn_choose.c sees which plans do */
    descriptor what = part(builder, CUDNN_BACKEND_POINTWISE_DESCRIPTOR);
    chain_set(chain, what, CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, 1, &mode);
    chain_set_type(chain, what, CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_DATA_FLOAT);
    if (!b)
        chain_set(chain, what, CUDNN_ATTR_POINTWISE_NAN_PROPAGATION, CUDNN_TYPE_NAN_PROPOGATION, 1, &nan);
    chain_finalize(chain, what);
    descriptor it = part(builder, CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
    chain_set_part(chain, it, CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, what);
    chain_set_part(chain, it, CUDNN_ATTR_OPERATION_POINTWISE_XDESC, x);
    if (b)
        chain_set_part(chain, it, CUDNN_ATTR_OPERATION_POINTWISE_BDESC, b);
    chain_set_part(chain, it, CUDNN_ATTR_OPERATION_POINTWISE_YDESC, y);
    if (scales) {
        chain_set_one(chain, it, CUDNN_ATTR_OPERATION_POINTWISE_ALPHA1, scales[0]);
        chain_set_one(chain, it, CUDNN_ATTR_OPERATION_POINTWISE_ALPHA2, scales[1]);
    }
    chain_finalize(chain, it);
    return it;
}

static int64_t slide(int64_t size, int kernel, const struct conv_shape *shape)
{
    return (size + 2 * (int64_t)shape->padding - kernel) / shape->stride + 1;
}

static cudnnDataType_t data_type(enum number_format format)
{
    static const cudnnDataType_t types[] = { [NUMBER_F32] = CUDNN_DATA_FLOAT, [NUMBER_F16] = CUDNN_DATA_HALF, [NUMBER_BF16] = CUDNN_DATA_BFLOAT16,
                                             [NUMBER_S8] = CUDNN_DATA_INT8 };
    return types[format];
}

/* The operations in their order; returns how many. */
static int operations(struct builder *builder, const struct conv_shape *s, descriptor *ops)
{
    cudnnDataType_t type = data_type(s->format);
    int64_t n = s->batch, k = s->outputs, h = slide(s->height, s->kernel_height, s), w = slide(s->width, s->kernel_width, s);
    bool scaled = s->format == NUMBER_S8, adds = s->residual || scaled;
    float scales[2] = { s->sum_scale, s->residual ? s->residual_scale : 0 };
    int count = 0, steps = 1 + adds + s->relu; /* pointwise steps after the convolution */
    descriptor x = tensor(builder, UID_X, type, n, s->inputs, s->height, s->width);
    descriptor filter = tensor(builder, UID_W, type, k, s->inputs / s->groups, s->kernel_height, s->kernel_width);
    descriptor sum = tensor(builder, UID_VIRTUAL, scaled ? CUDNN_DATA_INT32 : CUDNN_DATA_FLOAT, n, k, h, w);
    ops[count++] = convolve(builder, x, filter, sum, convolution(builder, s));
    for (int step = 0; step < steps; step++) {
        bool last = step == steps - 1, is_residual = adds && step == 0, is_bias = step == (int)adds;
        descriptor added = is_residual ? tensor(builder, UID_Z, type, n, k, h, w)
                           : is_bias   ? tensor(builder, UID_B, scaled ? CUDNN_DATA_FLOAT : type, 1, k, 1, 1)
                                       : NULL;
        descriptor y = last ? tensor(builder, UID_Y, type, n, k, h, w)
                            : tensor(builder, UID_VIRTUAL + 1 + step, CUDNN_DATA_FLOAT, n, k, h, w);
        ops[count++] = pointwise(builder, sum, added, y, scaled && is_residual ? scales : NULL);
        sum = y;
    }
    return count;
}

int conv_graph_init(struct conv_graph *graph, const struct conv_shape *shape, struct conv_target target, struct why *why)
{
    struct builder builder = { .graph = graph };
    struct chain *chain = &builder.chain;
    descriptor ops[4];
    memset(graph, 0, sizeof(*graph));
    graph->target = target;
    graph->exact_f32 = shape->format == NUMBER_F32;
    int count = operations(&builder, shape, ops);
    graph->graph = chain_create(chain, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
    chain_set(chain, graph->graph, CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, count, ops);
    if (target.handle)
        chain_set(chain, graph->graph, CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1, &target.handle);
    chain_finalize(chain, graph->graph);
    if (!chain->status)
        return 0;
    int r = cudnn_failed(chain->status, chain->call, why);
    conv_graph_done(graph);
    return r;
}

void conv_graph_done(struct conv_graph *graph)
{
    descriptor_destroy(&graph->graph);
    while (graph->count > 0)
        descriptor_destroy(&graph->parts[--graph->count]);
}

int conv_graph_engines(const struct conv_graph *graph, int64_t *ret, struct why *why)
{
    int64_t count = 0;
    cudnnStatus_t status = cudnnBackendGetAttribute(graph->graph, CUDNN_ATTR_OPERATIONGRAPH_ENGINE_GLOBAL_COUNT, CUDNN_TYPE_INT64, 1,
                                                    &count, ret);
    return status ? cudnn_failed(status, "cudnnBackendGetAttribute", why) : 0;
}

/* ---- a device that is not there ----------------------------------------------------------------------------------------- */

int conv_target_simulated(const char *json, struct conv_target *ret, struct why *why)
{
    struct chain chain = { 0 };
    descriptor it = chain_create(&chain, CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
    chain_set(&chain, it, CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR, (int64_t)strlen(json), json);
    chain_finalize(&chain, it);
    if (chain.status) {
        descriptor_destroy(&it);
        return cudnn_failed(chain.status, chain.call, why);
    }
    *ret = (struct conv_target){ .properties = it };
    return 0;
}

void conv_target_done(struct conv_target *target)
{
    descriptor_destroy(&target->properties);
}
