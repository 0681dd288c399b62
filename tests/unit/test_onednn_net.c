/* Which layers of an int8 network are convolutions of onednn_vnni.h, and that it leaves the bytes behind that it leaves with oneDNN's. */
#include "common/cleanup.h"
#include "tests/engine_run.h"
#include "tests/test.h"
#include "worker/engines/onednn_stream.h"
#include "worker/weights/seeded.h"

#define CLASSES 10
#define IMAGES  3
#define SIZE    64

/* ---- a CPU without them ------------------------------------------------------------------------------------------------- */

static bool hidden;

bool __real_vnni_works(void);
bool __wrap_vnni_works(void);

bool __wrap_vnni_works(void)
{
    return !hidden && __real_vnni_works();
}

/* oneDNN reads what it may use at the first call of a process. */
static void allow_isa(const char *isa)
{
    setenv("DNNL_MAX_CPU_ISA", isa, 1);
    if (!__real_vnni_works())
        test_skip("this CPU has no AVX-512 VNNI");
}

/* ---- running ------------------------------------------------------------------------------------------------------------ */

struct bed {
    struct weights *weights;
    struct ranges ranges;
    struct engine_spec spec;
    uint8_t pixels[IMAGES * SIZE * SIZE * 3];
};

/* What a network is made of, and what comes out. */
struct outcome {
    int own; /* layers by onednn_vnni.h */
    size_t bytes;
    float *values;
};

static int count_own(const struct onednn_net *net)
{
    int count = 0;
    for (int i = 0; i < net->count; i++)
        count += net->steps[i].vnni.packed != NULL;
    return count;
}

static struct outcome run(struct bed *bed, bool classify)
{
    struct onednn_net net;
    struct onednn_stream stream;
    struct why why;
    if (onednn_net_init(&net, &bed->spec, IMAGES, classify, &why) < 0 || onednn_stream_init(&stream, &net, bed->spec.mean, bed->spec.std, &why) < 0)
        test_fail(__FILE__, __LINE__, "%s", why.text);
    stream.observe = bed->spec.observe;
    stream.observed = bed->spec.observed;
    CHECK_INT(onednn_stream_run(&stream, bed->pixels, IMAGES, &why), 0);
    size_t bytes = IMAGES * (size_t)(classify ? net.classes : net.features) * sizeof(float);
    struct outcome ret = { count_own(&net), bytes, malloc(bytes) };
    CHECK(ret.values);
    memcpy(ret.values, stream.output, bytes);
    onednn_stream_done(&stream);
    onednn_net_done(&net);
    return ret;
}

static void make_bed(struct bed *bed, const char *network)
{
    struct why why;
    *bed = (struct bed){ .ranges.images = IMAGES };
    bed->spec = (struct engine_spec){ .network = network_find(network), .height = SIZE, .width = SIZE, .mean = { 0.485f, 0.456f, 0.406f },
                                      .std = { 0.229f, 0.224f, 0.225f }, .observe = engine_widen, .observed = &bed->ranges };
    if (seeded_weights(bed->spec.network, CLASSES, &bed->weights, &why) < 0)
        test_fail(__FILE__, __LINE__, "%s", why.text);
    bed->spec.weights = bed->weights;
    seeded_pixels("net", bed->pixels, sizeof(bed->pixels));
    bed->spec.precision = PRECISION_F32;
    struct outcome f32 = run(bed, true);
    CHECK_INT(f32.own, 0);
    free(f32.values);
    CHECK_INT(ranges_finish(&bed->ranges, bed->spec.network, &why), 0);
    bed->spec.precision = PRECISION_INT8;
    bed->spec.ranges = &bed->ranges;
    bed->spec.observe = NULL;
}

static void check_own(const char *network, int own)
{
    struct bed bed;
    make_bed(&bed, network);
    struct outcome outcome = run(&bed, true);
    CHECK_INT(outcome.own, own);
    free(outcome.values);
    weights_close(bed.weights);
}

/* ---- what is told ------------------------------------------------------------------------------------------------------- */

static void check_same(struct bed *bed, bool classify, int own)
{
    hidden = false;
    struct outcome ours = run(bed, classify);
    hidden = true;
    struct outcome onednn = run(bed, classify);
    CHECK_INT(ours.own, own);
    CHECK_INT(onednn.own, 0);
    CHECK(ours.bytes == onednn.bytes && !memcmp(ours.values, onednn.values, ours.bytes));
    free(ours.values);
    free(onednn.values);
}

static void check_network(const char *network, int own)
{
    struct bed bed;
    make_bed(&bed, network);
    check_same(&bed, true, own);
    check_same(&bed, false, own);
    weights_close(bed.weights);
}

/* In each of 16 blocks the first and the last one, four shortcuts, and the first layer. */
TEST(a_network_of_bottlenecks_leaves_the_bytes_of_onednn_with_all_1x1_convolutions_and_the_first_its_own)
{
    allow_isa("AVX512_CORE_VNNI");
    check_network("resnet50", 16 * 2 + 4 + 1);
    check_network("resnext50_32x4d", 16 * 2 + 4 + 1);
}

TEST(a_network_of_basic_blocks_keeps_its_chain_in_f32_and_is_computed_by_onednn)
{
    allow_isa("AVX512_CORE_VNNI");
    check_own("resnet18", 0);
}

static void check_forbidden(const char *isa)
{
    allow_isa(isa);
    check_own("resnet50", 0);
}

TEST(where_dnnl_max_cpu_isa_forbids_vnni_no_layer_uses_it_with_avx512) { check_forbidden("AVX512_CORE"); }
TEST(where_dnnl_max_cpu_isa_forbids_vnni_no_layer_uses_it_with_avx2) { check_forbidden("AVX2"); }
TEST(where_dnnl_max_cpu_isa_forbids_vnni_no_layer_uses_it_with_sse41) { check_forbidden("SSE41"); }
