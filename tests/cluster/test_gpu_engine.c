/* Whole jobs on the GPU engine over a GPU that is not one: its rows are those of the CPU engine, and a GPU that is lost loses nothing. */
#include "tests/cluster/lib/cluster.h"
#include "tests/cluster/lib/photos.h"
#include "tests/cluster/lib/table.h"

#include "common/cleanup.h"

#include <math.h>

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
    check_contains("gpu/summary.json", "cudnn: fake 1, Fake GPU 9.0, f32, batch 2, kernels 1, plans ");
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
static void lose(const char *name, const char *value, const char *nodes)
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
    daemon_stop(&good);
}

TEST(a_lost_gpu_ends_its_worker_with_status_75_and_its_batches_go_elsewhere)
{
    lose("FAKE_GPU_LAUNCHES", "-1", "2"); /* with the first image */
}

TEST(a_gpu_that_is_lost_while_a_model_is_loaded_ends_its_worker_as_well)
{
    lose("FAKE_GPU_CALLS", "20", "1");
}
