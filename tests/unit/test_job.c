#include "worker/job.h"

#include "common/clock.h"
#include "tests/test.h"

#include <math.h>

static struct message hello(void)
{
    return (struct message){
        .kind = MESSAGE_hello,
        .from = 77,
        .hello = { .protocol = PROTOCOL_VERSION, .version = "0", .job = "j1", .epoch = 2, .owner = "me@here", .model_uri = { "/w", 2 },
                   .model_sha256 = "abc", .preset = "p", .precision = "", .resize = 256, .crop = 224, .std_r = 1, .std_g = 1, .std_b = 1, .top = 5,
                   .batch = 60, .expiry_ms = 3000 },
    };
}

static struct job *new_job(void)
{
    struct message message = hello();
    struct peer peer = { .id = "id", .size = 2 };
    struct job *job;
    struct why why;
    CHECK_INT(job_new(&peer, &message, &job, &why), 0);
    return job;
}

static void check_refused(const struct message *message, const char *part)
{
    struct peer peer = { .id = "id", .size = 2 };
    struct job *job;
    struct why why;
    CHECK_INT(job_new(&peer, message, &job, &why), -EINVAL);
    CHECK_CONTAINS(why.text, part);
}

TEST(a_hello_becomes_a_job)
{
    struct job *job = new_job();
    CHECK_STR(job->id, "j1");
    CHECK_STR(job->owner, "me@here");
    CHECK_STR(job->spec.weights, "/w");
    CHECK_STR(job->spec.sha256, "abc");
    CHECK(job->state == JOB_LOADING && job->epoch == 2 && job->coordinator == 77 && job->expiry_ns == 3 * NS_PER_S);
    CHECK(job->spec.preset.resize == 256 && job->spec.preset.crop == 224 && job->spec.top == 5 && job->spec.batch == 60 && job->spec.preset.std[2] == 1);
    job_free(job);
    job_free(NULL);
}

TEST(impossible_numbers_are_refused)
{
    struct message message;
#define REFUSED(part, ...)              \
    message = hello();                  \
    message.hello.__VA_ARGS__;          \
    check_refused(&message, part)
    REFUSED("crop 0", crop = 0);
    REFUSED("resize 4097", resize = 4097);
    REFUSED("crop 0", crop = 0x80000001);
    REFUSED("unknown interpolation", interpolation = 6);
    REFUSED("standard deviation 0", std_g = 0);
    REFUSED("standard deviation -1", std_b = -1);
    REFUSED("standard deviation nan", std_r = NAN);
    REFUSED("standard deviation 1e-30", std_r = 1e-30f);
    REFUSED("mean inf", mean_r = INFINITY);
    REFUSED("mean nan", mean_b = NAN);
    REFUSED("unknown kind of output, 3", emit = 3);
    REFUSED("top 0", top = 0);
    REFUSED("batch 4097", batch = 4097);
    REFUSED("batch 0", batch = 0);
    REFUSED("without an id", job = "");
    REFUSED("--precision f64", precision = "f64");
    REFUSED("--recheck 101", recheck = 101);
}

static struct work *hold(struct job *job, uint64_t batch, uint32_t count)
{
    struct rec_item items[count];
    struct work *work;
    for (uint32_t i = 0; i < count; i++)
        items[i] = (struct rec_item){ .uri = { "sim:1", 5 } };
    CHECK_INT(work_new(batch, 1, items, count, 1, 0, &work), 0);
    work->next = job->held;
    job->held = work;
    return work;
}

TEST(what_is_held_counts_against_the_window_until_it_is_dropped)
{
    struct job *job = new_job();
    job_restart_credit(job, 100);
    CHECK_INT(job->images, 100);
    struct work *first = hold(job, 1, 60), *second = hold(job, 2, 30), *third = hold(job, 3, 30);
    job->received = 3;
    job_restart_credit(job, 150);
    CHECK_INT(job->images, 30);
    CHECK_INT(job->received, 0);
    job_restart_credit(job, 100);
    CHECK_INT(job->images, 0);
    CHECK(job_find(job, 1) == first && job_find(job, 2) == second && job_find(job, 3) == third && !job_find(job, 4));
    second->done = true;
    job_drop(job, second); /* from the middle */
    CHECK_INT(job->images, 30);
    CHECK(!job_find(job, 2) && job_find(job, 1) && job_find(job, 3));
    third->done = first->done = true;
    job_drop(job, third);
    job_drop(job, first);
    CHECK_INT(job->images, 120);
    CHECK(!job->held);
    job_free(job);
}

static bool takes(struct job *job, uint64_t call, uint64_t number)
{
    return job_takes(job, &(struct msg_batch){ .call = call, .number = number, .items_count = 10 });
}

TEST(batches_are_taken_in_order_and_once_since_the_welcome)
{
    struct job *job = new_job();
    job->greeted = 4;
    job_restart_credit(job, 100);
    CHECK(takes(job, 4, 1) && takes(job, 4, 2));
    CHECK(!takes(job, 4, 2) && !takes(job, 4, 1)); /* copies */
    CHECK(!takes(job, 4, 4));                      /* behind a gap */
    CHECK(!takes(job, 3, 3) && !takes(job, 5, 3)); /* of another introduction */
    CHECK(job->received == 2 && job->received_images == 20);
    CHECK(takes(job, 4, 3) && takes(job, 4, 4));
    job->greeted = 5;
    job_restart_credit(job, 100);
    CHECK(!takes(job, 4, 1) && !takes(job, 5, 5) && takes(job, 5, 1));
    CHECK(job->received == 1 && job->received_images == 10);
    CHECK_INT(job_held(job), 0);
    struct work *work = hold(job, 1, 60);
    hold(job, 2, 60)->done = work->done = true;
    CHECK_INT(job_held(job), 2);
    job_drop(job, work);
    CHECK_INT(job_held(job), 1);
    job_free(job);
}

TEST(a_job_that_ends_frees_what_is_done_and_abandons_what_is_inside)
{
    struct job *job = new_job();
    struct work *inside = hold(job, 1, 1), *dropped = hold(job, 2, 1);
    hold(job, 3, 1)->done = true;
    job_drop(job, dropped);
    CHECK(dropped->abandoned);
    job_free(job);
    CHECK(inside->abandoned);
    work_free(inside);
    work_free(dropped);
}

TEST(rows_that_no_message_can_carry_are_refused_beforehand)
{
    struct job *job = new_job();
    struct engine_info info = { .top = 5, .values = 1000 };
    struct why why;
    CHECK_INT(job_check_rows(job, &info, &why), 0);
    job->spec.batch = LIMIT_BATCH;
    CHECK_INT(job_check_rows(job, &info, &why), 0);
    info.values = 21841;
    CHECK_INT(job_check_rows(job, &info, &why), -EMSGSIZE);
    CHECK_CONTAINS(why.text, "give the run --batch 767 or less");
    job->spec.batch = 767;
    CHECK_INT(job_check_rows(job, &info, &why), 0);
    job_free(job);
}

/* The bound is of the encoding, not a guess. */
TEST(the_largest_rows_that_are_allowed_do_fit)
{
    enum { TOP = 2000, VALUES = 3000 };
    struct job *job = new_job();
    struct engine_info info = { .top = TOP, .values = VALUES };
    struct why why;
    CLEANUP(freep) char *values = calloc(VALUES, 4);
    CLEANUP(freep) struct rec_prediction *predictions = calloc(TOP, sizeof(*predictions));
    CLEANUP(freep) struct rec_row *rows = calloc(LIMIT_BATCH, sizeof(*rows));
    for (int i = 0; i < TOP; i++)
        predictions[i] = (struct rec_prediction){ UINT32_MAX, 0.1f };
    job->spec.batch = LIMIT_BATCH;
    while (job_check_rows(job, &info, &why) < 0)
        job->spec.batch--;
    for (int i = 0; i < job->spec.batch; i++)
        rows[i] = (struct rec_row){ .predictions = predictions, .predictions_count = TOP, .values = { values, 4 * VALUES } };
    struct message message = { .kind = MESSAGE_result, .result = { UINT64_MAX, UINT64_MAX, UINT32_MAX, rows, (uint32_t)job->spec.batch, NULL, 0 } };
    struct bytes frame;
    bytes_init(&frame, LIMIT_FRAME);
    CHECK_INT(message_encode(&message, &frame), 0);
    CHECK(frame.size > LIMIT_FRAME / 10 * 9);
    bytes_done(&frame);
    job_free(job);
}

TEST(silence_expires_a_job)
{
    struct job *job = new_job();
    uint64_t heard = job->heard_ns;
    CHECK(!job_expired(job, heard - 1));
    CHECK(!job_expired(job, heard + 3 * NS_PER_S));
    CHECK(job_expired(job, heard + 3 * NS_PER_S + 1));
    struct message message = hello();
    struct peer peer = { .id = "id", .size = 2 };
    struct why why;
    job_free(job);
    message.hello.expiry_ms = 0;
    CHECK_INT(job_new(&peer, &message, &job, &why), 0);
    CHECK_INT(job->expiry_ns, 10 * NS_PER_S);
    job_free(job);
}
