/* test_torture_worker.c: what a worker is made of, with every single allocation refused. Budget and stage take none. */
#include "tests/jpegs.h"
#include "tests/test.h"
#include "tests/torture.h"
#include "worker/batcher.h"
#include "worker/engines.h"
#include "worker/image/preprocess.h"
#include "worker/job.h"
#include "worker/runtime.h"
#include "worker/weights/safetensors_write.h"
#include "worker/weights/weights.h"

#include <limits.h>
#include <poll.h>

#define IMAGES 6

static struct rec_item items[IMAGES];
static char photo[PATH_MAX];
static char *photo_bytes;
static size_t photo_size;

static int out_of_memory(struct why *why, int r)
{
    return r < 0 ? because(why, r, "%s", strerror(-r)) : 0;
}

/* Photos and made-up images by turns, and one that is not there. */
static void draw_photo(void)
{
    const struct jpeg_recipe recipe = { .name = "photo", .width = 60, .height = 50 };
    char here[PATH_MAX - 16];
    photo_bytes = (char *)jpeg_draw(&recipe, &photo_size);
    CHECK(getcwd(here, sizeof(here)));
    snprintf(photo, sizeof(photo), "%s/photo.jpg", here);
    test_write_file(photo, photo_bytes, photo_size);
    for (int i = 0; i < IMAGES; i++)
        items[i].uri = i % 2 ? (struct span){ photo, (uint32_t)strlen(photo) } : (struct span){ "sim:1", 5 };
    items[IMAGES - 1].uri = (struct span){ "/nowhere", 8 };
}

/* ---- the parts ---- */

static int use_work(struct why *why)
{
    CLEANUP(work_freep) struct work *work = NULL;
    int r = work_new(1, 1, items, IMAGES, 5, 1000, &work);
    if (r == 0)
        task_fail(&work->tasks[0], ROW_DECODE, "a sentence");
    return out_of_memory(why, r);
}

static int use_job(struct why *why)
{
    struct message hello = { .kind = MESSAGE_hello, .from = 7, .hello = { .job = "j", .owner = "me", .version = "", .precision = "", .model_uri = { "", 0 },
        .model_sha256 = "", .preset = "", .resize = 32, .crop = 24, .std_r = 1, .std_g = 1, .std_b = 1, .top = 5, .batch = 10 } };
    const struct peer peer = { .id = "id", .size = 2 };
    struct work *work;
    CLEANUP(job_freep) struct job *job = NULL;
    int r = job_new(&peer, &hello, &job, why);
    if (r < 0)
        return r;
    r = work_new(3, 1, items, IMAGES, 5, 0, &work);
    if (r < 0)
        return out_of_memory(why, r);
    work->done = true;
    job->held = work;
    job_restart_credit(job, 100);
    CHECK_INT(job->images, 100 - IMAGES);
    job_drop(job, job_find(job, 3));
    return 0;
}

static const struct engine_spec engine_spec = { .height = 24, .width = 24, .std = { 1, 1, 1 }, .top = 3, .batch = 4, .threads = 2 };

static int use_batcher(struct why *why)
{
    struct engines_opened opened;
    struct batcher *batcher;
    int r = engines_open("sim", &engine_spec, &opened, why);
    if (r < 0)
        return r;
    r = batcher_new(opened.ops, opened.engine, NULL, &batcher);
    if (r == 0)
        batcher_free(batcher);
    opened.ops->close(opened.engine);
    return out_of_memory(why, r);
}

static int use_preprocess(struct why *why)
{
    const struct preprocess_spec spec = { .resize = 32, .crop = 24 };
    CLEANUP(preprocess_freep) struct preprocess *preprocess = NULL;
    uint8_t pixels[24 * 24 * 3];
    int r = preprocess_new(&spec, &preprocess);
    if (r < 0)
        return out_of_memory(why, r);
    r = preprocess_decode(preprocess, photo_bytes, photo_size, why);
    if (r == 0)
        preprocess_render(preprocess, pixels);
    return r;
}

static const float numbers[6];
static const struct tensor tensors[] = { { .name = "conv1.weight", .dims = 2, .shape = { 2, 3 }, .count = 6, .data = numbers },
                                         { .name = "fc.bias", .dims = 1, .shape = { 6 }, .count = 6, .data = numbers } };

static int use_weights(struct why *why)
{
    CLEANUP(weights_closep) struct weights *weights = NULL;
    int r = weights_open("weights", &weights, why);
    if (r == 0)
        CHECK(weights_find(weights, "conv1.weight"));
    return r;
}

/* Finds what it left the last time. */
static int use_crumbs(struct why *why)
{
    CLEANUP(crumbs_closep) struct crumbs *crumbs = NULL;
    CLEANUP(suspects_done) struct suspects suspects = { NULL, 0 };
    struct task task = { .work = &(struct work){ .tasks = &task } };
    int r = crumbs_open("crumbs", &crumbs, &suspects, why);
    if (r == 0)
        crumb_leave(crumbs_decoder(crumbs, 3), &task, CRUMB_DECODE, 0);
    return r;
}

TEST(parts_of_a_worker_survive_refused_memory)
{
    struct why why;
    draw_photo();
    torture_lenient(use_work); /* an error may come without its detail */
    torture(use_job);
    torture(use_batcher);
    torture(use_crumbs);
    torture(use_preprocess);
    CHECK_INT(safetensors_write("weights", tensors, ARRAY_SIZE(tensors), &why), 0);
    torture(use_weights);
    free(photo_bytes);
}

/* ---- the whole pipeline ---- */

/* Frees what is in the box. Returns how many works there were; `r` becomes the error of an engine that broke. */
static int empty(struct mailbox *box, int *r, struct why *why)
{
    int works = 0;
    for (struct mail *mail = mailbox_take(box), *next; mail; mail = next) {
        next = mail->next;
        if (mail->kind == MAIL_WORK) {
            work_free((struct work *)mail);
            works++;
        } else {
            CHECK_INT(mail->kind, MAIL_BROKEN);
            *r = because(why, -ENOMEM, "%s", ((struct pipeline_notice *)mail)->why.text);
            free(mail);
        }
    }
    return works;
}

static int classify(struct runtime *runtime, struct mailbox *box, struct why *why)
{
    const struct engine_info *info = pipeline_engine(runtime->pipeline);
    int submitted = 0, r = 0;
    for (; submitted < 2 && r == 0; submitted += r == 0) {
        struct work *work;
        r = work_new((uint64_t)submitted, 1, items, IMAGES, info->top, info->values, &work);
        if (r == 0)
            pipeline_submit(runtime->pipeline, work);
    }
    if (r < 0)
        return out_of_memory(why, r);
    while (submitted > 0 && r == 0) { /* a broken pipeline hands back the rest when it is freed */
        struct pollfd wait = { .fd = box->fd, .events = POLLIN };
        CHECK_INT(poll(&wait, 1, -1), 1);
        submitted -= empty(box, &r, why);
    }
    return r;
}

static int use_runtime(struct why *why)
{
    struct tuning tuning = TUNING_DEFAULTS;
    const struct runtime_spec spec = { .preset = { .resize = 32, .crop = 24, .std = { 1, 1, 1 } }, .top = 3, .batch = IMAGES };
    struct mailbox box;
    struct runtime *runtime;
    tuning.engine = "sim";
    tuning.engine_batch = 4;
    tuning.engine_threads = 2;
    tuning.threads = tuning.fetch_threads = 2;
    int r = mailbox_init(&box);
    if (r < 0)
        return out_of_memory(why, r);
    r = runtime_open(&tuning, &spec, &box, NULL, NULL, &runtime, why);
    if (r == 0) {
        r = classify(runtime, &box, why);
        runtime_free(runtime);
    }
    empty(&box, &r, why);
    mailbox_done(&box);
    return r;
}

TEST(a_pipeline_survives_refused_memory)
{
    draw_photo();
    torture_lenient(use_runtime); /* an image that got no memory has a row that says so */
    free(photo_bytes);
}
