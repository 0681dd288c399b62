#include "worker/sim.h"
#include "worker/stage.h"
#include "worker/task.h"

#include "common/clock.h"
#include "tests/test.h"

static struct work *new_work(uint32_t count, int top, size_t values)
{
    char uri[] = "/a\xff\nb", etag[] = "foreign";
    struct rec_item item = { .uri = { uri, 6 }, .base = 1, .size = 9, .etag = etag };
    struct rec_item items[count + 1];
    struct work *work;
    for (uint32_t i = 0; i <= count; i++)
        items[i] = item;
    CHECK_INT(work_new(7, 3, items, count, top, values, &work), 0);
    memset(uri, 'x', sizeof(uri));
    memset(etag, 'x', sizeof(etag));
    memset(items, 0xff, sizeof(items));
    return work;
}

TEST(work_keeps_its_own_copy_of_the_items)
{
    struct work *work = new_work(2, 5, 4);
    CHECK(work->batch == 7 && work->attempt == 3 && work->count == 2 && work->unfinished == 2);
    for (int i = 0; i < 2; i++) {
        const struct task *task = &work->tasks[i];
        CHECK(task->work == work && task->row == &work->rows[i]);
        CHECK_STR(task->item->uri.data, "/a\xff\nb");
        CHECK(task->item->uri.size == 6 && task->item->base == 1 && task->item->size == 9);
        CHECK_STR(task->item->etag, "foreign");
    }
    work->predictions[2 * 5 - 1].index = 1;
    work->numbers[2 * 4 - 1] = 1;
    work_free(work);
    work_free(NULL);
}

TEST(work_may_be_empty_and_too_much_is_refused)
{
    struct work *work = new_work(0, 1, 0);
    CHECK_INT(work->unfinished, 0);
    work_free(work);
    struct rec_item items[4096] = { { .uri = { "x", 1 } } };
    for (int i = 0; i < 4096; i++)
        items[i] = items[0];
    CHECK_INT(work_new(1, 1, items, 4096, 1, (size_t)1 << 40, &work), -ENOMEM);
}

TEST(a_failure_is_told_in_printable_letters_and_cut)
{
    struct work *work = new_work(2, 1, 0);
    char big[4000];
    memset(big, '\n', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    work->rows[0].predictions_count = 1;
    task_fail(&work->tasks[0], ROW_DECODE, "a\x1b[m\xc3\xa9 ~ \x7f");
    CHECK_STR(work->rows[0].detail, "a?[m?? ~ ?");
    CHECK_INT(work->rows[0].error, ROW_DECODE);
    CHECK_INT(work->rows[0].predictions_count, 0);
    task_fail(&work->tasks[1], ROW_FETCH, big);
    CHECK_INT(strlen(work->rows[1].detail), LIMIT_TEXT - 1);
    CHECK_INT(strspn(work->rows[1].detail, "?"), LIMIT_TEXT - 1);
    work_free(work);
}

TEST(a_stage_adds_up)
{
    struct stage stage;
    stage_init(&stage, "decode", 32);
    stage_count(&stage, clock_thread_cpu_ns(), 100, 1000, 0);
    stage_count(&stage, clock_thread_cpu_ns(), 20, 0, -EIO);
    struct rec_stage record = stage_record(&stage);
    CHECK_STR(record.name, "decode");
    CHECK(record.threads == 32 && record.items == 2 && record.errors == 1 && record.bytes == 1000 && record.wait_ns == 120);
    CHECK(record.busy_ns > 0 && record.busy_ns < NS_PER_S);
}

TEST(a_stage_knows_how_many_images_it_is_at_work_on)
{
    struct stage stage;
    stage_init(&stage, "engine", 1);
    CHECK_INT(stage_record(&stage).active, 0);
    for (int i = 0; i < 3; i++)
        stage_enter(&stage);
    stage_leave(&stage);
    stage_leave(&stage);
    CHECK_INT(stage_record(&stage).active, 1);
}

TEST(a_stage_says_what_it_repeated_and_what_it_waits_for)
{
    struct stage stage;
    stage_init(&stage, "fetch", 1);
    stage_enter(&stage);
    for (int i = 0; i < 4; i++)
        stage_count_retry(&stage);
    for (int i = 0; i < 5; i++)
        stage_count_copy(&stage);
    stage_count_down(&stage, 3);
    stage_count_down(&stage, -1);
    struct rec_stage record = stage_record(&stage);
    CHECK(record.retries == 4 && record.copies == 5 && record.down == 2 && record.active == 1);
}

static bool is_sim(const char *text)
{
    return sim_is(&(struct span){ text, (uint32_t)strlen(text) });
}

TEST(made_up_images_are_known_by_their_address)
{
    CHECK(is_sim("sim:0") && is_sim("sim:12345678901"));
    CHECK(!is_sim("sim:") && !is_sim("/sim:1") && !is_sim("") && !is_sim("SIM:1"));
}

TEST(a_made_up_image_depends_on_its_number_alone)
{
    uint8_t a[20], b[20], c[3];
    memset(a, 0xff, sizeof(a));
    sim_pixels(&(struct span){ "sim:7", 5 }, a, sizeof(a));
    sim_pixels(&(struct span){ "sim:7", 5 }, b, sizeof(b));
    CHECK(!memcmp(a, b, sizeof(a)));
    for (int i = 8; i < 20; i++)
        CHECK_INT(a[i], 0);
    sim_pixels(&(struct span){ "sim:8", 5 }, b, sizeof(b));
    CHECK(memcmp(a, b, 8));
    sim_pixels(&(struct span){ "sim:7", 5 }, c, sizeof(c));
    CHECK(!memcmp(a, c, sizeof(c)));
}
