/* Whole jobs on the GPU engine over a GPU that is not one: its rows are those of the CPU engine, and a GPU that is lost loses nothing. */
#include "tests/cluster/lib/cluster.h"
#include "tests/cluster/lib/photos.h"
#include "tests/cluster/lib/table.h"

#include "common/cleanup.h"

#include <math.h>
#include <signal.h>

#define PHOTOS 9

/* Small crops: the GPU of the tests takes its time. */
#define JOB(name) "--resize", "40", "--crop", "33", "--weights", "model.safetensors", "--batch", "1", "--job", name, "photos"
#define GPU "--engine", "cudnn", "--engine-batch", "2", "--precision", "f32", "--tune", "off"

static void gather(void)
{
    model_write("model.safetensors", 1000);
    photos_draw("photos", PHOTOS);
}

/* Plugins of the tests' GPU, or the real ones. */
static void use_fake(bool fake)
{
    char folder[4096];
    snprintf(folder, sizeof(folder), "%s%s", test_build(), fake ? "/tests/gpu" : "");
    setenv("SLEDDOG_ENGINES", folder, 1);
}

static void compare_tables(const char *gpu, const char *cpu)
{
    struct table left, right;
    table_read(&left, gpu);
    table_read(&right, cpu);
    CHECK_INT(left.count, PHOTOS);
    CHECK_INT(right.count, PHOTOS);
    for (size_t i = 0; i < left.count; i++)
        for (size_t k = 0; k < 5; k++) {
            const json_t *a = json_array_get(json_object_get(left.rows[i], "predictions"), k);
            const json_t *b = json_array_get(json_object_get(right.rows[i], "predictions"), k);
            CHECK_INT(json_integer_value(json_object_get(a, "index")), json_integer_value(json_object_get(b, "index")));
            CHECK(fabs(json_real_value(json_object_get(a, "probability")) - json_real_value(json_object_get(b, "probability"))) < 1e-4);
        }
    table_done(&left);
    table_done(&right);
}

TEST(a_job_on_two_gpus_gives_the_rows_of_the_cpu)
{
    gather();
    use_fake(false);
    CHECK_INT(COORDINATE("cpu", "run", "--local", "1", "--engine", "onednn", JOB("cpu")), 0);
    use_fake(true);
    setenv("FAKE_GPU_DEVICES", "2", 1);
    CHECK_INT(COORDINATE("gpu", "run", "--local", "1", GPU, "--devices", "all", JOB("gpu")), 0);
    compare_tables("gpu/predictions.jsonl", "cpu/predictions.jsonl");
    check_contains("gpu/summary.json", "2 x Fake GPU, f32, batch 2");
    check_contains("gpu/summary.json", "cudnn: fake 1, Fake GPU 9.0, 7 processors, f32, batch 2, kernels 2, plans ");
}

TEST(int8_on_a_gpu_takes_the_ranges_beside_the_weights_and_is_refused_without_or_with_wrong_ones)
{
    static const char classify[] = "%s/sleddog-worker classify --engine cudnn --engine-batch 2 --precision int8 --tune off --weights %s --resize 40 "
                                   "--crop 33 photos/*/*.jpg";
    CLEANUP(freep) char *without = NULL, *wrong = NULL;
    gather();
    CHECK_INT(test_shell(NULL, "%s/sleddog-worker calibrate --images photos --weights model.safetensors --resize 40 --crop 33",
                         test_build()), 0);
    CHECK_INT(test_shell(NULL, "cp model.safetensors bare.safetensors && cp model.safetensors.ranges.json ranges.json && "
                         "sed 's/\"weights\": *\"..../\"weights\": \"0000/' ranges.json >bare.safetensors.ranges.json"), 0);
    use_fake(true);
    CHECK_INT(test_shell(&wrong, classify, test_build(), "bare.safetensors"), 1);
    CHECK_CONTAINS(wrong, "bare.safetensors.ranges.json: ");
    CHECK_INT(test_shell(NULL, "rm bare.safetensors.ranges.json"), 0);
    CHECK_INT(test_shell(&without, classify, test_build(), "bare.safetensors"), 1);
    CHECK_CONTAINS(without, "sleddog-worker calibrate");
    CHECK_INT(COORDINATE("int8", "run", "--local", "1", "--engine", "cudnn", "--engine-batch", "2", "--precision", "int8", "--tune", "off", JOB("int8")), 0);
    check_contains("int8/summary.json", "Fake GPU, int8 by ");
    check_contains("int8/summary.json", ", int8, ranges ");
}

/* What `auto` looks at: a driver, which is empty here, and plugins: the tests' GPU and the real oneDNN. */
static void make_driver_and_plugins(void)
{
    if (test_shell(NULL, "mkdir engines driver && ln -s %s/tests/gpu/sleddog-engine-cudnn.so %s/sleddog-engine-onednn.so engines && "
                   "cc -shared -o driver/libcuda.so.1 -x c /dev/null", test_build(), test_build()))
        test_fail(__FILE__, __LINE__, "cannot make a driver");
    setenv("LD_LIBRARY_PATH", "driver", 1);
    setenv("SLEDDOG_ENGINES", "engines", 1);
}

/* A worker with --engine auto has this job, and its log says this. */
static void run_auto(const char *name, const char *devices, const char *device, const char *log)
{
    struct daemon worker;
    char file[64];
    setenv("FAKE_GPU_DEVICES", devices, 1);
    WORKER(&worker, name, "--engine", "auto", "--engine-batch", "2", "--precision", "f32", "--tune", "off");
    write_node("nodes", &worker);
    CHECK_INT(COORDINATE("run", "run", "--nodes", "nodes", JOB(name)), 0);
    daemon_stop(&worker);
    snprintf(file, sizeof(file), "%s/summary.json", name);
    check_contains(file, device);
    snprintf(file, sizeof(file), "%s.err", name);
    check_contains(file, log);
}

TEST(auto_takes_the_gpu_where_there_is_one_and_says_which)
{
    gather();
    make_driver_and_plugins();
    run_auto("gpu", "1", "Fake GPU, f32, batch 2", "engine cudnn: 1 device, the first: Fake GPU, compute capability 9.0");
    run_auto("cpu", "0", "onednn", "there is a driver for GPUs, but none is used: engine cudnn: no usable GPU");
    compare_tables("gpu/predictions.jsonl", "cpu/predictions.jsonl");
}

/* A machine that does much else may not hear of a node within so short a time: then it is asked again. */
static bool counts(const char *name, const char *sentence)
{
    char file[64];
    snprintf(file, sizeof(file), "%s.out", name);
    CLEANUP(freep) char *out = read_text(file);
    return strstr(out, sentence);
}

TEST(check_wants_a_gpu_of_every_node_where_one_is_required_and_names_those_without)
{
    struct daemon gpu, cpu;
    use_fake(true);
    setenv("FAKE_GPU_DEVICES", "1", 1);
    WORKER(&gpu, "gpu", GPU);
    use_fake(false);
    WORKER(&cpu, "cpu", "--engine", "onednn");
    write_node("one", &gpu);
    write_nodes("both", (const struct daemon *[]){ &gpu, &cpu }, 2);
    WAIT_FOR(COORDINATE("one", "check", "--nodes", "one", "--node-timeout", "2", "--require-gpu") == 0);
    check_contains("one.out", "Fake GPU");
    check_contains("one.out", "1 node: 1 ok");
    WAIT_FOR(COORDINATE("required", "check", "--nodes", "both", "--node-timeout", "2", "--mixed", "--require-gpu") == 1 &&
             counts("required", "2 nodes: 1 ok, 1 NO GPU"));
    WAIT_FOR(COORDINATE("both", "check", "--nodes", "both", "--node-timeout", "2", "--mixed") == 0);
    check_contains("both.out", "2 nodes: 2 ok");
    /* Neither waits for the end of its comparison with PyTorch, for which the GPU of the tests needs minutes. */
    process_signal(&gpu.process, SIGKILL);
    process_signal(&cpu.process, SIGKILL);
    process_end(&gpu.process);
    process_end(&cpu.process);
}

/* Such a worker ends without its threads, which may never come back. */
static void allow_thread_leaks(void)
{
    const char *before = getenv("TSAN_OPTIONS");
    char options[4096];
    snprintf(options, sizeof(options), "%s:report_thread_leaks=0", before ? before : "");
    setenv("TSAN_OPTIONS", options, 1);
}

/* Two workers, of which one loses its GPU as the environment says. */
static void lose(const char *name, const char *value, const char *nodes, const char *sentence)
{
    struct daemon lost, good;
    gather();
    use_fake(true);
    CHECK_INT(COORDINATE("before", "run", "--local", "1", GPU, JOB("before")), 0);
    WORKER(&good, "good", GPU);
    setenv(name, value, 1);
    allow_thread_leaks();
    WORKER(&lost, "lost", GPU);
    write_nodes("nodes", (const struct daemon *[]){ &lost, &good }, 2);
    CHECK_INT(COORDINATE("run", "run", "--nodes", "nodes", "--min-nodes", nodes, JOB("job")), 0);
    check_same_file("before/predictions.jsonl", "job/predictions.jsonl");
    CHECK_INT(process_end(&lost.process), 75);
    check_contains("lost.err", "engine cudnn: device 0, Fake GPU: the GPU is lost, and comes back, if at all, for a new process only");
    check_contains("lost.err", sentence);
    daemon_stop(&good);
}

#define FELL_OFF "graph_launch: the GPU fell off the bus"
#define HANGS    "the GPU hangs: what it was given was not done after 0.2 s"

TEST(a_lost_gpu_ends_its_worker_with_status_75_and_its_batches_go_elsewhere)
{
    lose("FAKE_GPU_LAUNCHES", "-1", "2", FELL_OFF); /* with the first image */
}

TEST(a_gpu_that_is_lost_while_a_model_is_loaded_ends_its_worker_as_well)
{
    lose("FAKE_GPU_CALLS", "20", "1", "made to fail");
}

TEST(a_gpu_that_hangs_ends_its_worker_with_status_75_and_its_batches_go_elsewhere)
{
    setenv("FAKE_GPU_HANGS", "200", 1);
    lose("FAKE_GPU_LAUNCHES", "-1", "2", HANGS);
}

TEST(a_gpu_that_hangs_while_a_model_is_loaded_ends_its_worker_as_well)
{
    setenv("FAKE_GPU_HANGS", "200", 1);
    lose("FAKE_GPU_CALLS", "20", "1", HANGS);
}

TEST(a_gpu_that_hangs_or_is_lost_ends_classify_with_status_75_too)
{
    gather();
    use_fake(true);
    allow_thread_leaks();
    for (int hangs = 0; hangs < 2; hangs++) {
        CLEANUP(freep) char *output = NULL;
        int status = test_shell(&output, "%s FAKE_GPU_LAUNCHES=-1 %s/sleddog-worker classify --engine cudnn --engine-batch 2 --tune off --weights "
                                "model.safetensors --resize 40 --crop 33 photos/*/*.jpg", hangs ? "FAKE_GPU_HANGS=200" : "", test_build());
        CHECK_CONTAINS(output, hangs ? HANGS : FELL_OFF);
        CHECK_INT(status, 75);
    }
}
