/* What cuDNN can do on GPUs that are not here: every layer must reach its precompiled fused engines. */
#include "common/cleanup.h"
#include "tests/test.h"
#include "worker/engines/cudnn_shapes.h"

#include <unistd.h>

/* Runs tests/gpu/plans, one process: the libraries of cuDNN are 300 MB, and keep what they took: none of our leaks. */
static void check_fused(const char *device, const char *format, const char *network, const char *batch)
{
    char program[4096];
    snprintf(program, sizeof(program), "%s/tests/gpu/plans", test_build());
    if (access(program, X_OK) < 0)
        test_skip("cuDNN is not here: tests/gpu/plans was not built");
    CLEANUP(freep) char *output = NULL;
    if (test_shell(&output, "ASAN_OPTIONS=detect_leaks=0:$ASAN_OPTIONS '%s' '%s' '%s' '%s' '%s'", program, device, format, network, batch))
        test_fail(__FILE__, __LINE__, "%s", output);
    CHECK_CONTAINS(output, "fused, plans");
    printf("%s", output);
}

TEST(the_kernels_are_compiled_for_every_gpu_and_for_those_to_come)
{
    char *output = NULL;
    if (test_shell(&output, "test -e '%s/sleddog-engine-cudnn.so'", test_build()))
        test_skip("nvcc or cuDNN are not here: sleddog-engine-cudnn.so was not built");
    free(output);
    if (test_shell(&output, "grep -aoE '(sm|compute)_[0-9]+' '%s/sleddog-engine-cudnn.so' | sort -u | tr '\\n' ' '", test_build()))
        test_fail(__FILE__, __LINE__, "%s", output);
    CHECK_CONTAINS(output, "compute_90 ");
    CHECK_CONTAINS(output, "sm_75 sm_80 sm_86 sm_89 sm_90 ");
    free(output);
}

/* A stack frame is memory of the device, and an array lies there as soon as one of its indexes is no constant: it made a kernel five times as slow. */
TEST_WITHIN(120, no_kernel_keeps_anything_in_memory_but_what_it_is_given)
{
    CLEANUP(freep) char *output = NULL;
    if (test_shell(NULL, "PATH=$PATH:/usr/local/cuda/bin; nvcc --version && g++ --version"))
        test_skip("nvcc is not here");
    if (test_shell(&output, "PATH=$PATH:/usr/local/cuda/bin; cd '%s' && for arch in 75 90; do nvcc -std=c++17 -O3 -I. -arch=sm_$arch -Xptxas -v -c "
                            "-o /dev/null worker/engines/kernels.cu 2>&1; done", test_source()))
        test_fail(__FILE__, __LINE__, "%s", output);
    int kernels = 0;
    for (const char *at = output; (at = strstr(at, " bytes stack frame, ")); at++) {
        kernels++;
        if (at[-1] != '0' || at[-2] != ' ' || strncmp(at, " bytes stack frame, 0 bytes spill stores", strlen(" bytes stack frame, 0 bytes spill stores")))
            test_fail(__FILE__, __LINE__, "%s", output);
    }
    CHECK(kernels >= 2 * 17);
}

/* So what holds for the one holds for the other, and need not be asked twice. */
TEST(resnet101_has_the_convolutions_of_resnet50_more_often)
{
    static struct conv_shape fifty[NETWORK_LAYERS_MAX], more[NETWORK_LAYERS_MAX];
    char text[SHAPE_TEXT], other[SHAPE_TEXT];
    for (int format = NUMBER_F32; format <= NUMBER_S8; format++) {
        int count = conv_shapes(network_find("resnet50"), (struct plane){ 224, 224 }, 64, (enum number_format)format, fifty, NULL);
        CHECK_INT(conv_shapes(network_find("resnet101"), (struct plane){ 224, 224 }, 64, (enum number_format)format, more, NULL), count);
        for (int i = 0; i < count; i++) {
            conv_shape_text(&fifty[i], text);
            conv_shape_text(&more[i], other);
            CHECK_STR(text, other);
        }
    }
}

#define FUSED(name, device, format)                                                        \
    TEST_WITHIN(240, every_layer_is_fused_on_a_simulated_##name)                           \
    {                                                                                      \
        const char *networks[] = { "resnet18", "resnet50" };                               \
        for (size_t i = 0; i < ARRAY_SIZE(networks); i++)                                  \
            check_fused(device, format, networks[i], "-");                                 \
    }
FUSED(t4_in_f16, "T4", "f16")
FUSED(a100_in_f16, "A100", "f16")
FUSED(a10_in_f16, "A10", "f16")
FUSED(l4_in_f16, "L4", "f16")
FUSED(h200_in_f16, "H200", "f16")
FUSED(a100_in_bf16, "A100", "bf16")
FUSED(a10_in_bf16, "A10", "bf16")
FUSED(l4_in_bf16, "L4", "bf16")
FUSED(h200_in_bf16, "H200", "bf16")
FUSED(t4_in_int8, "T4", "int8")
FUSED(a100_in_int8, "A100", "int8")
FUSED(a10_in_int8, "A10", "int8")
FUSED(l4_in_int8, "L4", "int8")
FUSED(h200_in_int8, "H200", "int8")
