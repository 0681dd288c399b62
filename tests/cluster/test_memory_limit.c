/* A worker under --memory-limit: engines that are too large for it. What files and pictures take is in test_hostile_files.c. */
#include "tests/cluster/lib/cluster.h"
#include "tests/cluster/lib/photos.h"

#include "common/cleanup.h"

#define REFUSED     "--memory-limit of 300 MiB: engine onednn would need at least "
#define LARGE_BATCH "--engine", "onednn", "--precision", "f32", "--engine-threads", "1", "--engine-batch", "64", "--threads", "2", "--memory-limit"

static void gather(void)
{
    setenv("SLEDDOG_ENGINES", test_build(), 0);
    photos_draw("photos", 4);
    model_write("model.safetensors", 1000);
}

static int run_job(const char *name, const char *crop)
{
    return COORDINATE(name, "run", "--nodes", "nodes", "--resize", crop, "--crop", crop, "--weights", "model.safetensors", "--job", name, "photos");
}

TEST(a_job_whose_images_are_too_large_for_the_engine_is_refused_in_words_and_the_worker_works_on)
{
    struct daemon daemon;
    gather();
    WORKER(&daemon, "worker", LARGE_BATCH, "300M");
    write_node("nodes", &daemon);
    CHECK_INT(run_job("large", "224"), 1);
    check_contains("large.err", REFUSED);
    check_contains("large.err", " MiB for images of 224x224 pixels, 64 at once, 1 thread; give the worker a smaller --engine-batch, fewer --engine-threads or at least --memory-limit ");
    check_contains("large.err", "or the job a smaller --crop");
    if (!is_sanitized()) /* which holds more than the limit for itself */
        CHECK_INT(run_job("small", "64"), 0);
    daemon_stop(&daemon);
    check_contains("worker.err", REFUSED);
    if (!is_sanitized())
        CHECK(daemon.process.peak_kib < 300 * 1024);
}

TEST(classify_and_verify_refuse_an_engine_that_is_too_large_before_it_takes_the_memory)
{
    struct process process;
    char worker[4096];
    gather();
    snprintf(worker, sizeof(worker), "%s/sleddog-worker", test_build());
    process_start(&process, "classify", ARGV(worker, "classify", LARGE_BATCH, "300M", "--weights", "model.safetensors", "photos/a/000.jpg"));
    CHECK_INT(process_end(&process), 1);
    check_contains("classify.err", REFUSED);
    if (!is_sanitized())
        CHECK(process.peak_kib < 200 * 1024);
    process_start(&process, "verify", ARGV(worker, "verify", LARGE_BATCH, "100M"));
    CHECK_INT(process_end(&process), 1);
    check_contains("verify.err", "--memory-limit of 100 MiB: engine onednn would need at least ");
    if (!is_sanitized())
        CHECK(process.peak_kib < 200 * 1024);
}
