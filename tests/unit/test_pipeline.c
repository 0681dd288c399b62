/* test_pipeline.c: the whole pipeline around the engine `sim`, whose rows are a function of the first bytes of the pixels: so a row that
 * went to the wrong image is noticed. */
#include "worker/engines.h"
#include "worker/image/preprocess.h"
#include "worker/job.h"
#include "worker/pipeline_parts.h"
#include "worker/sim.h"

#include "tests/cluster/lib/process.h"
#include "tests/jpegs.h"
#include "tests/pictures.h"
#include "tests/test.h"

#include <limits.h>
#include <poll.h>
#include <sys/resource.h>
#include <unistd.h>

#define RESIZE 32
#define CROP   24
#define TOP    3
#define PHOTOS 5

struct setting {
    struct mailbox box;
    struct pipeline *pipeline;
    char photos[PHOTOS][PATH_MAX];
    struct rec_prediction expected[PHOTOS][TOP];
};

static void open_sim(int batch, int threads, int cost_us, struct engines_opened *ret)
{
    struct engine_spec spec = { .height = CROP, .width = CROP, .std = { 1, 1, 1 }, .top = TOP, .batch = batch, .threads = threads,
                                .cost_us = cost_us };
    struct why why;
    CHECK_INT(engines_open("sim", &spec, ret, &why), 0);
}

static void start_spec(struct setting *setting, int batch, int engine_threads, int cost_us, const struct pipeline_spec *spec)
{
    struct engines_opened opened;
    struct why why;
    CHECK_INT(mailbox_init(&setting->box), 0);
    open_sim(batch, engine_threads, cost_us, &opened);
    CHECK_INT(pipeline_new(spec, opened.ops, opened.engine, &setting->box, &setting->pipeline, &why), 0);
}

static struct pipeline_spec spec_of(size_t fetch_bytes)
{
    return (struct pipeline_spec){ .fetch_threads = 4, .decode_threads = 32, .fetch_bytes = fetch_bytes, .window = 2000,
                                   .preprocess = { .resize = RESIZE, .crop = CROP } };
}

static void start(struct setting *setting, int batch, int engine_threads, int cost_us, size_t fetch_bytes)
{
    struct pipeline_spec spec = spec_of(fetch_bytes);
    start_spec(setting, batch, engine_threads, cost_us, &spec);
}

static void stop(struct setting *setting)
{
    pipeline_free(setting->pipeline);
    CHECK(!mailbox_take(&setting->box));
    mailbox_done(&setting->box);
}

/* What the engine says of an image, asked alone. */
static void ask_engine(const struct engines_opened *opened, const char *file, size_t size, const char *uri, struct rec_prediction *ret)
{
    struct engine_slot *slot;
    struct why why;
    CHECK_INT(opened->ops->slot_acquire(opened->engine, &slot), 0);
    if (file) {
        struct preprocess_spec spec = { .resize = RESIZE, .crop = CROP };
        CLEANUP(preprocess_freep) struct preprocess *preprocess = NULL;
        CHECK_INT(preprocess_new(&spec, &preprocess), 0);
        CHECK_INT(preprocess_decode(preprocess, file, size, &why), 0);
        preprocess_render(preprocess, slot->pixels);
    } else
        sim_pixels(&(struct span){ uri, (uint32_t)strlen(uri) }, slot->pixels, 8);
    CHECK_INT(opened->ops->submit(opened->engine, slot, 1, &why), 0);
    CHECK_INT(opened->ops->wait(opened->engine, &slot, &why), 0);
    for (int k = 0; k < TOP; k++)
        ret[k] = (struct rec_prediction){ slot->predictions[k].index, slot->predictions[k].probability };
    opened->ops->slot_release(opened->engine, slot);
}

static void draw_photos(struct setting *setting)
{
    struct engines_opened opened;
    char here[PATH_MAX];
    CHECK(getcwd(here, sizeof(here)));
    open_sim(1, 1, 0, &opened);
    for (int i = 0; i < PHOTOS; i++) {
        struct jpeg_recipe recipe = { .name = "photo", .width = 40 + 9 * i, .height = 50, .progressive = i % 2 };
        size_t size;
        CLEANUP(freep) uint8_t *file = jpeg_draw(&recipe, &size);
        snprintf(setting->photos[i], PATH_MAX, "%.200s/%d.jpg", here, i);
        test_write_file(setting->photos[i], file, size);
        ask_engine(&opened, (const char *)file, size, NULL, setting->expected[i]);
    }
    opened.ops->close(opened.engine);
}

static struct work *make_work(struct setting *setting, uint64_t batch, char (*uris)[PATH_MAX], uint32_t count)
{
    CLEANUP(freep) struct rec_item *items = calloc(count, sizeof(*items));
    const struct engine_info *info = pipeline_engine(setting->pipeline);
    struct work *work;
    for (uint32_t i = 0; i < count; i++)
        items[i].uri = (struct span){ uris[i], (uint32_t)strlen(uris[i]) };
    CHECK_INT(work_new(batch, 1, items, count, info->top, info->values, &work), 0);
    return work;
}

static struct work *sim_work(struct setting *setting, uint64_t batch, uint32_t count)
{
    CLEANUP(freep) char (*uris)[PATH_MAX] = calloc(count, PATH_MAX);
    for (uint32_t i = 0; i < count; i++)
        snprintf(uris[i], PATH_MAX, "sim:%u", (unsigned)batch * 1000 + i);
    return make_work(setting, batch, uris, count);
}

/* Waits for `count` works; returns them as a list. */
static struct mail *wait_for(struct setting *setting, int count)
{
    struct mail *all = NULL;
    while (count > 0) {
        struct pollfd wait = { .fd = setting->box.fd, .events = POLLIN };
        CHECK_INT(poll(&wait, 1, -1), 1);
        for (struct mail *mail = mailbox_take(&setting->box), *next; mail; mail = next, count--) {
            next = mail->next;
            CHECK_INT(mail->kind, MAIL_WORK);
            mail->next = all;
            all = mail;
        }
    }
    return all;
}

static void check_predictions(const struct rec_row *row, const struct rec_prediction *expected)
{
    CHECK_INT(row->error, ROW_OK);
    CHECK_INT(row->predictions_count, TOP);
    for (int k = 0; k < TOP; k++)
        CHECK(row->predictions[k].index == expected[k].index && row->predictions[k].probability == expected[k].probability);
}

static void check_sim_row(const struct engines_opened *opened, const struct task *task)
{
    struct rec_prediction expected[TOP];
    ask_engine(opened, NULL, 0, task->item->uri.data, expected);
    check_predictions(task->row, expected);
}

static void free_works(struct mail *all)
{
    for (struct mail *next; all; all = next) {
        next = all->next;
        work_free((struct work *)all);
    }
}

/* Photo, made-up image, missing file, no photo: in turn. */
static void mixed_uris(struct setting *setting, int batch, char (*uris)[PATH_MAX], uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (i % 4 == 0)
            snprintf(uris[i], PATH_MAX, "%s", setting->photos[(i / 4) % PHOTOS]);
        else if (i % 4 == 1)
            snprintf(uris[i], PATH_MAX, "sim:%u", (unsigned)batch * 1000 + i);
        else
            snprintf(uris[i], PATH_MAX, "%s", i % 4 == 2 ? "/nowhere/at/all.jpg" : "/proc/self/exe");
    }
}

static void check_mixed(struct setting *setting, const struct work *work)
{
    struct engines_opened opened;
    open_sim(1, 1, 0, &opened);
    for (uint32_t i = 0; i < work->count; i++) {
        const struct rec_row *row = &work->rows[i];
        if (i % 4 == 0)
            check_predictions(row, setting->expected[(i / 4) % PHOTOS]);
        else if (i % 4 == 1)
            check_sim_row(&opened, &work->tasks[i]);
        else {
            CHECK_INT(row->error, i % 4 == 2 ? ROW_NOT_FOUND : ROW_UNSUPPORTED);
            CHECK(row->detail && *row->detail && !row->predictions_count);
        }
        CHECK(!work->tasks[i].data);
    }
    CHECK(!work->spoiled);
    opened.ops->close(opened.engine);
}

/* A budget of one byte: every file is larger, and goes through alone. */
TEST(every_image_of_mixed_works_gets_its_own_row)
{
    enum { WORKS = 6, IMAGES = 40 };
    static struct setting setting;
    static char uris[IMAGES][PATH_MAX];
    draw_photos(&setting);
    start(&setting, 4, 2, 0, 1);
    for (int batch = 0; batch < WORKS; batch++) {
        mixed_uris(&setting, batch, uris, IMAGES);
        pipeline_submit(setting.pipeline, make_work(&setting, (uint64_t)batch, uris, IMAGES));
    }
    struct mail *all = wait_for(&setting, WORKS);
    uint64_t seen = 0;
    for (struct mail *mail = all; mail; mail = mail->next) {
        check_mixed(&setting, (struct work *)mail);
        seen |= 1ull << ((struct work *)mail)->batch;
    }
    CHECK_INT(seen, (1 << WORKS) - 1);
    struct rec_stage stages[STAGE_COUNT];
    pipeline_stages(setting.pipeline, stages);
    CHECK_INT(stages[STAGE_ENGINE].items, WORKS * 20);
    free_works(all);
    stop(&setting);
}

TEST(a_slot_that_nothing_can_fill_is_flushed)
{
    static struct setting setting;
    start(&setting, 64, 1, 100, 1 << 20);
    for (uint32_t count = 1; count < 70; count += 17) {
        pipeline_submit(setting.pipeline, sim_work(&setting, count, count));
        free_works(wait_for(&setting, 1));
    }
    stop(&setting);
}

/* Its last image was counted by whoever had it before that was handed on. */
TEST(what_has_come_back_was_counted_by_every_stage)
{
    static struct setting setting;
    draw_photos(&setting);
    start(&setting, 1, 1, 0, 1 << 20);
    for (uint64_t count = 1; count < 2000; count++) {
        struct rec_stage stages[STAGE_COUNT];
        pipeline_submit(setting.pipeline, make_work(&setting, count, setting.photos, 1));
        struct mail *all = wait_for(&setting, 1);
        pipeline_stages(setting.pipeline, stages);
        for (int i = 0; i < STAGE_COUNT; i++)
            CHECK_INT(stages[i].items, count);
        free_works(all);
    }
    stop(&setting);
}

TEST(a_work_without_images_comes_back)
{
    static struct setting setting;
    start(&setting, 4, 1, 0, 1 << 20);
    pipeline_submit(setting.pipeline, sim_work(&setting, 1, 0));
    free_works(wait_for(&setting, 1));
    stop(&setting);
}

/* 200 s of work, were it not abandoned. */
TEST(abandoned_work_ends_quickly)
{
    static struct setting setting;
    start(&setting, 4, 1, 100000, 1 << 20);
    struct work *work = sim_work(&setting, 1, 2000);
    pipeline_submit(setting.pipeline, work);
    atomic_store(&work->abandoned, true);
    free_works(wait_for(&setting, 1));
    stop(&setting);
}

TEST(freeing_the_pipeline_lets_everything_flow_out)
{
    enum { WORKS = 8 };
    static struct setting setting;
    static char uris[20][PATH_MAX];
    int got = 0;
    draw_photos(&setting);
    start(&setting, 16, 2, 1000, 1 << 20);
    mixed_uris(&setting, 0, uris, 20);
    for (uint64_t batch = 0; batch < WORKS; batch++)
        pipeline_submit(setting.pipeline, make_work(&setting, batch, uris, 20));
    pipeline_free(setting.pipeline);
    for (struct mail *mail = mailbox_take(&setting.box), *next; mail; mail = next, got++) {
        next = mail->next;
        check_mixed(&setting, (struct work *)mail);
        work_free((struct work *)mail);
    }
    CHECK_INT(got, WORKS);
    mailbox_done(&setting.box);
}

/* A file of sysfs claims a page and has a line: it fails after memory was reserved for it. */
TEST(a_file_that_fails_while_it_is_read_holds_no_budget)
{
    static struct setting setting;
    static char uris[50][PATH_MAX];
    if (access("/sys/devices/system/cpu/online", R_OK) < 0)
        test_skip("no sysfs here");
    start(&setting, 4, 1, 0, 8192);
    for (int i = 0; i < 50; i++)
        strcpy(uris[i], "/sys/devices/system/cpu/online");
    pipeline_submit(setting.pipeline, make_work(&setting, 1, uris, 50));
    struct mail *all = wait_for(&setting, 1);
    for (int i = 0; i < 50; i++)
        CHECK_CONTAINS(((struct work *)all)->rows[i].detail, "became shorter");
    free_works(all);
    stop(&setting);
}

static void check_limited(struct setting *setting, const struct pipeline_spec *spec, enum row_error error, const char *detail)
{
    start_spec(setting, 4, 1, 0, spec);
    pipeline_submit(setting->pipeline, make_work(setting, 1, setting->photos, 1));
    struct mail *all = wait_for(setting, 1);
    const struct rec_row *row = &((struct work *)all)->rows[0];
    CHECK_INT(row->error, error);
    if (error)
        CHECK_CONTAINS(row->detail, detail);
    free_works(all);
    stop(setting);
}

TEST(a_file_may_be_as_large_as_its_limit_and_no_larger)
{
    static struct setting setting;
    struct pipeline_spec spec = spec_of(1 << 20);
    size_t size;
    draw_photos(&setting);
    free(test_read_file(setting.photos[0], &size));
    spec.file_bytes = size;
    check_limited(&setting, &spec, ROW_OK, NULL);
    spec.file_bytes = size - 1;
    check_limited(&setting, &spec, ROW_TOO_LARGE, "more than --memory-limit allows");
}

TEST(a_picture_that_takes_more_memory_than_there_is_for_pictures_is_too_large)
{
    static struct setting setting;
    struct pipeline_spec spec = spec_of(1 << 20);
    draw_photos(&setting);
    spec.decode_bytes = 100;
    check_limited(&setting, &spec, ROW_TOO_LARGE, "--memory-limit leaves 0 for pictures");
    spec.decode_bytes = 1 << 20;
    check_limited(&setting, &spec, ROW_OK, NULL);
}

/* One photo and an address of nothing, and what only stores bring. */
static void serve(struct setting *setting)
{
    const struct stage *decode = &setting->pipeline->stages[STAGE_DECODE];
    uint64_t before = stage_record(decode).items;
    static char uris[2][PATH_MAX] = { "", "/nothing" };
    strcpy(uris[0], setting->photos[0]);
    pipeline_submit(setting->pipeline, make_work(setting, 1, uris, 2));
    free_works(wait_for(setting, 1));
    WAIT_FOR(stage_record(decode).items == before + 1); /* it counts what it has passed on */
    stage_count_retry(&setting->pipeline->stages[STAGE_FETCH]);
    stage_count_copy(&setting->pipeline->stages[STAGE_FETCH]);
}

TEST(a_job_counts_what_was_done_since_it_was_ready)
{
    static struct setting setting;
    static struct job job;
    struct rec_stage since[STAGE_COUNT], all[STAGE_COUNT];
    size_t size;
    draw_photos(&setting);
    free(test_read_file(setting.photos[0], &size));
    start(&setting, 4, 1, 0, 1 << 20);
    serve(&setting);
    serve(&setting);
    pipeline_stages(setting.pipeline, job.base);
    serve(&setting);
    job_stages(&job, setting.pipeline, since);
    pipeline_stages(setting.pipeline, all);
    CHECK(job.base[STAGE_FETCH].busy_ns > 0 && job.base[STAGE_FETCH].wait_ns > 0);
    CHECK(since[STAGE_FETCH].items == 2 && since[STAGE_DECODE].items == 1 && since[STAGE_ENGINE].items == 1);
    CHECK(since[STAGE_FETCH].errors == 1 && since[STAGE_DECODE].errors == 0);
    CHECK_INT(since[STAGE_FETCH].bytes, size);
    CHECK(since[STAGE_FETCH].retries == 1 && since[STAGE_FETCH].copies == 1);
    for (int i = 0; i < STAGE_COUNT; i++) {
        CHECK(since[i].busy_ns <= all[i].busy_ns - job.base[i].busy_ns);
        CHECK(since[i].wait_ns <= all[i].wait_ns - job.base[i].wait_ns);
    }
    stop(&setting);
}

/* So much more than there is now, of this process. */
static void limit_memory(size_t more)
{
    CLEANUP(freep) char *pages = test_read_file("/proc/self/statm", NULL);
    size_t bytes = strtoul(pages, NULL, 10) * (size_t)sysconf(_SC_PAGESIZE) + more;
    CHECK_INT(setrlimit(RLIMIT_AS, &(struct rlimit){ bytes, bytes }), 0);
}

/* An interlaced picture is held whole: 432 MB. */
TEST(an_image_that_memory_is_refused_for_is_not_called_damaged)
{
    static struct setting setting;
    const struct png_recipe recipe = { .name = "large", .width = 60, .height = 50, .bits = 8, .type = 2, .interlaced = true };
    size_t size;
    CLEANUP(freep) uint8_t *file = png_draw(&recipe, &size);
    uint8_t *header = png_find(file, size, "IHDR");
    if (SANITIZED)
        test_skip("sanitizers need all the address space");
    draw_photos(&setting);
    memcpy(header + 8, "\0\0\x2e\xe0\0\0\x2e\xe0", 8);
    png_seal(header);
    test_write_file(setting.photos[0], file, size);
    start(&setting, 4, 1, 0, 1 << 20);
    limit_memory(200 << 20);
    pipeline_submit(setting.pipeline, make_work(&setting, 1, setting.photos, 2));
    struct mail *all = wait_for(&setting, 1);
    const struct rec_row *rows = ((struct work *)all)->rows;
    CHECK_INT(rows[0].error, ROW_FETCH);
    CHECK_STR(rows[0].detail, "the worker is out of memory");
    CHECK_INT(rows[1].error, ROW_OK);
    free_works(all);
    stop(&setting);
}
