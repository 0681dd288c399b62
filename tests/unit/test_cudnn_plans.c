/* Which plans the cuDNN engine takes, and how it keeps them. */
#include "common/cleanup.h"
#include "tests/gpu_engine.h"
#include "tests/test.h"
#include "worker/engines/cudnn.h"
#include "worker/engines/cudnn_plans.h"

/* Opens, runs an image, closes; the fingerprint and the logits. */
static void run_once(const struct engine_spec *spec, char fingerprint[256], char note[320], float logits[SEEDED_CLASSES])
{
    CLEANUP(freep) uint8_t *pixels = engine_pixels(spec, 1);
    struct engines_opened it = engine_open_fake(spec);
    CLEANUP(freep) float *values = engine_run(it, pixels, 1, NULL);
    memcpy(logits, values, SEEDED_CLASSES * sizeof(*logits));
    memcpy(fingerprint, engine_info_of(it)->fingerprint, 256);
    memcpy(note, engine_info_of(it)->note, 320);
    engine_close(it);
}

TEST(the_fastest_plans_are_found_once_and_kept)
{
    struct fake_settings settings = fake_one_device();
    CLEANUP(weights_closep) struct weights *weights = NULL;
    struct engine_spec spec = engine_spec_of(&tiny_network, &weights);
    char first[256], second[256], untuned[256], note[320];
    float logits[3][SEEDED_CLASSES];
    fake_gpu_reset(&settings);
    run_once(&spec, untuned, note, logits[0]);
    CHECK_INT(fake_gpu_searches(), 5); /* of six convolutions a2 and b2 are alike */
    spec.no_tuning = false;
    spec.plans = "plans";
    fake_gpu_reset(&settings);
    run_once(&spec, first, note, logits[1]);
    CHECK(fake_gpu_searches() > 0);
    CHECK_STR(note, "");
    char *book = NULL;
    CHECK_INT(test_shell(&book, "cat plans/*; stat -c %%a plans plans/*"), 0);
    CHECK_CONTAINS(book, "sleddog plans 1\nFake GPU, compute capability 9.0, 7 processors, fake 1\n");
    CHECK_CONTAINS(book, "f32 2 13x11 64->8 4x1/1+0 relu = 1 7=0\n");
    CHECK_CONTAINS(book, "700\n600\n");
    free(book);
    fake_gpu_reset(&settings);
    run_once(&spec, second, note, logits[2]);
    CHECK_INT(fake_gpu_searches(), 0);
    CHECK_STR(first, second);
    CHECK(strcmp(first, untuned));
    CHECK(!memcmp(logits[0], logits[1], sizeof(logits[0])) && !memcmp(logits[1], logits[2], sizeof(logits[0])));
    fake_gpu_reset(&settings);
}

TEST(devices_of_one_kind_share_the_plans_of_the_first)
{
    struct fake_settings settings = { .devices = 3 };
    CLEANUP(weights_closep) struct weights *weights = NULL;
    struct engine_spec spec = engine_spec_of(&tiny_network, &weights);
    spec.no_tuning = false;
    spec.device = "all";
    fake_gpu_reset(&settings);
    engine_close(engine_open_fake(&spec));
    CHECK_INT(fake_gpu_searches(), 5);
    fake_gpu_reset(&settings);
}

static void spoil(const char *how)
{
    if (test_shell(NULL, "cd plans && %s", how))
        test_fail(__FILE__, __LINE__, "cannot do: %s", how);
}

TEST(plans_that_are_not_to_be_trusted_are_tuned_again)
{
    static const struct {
        const char *how, *note; /* note: NULL when nobody need hear of it */
    } cases[] = {
        { "sed -i 's/ = 1 7=0/ = 99 7=0/' *.plans", NULL },            /* no plan of this library */
        { "sed -i 's/ = 1 7=0/ = 1 7=0; rm -rf/' *.plans", NULL },
        { "truncate -s -5 *.plans", "damaged" },
        { "sed -i 's/Fake GPU/Real GPU/' *.plans", "damaged, or not for this GPU" },
        { "f=$(ls); printf 'sleddog plans 1' >$f", "damaged" },
        { "chmod 644 *.plans", "others may use it (mode 644)" },
        { "chmod 755 .", "others may use it (mode 755)" },
        { "f=$(ls); mv $f ../moved.plans; ln -s ../moved.plans $f", "" },
        { "f=$(ls); rm $f; mkfifo -m 600 $f", "not a file of plans" },
        { "f=$(ls); head -c 2000 /dev/zero >$f", "damaged" },
        { "f=$(ls); head -c 5000000 /dev/zero >$f", "not a file of plans" },
    };
    struct fake_settings settings = fake_one_device();
    CLEANUP(weights_closep) struct weights *weights = NULL;
    struct engine_spec spec = engine_spec_of(&tiny_network, &weights);
    spec.no_tuning = false;
    spec.plans = "plans";
    char first[256], again[256], note[320];
    float logits[SEEDED_CLASSES];
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        test_shell(NULL, "rm -rf plans");
        fake_gpu_reset(&settings);
        run_once(&spec, first, note, logits);
        spoil(cases[i].how);
        fake_gpu_reset(&settings);
        run_once(&spec, again, note, logits);
        if (!fake_gpu_searches() || strcmp(first, again))
            test_fail(__FILE__, __LINE__, "not tuned again after: %s", cases[i].how);
        if (cases[i].note)
            CHECK_CONTAINS(note, cases[i].note);
        else
            CHECK_STR(note, "");
    }
    fake_gpu_reset(&settings);
}

/* How often fake plans of this number are in the book. */
static int count_in_book(const char *plan)
{
    CLEANUP(freep) char *count = NULL;
    CHECK(test_shell(&count, "grep -c ' = %s 7=0$' plans/*.plans", plan) < 2);
    return atoi(count);
}

/* Tunes, then once more where the plans that were kept, number 1, are as `later` says. */
static void tune_again(struct fake_settings later)
{
    struct fake_settings settings = fake_one_device();
    CLEANUP(weights_closep) struct weights *weights = NULL;
    struct engine_spec spec = engine_spec_of(&tiny_network, &weights);
    char fingerprint[256], note[320];
    float logits[2][SEEDED_CLASSES];
    spec.no_tuning = false;
    spec.plans = "plans";
    fake_gpu_reset(&settings);
    run_once(&spec, fingerprint, note, logits[0]);
    CHECK_INT(count_in_book("1"), 5);
    fake_gpu_reset(&later);
    run_once(&spec, fingerprint, note, logits[1]);
    CHECK_INT(fake_gpu_searches(), 5);
    CHECK_INT(count_in_book("1"), 0);
    CHECK_INT(count_in_book("2"), 5);
    CHECK(!memcmp(logits[0], logits[1], sizeof(logits[0])));
    fake_gpu_reset(&later);
}

TEST(a_kept_plan_that_does_not_run_any_more_is_looked_for_again)
{
    struct fake_settings later = fake_one_device();
    later.unusable = 1 << 1;
    tune_again(later);
}

/* It is not run, either: it would write into what lies behind. */
TEST(a_kept_plan_that_wants_more_workspace_than_there_is_is_looked_for_again)
{
    struct fake_settings later = fake_one_device();
    later.greedy = 1 << 1;
    tune_again(later);
}

TEST(without_tuning_the_first_plan_that_runs_is_taken)
{
    struct fake_settings settings = fake_one_device();
    CLEANUP(weights_closep) struct weights *weights = NULL;
    struct engine_spec spec = engine_spec_of(&tiny_network, &weights);
    char favourite[256], second[256], again[256], note[320];
    float logits[SEEDED_CLASSES];
    fake_gpu_reset(&settings);
    run_once(&spec, favourite, note, logits);
    CHECK_INT(fake_gpu_searches(), 5);
    settings.unusable = 1 << 0;
    fake_gpu_reset(&settings);
    run_once(&spec, second, note, logits);
    CHECK_INT(fake_gpu_searches(), 10);
    fake_gpu_reset(&settings);
    run_once(&spec, again, note, logits);
    CHECK(strcmp(favourite, second));
    CHECK_STR(second, again);
    settings.unusable = 15;
    fake_gpu_reset(&settings);
    struct engine *engine;
    struct why why;
    CHECK_INT(cudnn_engine(&fake_gpu)->open(&spec, &engine, &why), -ENOTSUP);
    CHECK_CONTAINS(why.text, "conv1 (f32 2 13x11 64->8 4x1/1+0 relu): none of 5 plans runs; the last: plan_run: not number 4");
    fake_gpu_reset(&settings);
}

/* With a device that hangs, which only a new process can mend. */
static void open_and_hang(const struct engine_spec *spec, const struct fake_settings *settings)
{
    const struct engine_ops *ops = cudnn_engine(&fake_gpu);
    struct engine *engine = NULL;
    struct why why = { "" };
    fake_gpu_reset(settings);
    CHECK_INT(ops->open(spec, &engine, &why), -ENOTRECOVERABLE);
    CHECK_CONTAINS(why.text, "the GPU hangs");
    fake_gpu_abandon();
}

TEST(where_no_other_plan_runs_the_last_resort_is_taken_with_tuning_and_without)
{
    struct fake_settings settings = fake_one_device();
    CLEANUP(weights_closep) struct weights *weights = NULL;
    struct engine_spec spec = engine_spec_of(&tiny_network, &weights);
    char tuned[256], untuned[256], note[320];
    float logits[SEEDED_CLASSES];
    settings.unusable = 15;
    settings.last_resort = true;
    fake_gpu_reset(&settings);
    run_once(&spec, untuned, note, logits);
    spec.plans = "plans";
    spec.no_tuning = false;
    run_once(&spec, tuned, note, logits);
    CHECK_STR(tuned, untuned);
    CHECK_INT(test_shell(NULL, "grep ' = 5 7=0$' plans/*.plans && ! grep ' = [0-4] 7=0$' plans/*.plans"), 0);
    fake_gpu_reset(&settings);
}

TEST(a_plan_with_which_the_gpu_hangs_twice_is_passed_over)
{
    struct fake_settings settings = { .devices = 1, .deadly = 1 << 3, .patience_ns = 2000000 };
    CLEANUP(weights_closep) struct weights *weights = NULL;
    struct engine_spec spec = engine_spec_of(&tiny_network, &weights);
    char fingerprint[256], again[256], note[320];
    float logits[SEEDED_CLASSES];
    spec.no_tuning = false;
    spec.plans = "plans";
    open_and_hang(&spec, &settings); /* while it is tuned */
    CHECK_INT(test_shell(NULL, "grep -x 'lost with 3 7=0 = 1' plans/*.plans"), 0);
    open_and_hang(&spec, &settings);
    CHECK_INT(test_shell(NULL, "grep -x 'lost with 3 7=0 = 2' plans/*.plans"), 0);
    fake_gpu_reset(&settings);
    run_once(&spec, fingerprint, note, logits);
    CHECK_INT(count_in_book("1"), 5);
    CHECK_STR(note, "");
    settings.deadly = 1 << 1; /* one that was kept */
    open_and_hang(&spec, &settings);
    settings.deadly = 0; /* it was something else */
    fake_gpu_reset(&settings);
    run_once(&spec, again, note, logits);
    CHECK_INT(fake_gpu_searches(), 0);
    CHECK_STR(fingerprint, again);
    settings.deadly = 1 << 1;
    open_and_hang(&spec, &settings);
    fake_gpu_reset(&settings);
    run_once(&spec, again, note, logits);
    CHECK(strcmp(fingerprint, again));
    CHECK_INT(count_in_book("2"), 5);
    fake_gpu_reset(&settings);
}

TEST(a_gpu_that_hangs_with_every_plan_is_a_clear_error_in_the_end)
{
    struct fake_settings settings = { .devices = 1, .deadly = 15, .patience_ns = 2000000 };
    CLEANUP(weights_closep) struct weights *weights = NULL;
    struct engine_spec spec = engine_spec_of(&tiny_network, &weights);
    struct engine *engine = NULL;
    struct why why = { "" };
    spec.no_tuning = false;
    spec.plans = "plans";
    for (int n = 0; n < 2 * (FAKE_PLANS - 1); n++)
        open_and_hang(&spec, &settings);
    fake_gpu_reset(&settings);
    CHECK_INT(cudnn_engine(&fake_gpu)->open(&spec, &engine, &why), -ENOTSUP);
    CHECK_CONTAINS(why.text, "conv1 (f32 2 13x11 64->8 4x1/1+0 relu): none of 1 plans runs");
    fake_gpu_reset(&settings);
}

/* A book with as many lines as there may be, none of them of use. */
static void fill_book(void)
{
    CHECK_INT(test_shell(NULL, "cd plans && f=$(ls) && { head -n 2 $f; seq -f 'f32 %%g 1x1 1->1 1x1/1+0 = 1 7=0' 4096; echo end 4096; } >new && cat new >$f && rm new"),
              0);
}

TEST(a_full_book_forgets_its_oldest_lines)
{
    struct fake_settings settings = fake_one_device();
    CLEANUP(weights_closep) struct weights *weights = NULL;
    struct engine_spec spec = engine_spec_of(&tiny_network, &weights);
    char fingerprint[256], note[320];
    float logits[SEEDED_CLASSES];
    spec.no_tuning = false;
    spec.plans = "plans";
    fake_gpu_reset(&settings);
    run_once(&spec, fingerprint, note, logits);
    fill_book();
    fake_gpu_reset(&settings);
    run_once(&spec, fingerprint, note, logits);
    CHECK_INT(fake_gpu_searches(), 5);
    CHECK_STR(note, "");
    CHECK_INT(test_shell(NULL, "cd plans && test $(wc -l <$(ls)) = 4099 && tail -n 1 $(ls) | grep -x 'end 4096' && ! grep 'f32 5 1x1' * && grep 'f32 6 1x1' *"), 0);
    fake_gpu_reset(&settings);
    run_once(&spec, fingerprint, note, logits);
    CHECK_INT(fake_gpu_searches(), 0);
    fake_gpu_reset(&settings);
}

TEST(two_that_tune_at_once_keep_what_both_have_found)
{
    struct book first, second;
    struct why why = { "" };
    CHECK_INT(book_open(&first, "plans", "a key", &why), 0);
    CHECK_INT(book_open(&second, "plans", "a key", &why), 0);
    CHECK_INT(book_put(&first, "a", "1"), 0);
    CHECK_INT(book_put(&first, "both", "1"), 0);
    CHECK_INT(book_save(&first, &why), 0);
    CHECK_INT(book_put(&second, "b", "2"), 0);
    CHECK_INT(book_put(&second, "both", "2"), 0);
    CHECK_INT(book_save(&second, &why), 0);
    book_done(&first);
    book_done(&second);
    CHECK_INT(book_open(&first, "plans", "a key", &why), 0);
    CHECK_INT(first.count, 3);
    CHECK_STR(book_find(&first, "a"), "1");
    CHECK_STR(book_find(&first, "b"), "2");
    CHECK_STR(book_find(&first, "both"), "2");
    book_done(&first);
}

TEST(a_book_of_the_longest_lines_can_be_read_again)
{
    struct book book;
    struct why why = { "" };
    char shape[BOOK_TEXT_MAX], plan[BOOK_TEXT_MAX];
    memset(plan, '1', sizeof(plan));
    plan[BOOK_TEXT_MAX - 1] = '\0';
    CHECK_INT(book_open(&book, "plans", "a key", &why), 0);
    for (int i = 0; i < BOOK_LINES_MAX; i++) {
        snprintf(shape, sizeof(shape), "%0*d", BOOK_TEXT_MAX - 1, i);
        CHECK_INT(book_put(&book, shape, plan), 0);
    }
    CHECK_INT(book_save(&book, &why), 0);
    book_done(&book);
    if (book_open(&book, "plans", "a key", &why) < 0)
        test_fail(__FILE__, __LINE__, "%s", why.text);
    CHECK_INT(book.count, BOOK_LINES_MAX);
    CHECK_STR(book_find(&book, shape), plan);
    book_done(&book);
}
