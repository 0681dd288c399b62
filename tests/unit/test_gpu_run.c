/* tests/gpu/run, which nobody can try here for good: that it builds, that it says so without a device, and that its report is right about
 * a GPU that is not one. */
#include "common/cleanup.h"
#include "tests/test.h"

/* A machine without the packages that Sleddog is made of: their headers are there, and cannot be used. */
static void make_poison(void)
{
    CHECK_INT(test_shell(NULL, "mkdir poison && cd poison && mkdir curl openssl webp systemd sys && "
                         "for h in zmq.h curl/curl.h expat.h jansson.h zlib.h jpeglib.h png.h webp/decode.h webp/demux.h sqlite3.h mpack.h dnnl.h "
                         "openssl/sha.h openssl/evp.h systemd/sd-daemon.h; do echo '#error not on this machine' >$h; done"), 0);
}

/* libc, cuDNN and cublasLt (cudart is linked statically), and nothing else. */
static void check_needed(void)
{
    CLEANUP(freep) char *others = NULL;
    test_shell(&others, "LC_ALL=C readelf -d gpu/bench | sed -n 's/.*(NEEDED).*\\[\\(.*\\)\\]/\\1/p' | "
               "grep -vE '^(lib(c|m|dl|rt|pthread|gcc_s|stdc\\+\\+|cudnn|cublasLt)\\.so\\.|ld-linux)'");
    CHECK_STR(others, "");
}

TEST_WITHIN(240, the_gpu_run_builds_from_the_sources_alone_and_says_that_there_is_no_device)
{
    CLEANUP(freep) char *output = NULL;
    make_poison();
    int status = test_shell(&output, "GPU_BUILD=$PWD/gpu CC=\"gcc -I$PWD/poison\" PYTHON=/usr/bin/python3 %s/tests/gpu/run --dry", test_source());
    if (strstr(output, "has no PyTorch"))
        test_skip("%s", output);
    if (strstr(output, "was not found"))
        test_skip("%s", output);
    if (status)
        test_fail(__FILE__, __LINE__, "%s", output);
    CHECK_CONTAINS(output, "gpu/bench; bundled: SHA-256");
    CHECK_CONTAINS(output, "/usr/bin/python3: PyTorch ");
    check_needed();
    if (strstr(output, " device, the first: ") || strstr(output, " devices, the first: "))
        test_skip("there is a GPU here");
    CHECK_CONTAINS(output, "no device: bench: engine cudnn: no usable GPU");
}

TEST_WITHIN(240, the_gpu_report_compares_with_pytorch)
{
    CLEANUP(freep) char *output = NULL;
    if (test_shell(NULL, "/usr/bin/python3 -c 'import torch'"))
        test_skip("PyTorch is not here");
    int status = test_shell(&output, "GPU_BUILD=$PWD/gpu PYTHON=/usr/bin/python3 %s/tests/gpu/run --fake --network resnet18 --side 20 "
                            "--precisions f32,f16,int8 --batches 2 --seconds 0.01 --out report.md", test_source());
    if (status)
        test_fail(__FILE__, __LINE__, "%s", output);
    CLEANUP(freep) char *report = test_read_file("report.md", NULL);
    CHECK_CONTAINS(report, "this tries the scripts, its times mean nothing");
    CHECK_CONTAINS(report, "| f32 | 2 | ");
    CHECK_CONTAINS(report, "| int8 | 2 | ");
    CHECK_CONTAINS(report, "| int8 device | ");
    CHECK_CONTAINS(report, "5 of 5 | ok | same bytes |");
    CHECK_CONTAINS(report, "| normalise | u8 | ");
    CHECK_CONTAINS(report, "| layer4.0.downsample.0 | f16 2 2x2 256->512 1x1/2+0 | ");
    CHECK_CONTAINS(report, "All layers, one after another: ");
    CHECK_CONTAINS(report, "\n| 2 | 33 | ");
    CHECK_CONTAINS(report, "Everything that was checked is right.");
    CHECK(!strstr(report, "WRONG"));
}

TEST_WITHIN(240, the_gpu_report_notices_a_wrong_engine)
{
    CLEANUP(freep) char *output = NULL;
    if (test_shell(NULL, "/usr/bin/python3 -c 'import torch'"))
        test_skip("PyTorch is not here");
    /* A mean that is not ImageNet's. */
    int status = test_shell(&output, "mkdir tree && cp -r %s/tests %s/worker %s/common %s/proto tree/ && sed -i 's/0.485f/0.585f/' tree/tests/gpu/bench.c && "
                            "GPU_BUILD=$PWD/gpu PYTHON=/usr/bin/python3 tree/tests/gpu/run --fake --network resnet18 --side 33 "
                            "--precisions f32 --parts check --out report.md", test_source(), test_source(), test_source(), test_source());
    CHECK_INT(status, 1);
    CLEANUP(freep) char *report = test_read_file("report.md", NULL);
    CHECK_CONTAINS(report, "**WRONG**");
    CHECK_CONTAINS(report, "2 checks are WRONG.");
}
