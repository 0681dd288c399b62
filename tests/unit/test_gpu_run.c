/* tests/gpu/run, which nobody can try here for good: that it builds, that it says so without a device, and that its report is right about
 * a GPU that is not one. */
#include "common/cleanup.h"
#include "tests/cluster/lib/photos.h"
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

static void need_pytorch(void)
{
    if (test_shell(NULL, "/usr/bin/python3 -c 'import torch'"))
        test_skip("PyTorch is not here");
}

/* What the run wrote, and its exit status is as expected. `set`: of the environment. */
static char *report_of(const char *set, const char *options, int expected)
{
    CLEANUP(freep) char *output = NULL;
    int status = test_shell(&output, "%s GPU_BUILD=$PWD/gpu PYTHON=/usr/bin/python3 %s/tests/gpu/run --fake --network resnet18 --side 20 %s --seconds 0.01 "
                            "--out report.md", set, test_source(), options);
    if (status != expected)
        test_fail(__FILE__, __LINE__, "exit status %d: %s", status, output);
    return test_read_file("report.md", NULL);
}

TEST_WITHIN(240, the_gpu_report_compares_with_pytorch)
{
    need_pytorch();
    CLEANUP(freep) char *report = report_of("", "--precisions f32,f16,int8 --batches 2", 0);
    CHECK_CONTAINS(report, "this tries the scripts, its times mean nothing");
    CHECK_CONTAINS(report, "| f32 | 2 | ");
    CHECK_CONTAINS(report, "| int8 | 2 | ");
    CHECK_CONTAINS(report, "| int8 device | ");
    CHECK_CONTAINS(report, "5 of 5 | ok | same bytes |");
    CHECK_CONTAINS(report, "| normalise | u8 | ");
    CHECK_CONTAINS(report, "| layer4.0.downsample.0 | f16 2 2x2 256->512 1x1/2+0 | ");
    CHECK_CONTAINS(report, "All layers, one after another: ");
    CHECK_CONTAINS(report, "\n| 2 | 33 | ");
    CHECK_CONTAINS(report, "\n## End to end\n\nSkipped: --programs DIR ");
    CHECK_CONTAINS(report, "Everything that was checked is right.");
    CHECK(!strstr(report, "WRONG"));
}

TEST_WITHIN(240, the_gpu_report_notices_a_wrong_engine)
{
    CLEANUP(freep) char *output = NULL;
    need_pytorch();
    /* A mean that is not ImageNet's. */
    int status = test_shell(&output, "mkdir tree && cp -r %s/tests %s/worker %s/common %s/proto tree/ && sed -i 's/0.485f/0.585f/' tree/tests/gpu/bench.c && "
                            "GPU_BUILD=$PWD/gpu PYTHON=/usr/bin/python3 tree/tests/gpu/run --fake --network resnet18 --side 33 "
                            "--precisions f32 --parts check --out report.md", test_source(), test_source(), test_source(), test_source());
    CHECK_INT(status, 1);
    CLEANUP(freep) char *report = test_read_file("report.md", NULL);
    CHECK_CONTAINS(report, "**WRONG**");
    CHECK_CONTAINS(report, "2 checks are WRONG.");
}

/* ---- whole jobs ---- */

static char *report_of_jobs(int expected)
{
    char set[4096], options[4096];
    snprintf(set, sizeof(set), "SLEDDOG_ENGINES=%s/tests/gpu", test_build());
    snprintf(options, sizeof(options), "--parts end --programs %s --photos photos --images 4 --threads 2 --libraries nowhere:elsewhere", test_build());
    return report_of(set, options, expected);
}

TEST_WITHIN(240, the_gpu_report_runs_whole_jobs_and_says_what_binds)
{
    need_pytorch();
    photos_draw("photos", 3);
    CLEANUP(freep) char *report = report_of_jobs(0);
    CHECK_CONTAINS(report, "4 entries that are hard links to 3 photos");
    CHECK_CONTAINS(report, "\n| 3 | ");
    CHECK_CONTAINS(report, "images/s** from the first dispatch to the last commit. ");
    CHECK_CONTAINS(report, "- The engine binds: "); /* it is a CPU */
    CHECK_CONTAINS(report, "- Feeding this GPU takes ");
    CHECK_CONTAINS(report, "- 4 images in each of 4 runs, 0 without a prediction: ok; the tables of all of them: the same bytes.");
    CHECK_CONTAINS(report, "Everything that was checked is right.");
    free(report);
    CHECK_INT(test_shell(NULL, "echo 'no JPEG' >photos/a/000.jpg"), 0);
    report = report_of_jobs(1);
    CHECK_CONTAINS(report, "- 4 images in each of 4 runs, 8 without a prediction: **WRONG**");
}

/* ---- tools of a GPU machine that are not here ---- */

/* compute-sanitizer: memcheck finds nothing; racecheck and initcheck find something in a kernel of cuDNN's, and synccheck breaks. nvidia-smi: a card at work. */
static const char tools[] =
    "mkdir bin && cat >bin/compute-sanitizer <<'END'\n"
    "#!/bin/bash\n"
    "[ \"$1\" = --help ] && echo '  --kernel-name arg' && exit\n"
    "own=; while [[ $1 = --* ]]; do [ $1 = --tool ] && tool=$2; [ $1 = --log-file ] && log=$2; [[ $1 = --kernel-name && $2 = kns=*_args ]] && own=yes; shift 2; done\n"
    "\"$@\" || exit\n"
    "exec >$log\n"
    "case $tool$own in\n"
    "racecheck) echo '========= Error: Race reported between Write access at void cudnn::sums<int>(int *)+0x70 in a.cu:1'\n"
    "    echo '=========     and Read access at void cudnn::sums<int>(int *)+0x90 in a.cu:2 [256 hazards]'\n"
    "    echo '========= RACECHECK SUMMARY: 1 hazard displayed (1 error, 0 warnings)'; exit 9 ;;\n"
    "initcheck) echo '========= Uninitialized __global__ memory read of size 16 bytes'; echo '=========     at void cudnn::sums<int>(int *)+0x10 in a.cu:1'\n"
    "    echo '========= ERROR SUMMARY: 1 error'; exit 9 ;;\n"
    "synccheck*) echo '========= Internal Sanitizer Error: no memory'; echo '========= ERROR SUMMARY: 1 error' ;;\n"
    "racecheckyes) echo '========= RACECHECK SUMMARY: 0 hazards displayed (0 errors, 0 warnings)' ;;\n"
    "*) echo '========= ERROR SUMMARY: 0 errors' ;;\n"
    "esac\n"
    "END\n"
    "cat >bin/nvidia-smi <<'END'\n"
    "#!/bin/sh\n"
    "case \"$*\" in\n"
    "*driver_version*) echo 'A card, 1.2, 345 MHz, 1980 MHz, 2619 MHz, 700.00 W, 31' ;;\n"
    "*) echo '1755 MHz, 512.25 W, 97 %' ;;\n"
    "esac\n"
    "END\n"
    "chmod +x bin/*";

/* Another report, in which something is wrong, after `edit` has changed what compute-sanitizer says. */
static void edit_and_report(char **report, const char *edit)
{
    CHECK_INT(test_shell(NULL, "%s", edit), 0);
    free(*report);
    *report = report_of("PATH=$PWD/bin:$PATH", "--precisions f16 --parts sanitizer", 1);
}

TEST_WITHIN(240, the_gpu_report_judges_our_kernels_and_tells_of_others)
{
    need_pytorch();
    CHECK_INT(test_shell(NULL, "%s", tools), 0);
    CLEANUP(freep) char *report = report_of("PATH=$PWD/bin:$PATH", "--precisions f16 --parts sanitizer,speed --batches 2 --sanitizer-seconds 8", 0);
    CHECK_CONTAINS(report, " UTC: `tests/gpu/run --fake --network resnet18 --side 20 ");
    CHECK_CONTAINS(report, "- A card, driver 1.2; idle: SM 345 MHz of at most 1980 MHz, memory 2619 MHz, power limit 700.00 W, 31 C\n");
    CHECK_CONTAINS(report, "SM 1755, 1755, 1755 MHz; 512, 512, 512 W.");
    CHECK_CONTAINS(report, "- memcheck: ok: no errors, in any kernel\n");
    CHECK_CONTAINS(report, "- racecheck: ok: our own kernels: 0 reports; all kernels, cuDNN's among them: 1 reports, the first in `void cudnn::sums<int>(int *)`\n");
    CHECK_CONTAINS(report, "- initcheck: ok: our own kernels: 0 reports; all kernels, cuDNN's among them: 1 reports, the first in `void cudnn::sums<int>(int *)`\n");
    CHECK_CONTAINS(report, "      ========= Uninitialized __global__ memory read of size 16 bytes\n");
    CHECK_CONTAINS(report, "- synccheck: seen: our own kernels: Internal Sanitizer Error: no memory;");
    /* What is ours is wrong, whatever else is; and so is what names no kernel. */
    edit_and_report(&report, "sed -i 's/at void cudnn::sums<int>(int \\*)+0x/at normalise(normalise_args)+0x/; s/ERROR SUMMARY: 1 error.; exit 9/ERROR SUMMARY: 3 errors'\"'\"'; exit 9/' bin/compute-sanitizer");
    CHECK_CONTAINS(report, "- racecheck: **WRONG**: our own kernels: 2 reports; ");
    CHECK_CONTAINS(report, "- initcheck: **WRONG**: our own kernels: 3 reports; ");
    CHECK_CONTAINS(report, "2 checks are WRONG.");
    /* Where a tool ends the program, what it found until then is no answer; but what it says of our kernels alone may be. */
    edit_and_report(&report, "sed -i 's/^\"$@\" || exit$/[[ ! $own \\&\\& $tool != memcheck ]] || \"$@\" || exit/' bin/compute-sanitizer");
    CHECK_CONTAINS(report, "- racecheck: **WRONG**: our own kernels: 2 reports; all kernels, cuDNN's among them: RACECHECK SUMMARY: 1 hazard displayed");
    edit_and_report(&report, "sed -i 's/at normalise(normalise_args)+0x/at void cudnn::sums<int>(int *)+0x/' bin/compute-sanitizer");
    CHECK_CONTAINS(report, "- racecheck: ok: our own kernels: no errors; all kernels, cuDNN's among them: RACECHECK SUMMARY: 1 hazard displayed");
    CHECK_CONTAINS(report, "- initcheck: **WRONG**: our own kernels: ");
    CHECK_CONTAINS(report, ", after 3 reports, the first in `void cudnn::sums<int>(int *)`");
    CHECK_CONTAINS(report, "1 checks are WRONG.");
    /* What says nothing, or that it is not complete, has found nothing either; and what is not printed is counted once. */
    edit_and_report(&report, "sed -i 's/^\\*) echo .*/*) [ $tool = memcheck ] || echo Warning: nothing was looked at ;;/' bin/compute-sanitizer");
    CHECK_CONTAINS(report, "- memcheck: **WRONG**: our own kernels: ");
    edit_and_report(&report, "sed -i \"s/echo '========= ERROR SUMMARY: 3 errors'/echo '========= ERROR SUMMARY: 3 errors'; echo '========= ERROR SUMMARY: 2 errors were not printed'/\" bin/compute-sanitizer");
    CHECK_CONTAINS(report, "after 3 reports");
}
