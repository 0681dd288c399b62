/* classify.c: one-off classification here, no cluster: the same pipeline, fed from the command line. */
#include "common/bytes.h"
#include "common/cache.h"
#include "common/cleanup.h"
#include "common/counted.h"
#include "common/labels.h"
#include "common/log.h"
#include "common/output.h"
#include "common/program.h"
#include "common/redact.h"
#include "common/thread.h"
#include "common/usage.h"
#include "common/utf8.h"
#include "proto/preset.h"
#include "worker/commands.h"
#include "worker/fetch/loops.h"
#include "worker/runtime.h"
#include "worker/sim.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>

struct classify_options {
    struct tuning tuning;
    struct preset_options preset;
    const char *weights, *labels;
    int64_t top;
    bool help;
};

#define OPTION(member) offsetof(struct classify_options, member)

static const struct option_row rows[] = {
    { 0, "weights", OPTION_TEXT, OPTION(weights), "FILE|URL", "the model: .pth or .safetensors", 0, 0, NULL },
    PRESET_ROWS(struct classify_options, preset),
    { 0, "labels", OPTION_TEXT, OPTION(labels), "FILE", "class names, one a line; ImageNet's by default", 0, 0, NULL },
    { 0, "top", OPTION_INT, OPTION(top), "K", "classes shown for each image, 5 by default", 1, LIMIT_CLASSES, NULL },
    TUNING_ROWS(struct classify_options, tuning),
    { 'h', "help", OPTION_FLAG, OPTION(help), NULL, "print this help", 0, 0, NULL },
    { 0 },
};

const struct option_row *classify_rows(void)
{
    return rows;
}

/* Names may hold anything, also what would steer the terminal. */
static void print_line(const char *text)
{
    CLEANUP(bytes_done) struct bytes line;
    bytes_init(&line, 1 << 20);
    (void)utf8_append_shown(&line, text, strlen(text));
    puts(line.data ? line.data : "");
}

static void print_row(const struct rec_item *item, const struct rec_row *row, const struct labels *labels)
{
    print_line(item->uri.data);
    if (row->error)
        printf("  %s: %s\n", row_error_name(row->error), row->detail);
    for (uint32_t k = 0; k < row->predictions_count; k++) {
        const struct rec_prediction *p = &row->predictions[k];
        printf("  %9.6f  %4u  ", (double)p->probability, p->index);
        print_line(p->index < labels_count(labels) ? labels_name(labels, p->index) : "(no label)");
    }
}

/* Waits for the one work that is inside. */
static int wait_for_work(struct mailbox *box, struct work **ret, struct why *why)
{
    struct pollfd wait = { .fd = box->fd, .events = POLLIN };
    for (;;) {
        struct mail *mail = mailbox_take(box);
        if (mail && mail->kind == MAIL_BROKEN) {
            int r = ((struct pipeline_notice *)mail)->r;
            *why = ((struct pipeline_notice *)mail)->why;
            free(mail);
            return r;
        }
        if (mail) {
            *ret = (struct work *)mail;
            return 0;
        }
        poll(&wait, 1, -1);
    }
}

/* At most LIMIT_BATCH files. Returns how many failed, or negative errno. */
static int classify_some(struct runtime *runtime, struct mailbox *box, const struct labels *labels, char **files, int count,
                         struct why *why)
{
    const struct engine_info *info = pipeline_engine(runtime->pipeline);
    CLEANUP(freep) struct rec_item *items = calloc((size_t)count, sizeof(*items));
    CLEANUP(freep) char (*paths)[PATH_MAX] = calloc((size_t)count, PATH_MAX);
    if (!items || !paths)
        return because(why, -ENOMEM, "out of memory");
    for (int i = 0; i < count; i++) {
        char here[PATH_MAX] = "";
        struct span given = { files[i], (uint32_t)strlen(files[i]) };
        bool absolute = files[i][0] == '/' || sim_is(&given) || loops_takes(&given);
        int length = snprintf(paths[i], PATH_MAX, "%s%s%s", absolute || !getcwd(here, sizeof(here)) ? "" : here, absolute ? "" : "/", files[i]);
        items[i].uri = (struct span){ paths[i], (uint32_t)(length < PATH_MAX ? length : PATH_MAX - 1) };
    }
    struct work *work;
    int r = work_new(0, 0, items, (uint32_t)count, info->top, info->values, &work);
    if (r < 0)
        return because(why, r, "out of memory");
    pipeline_submit(runtime->pipeline, work);
    r = wait_for_work(box, &work, why);
    if (r < 0)
        return r;
    int failed = 0;
    for (uint32_t i = 0; i < work->count; i++) {
        items[i].uri.data = files[i];
        print_row(&items[i], &work->rows[i], labels);
        failed += work->rows[i].error != ROW_OK;
    }
    work_free(work);
    return failed;
}

/* With --precision auto, who sees the answers shall see what they were computed in. */
static void tell_how(const struct runtime *runtime, const char *weights)
{
    char shown[512];
    const struct engine_info *info = pipeline_engine(runtime->pipeline);
    if (*runtime->network)
        log_info("%s in %s: engine %s on %s", runtime->network, info->precision, info->engine, info->device);
    else
        log_info("engine %s, precision %s: the answers are made up, nothing looks at the pictures", info->engine, info->precision);
    if (!*runtime->network && *weights) {
        uri_show(shown, sizeof(shown), weights, strlen(weights), "");
        log_warning("--weights %s: engine %s looks at no weights; leave --weights out, or --engine %s", shown, info->engine, info->engine);
    }
}

static void tell_rechecked(const struct runtime *runtime)
{
    struct rec_stage stages[STAGE_COUNT];
    pipeline_stages(runtime->pipeline, stages);
    if (stages[STAGE_ENGINE].retries)
        log_info("%s computed again in f32", COUNTED(stages[STAGE_ENGINE].retries, "image", "images"));
}

static int classify(const struct classify_options *options, const struct preset *preset, char **files, int count, struct why *why)
{
    struct runtime_spec spec = { .preset = *preset, .top = (int)options->top, .batch = LIMIT_BATCH, .here = true, .alone = true };
    snprintf(spec.weights, sizeof(spec.weights), "%s", options->weights);
    CLEANUP(labels_closep) struct labels *labels = NULL;
    CLEANUP(runtime_freep) struct runtime *runtime = NULL;
    struct mailbox box;
    int r = labels_open(options->labels, &labels, why);
    if (r < 0)
        return because_in(why, r, "--labels");
    r = mailbox_init(&box);
    if (r < 0)
        return because(why, r, "cannot start: %s", strerror(-r));
    r = runtime_open(&options->tuning, &spec, &box, NULL, NULL, &runtime, why);
    if (r == 0 && (int)labels_count(labels) != runtime->classes)
        r = because(why, -EINVAL, "%s: has %s, %s has %s; give the model's own with --labels", options->weights,
                    COUNTED((uint64_t)runtime->classes, "class", "classes"), options->labels ? options->labels : "the built-in list",
                    COUNTED(labels_count(labels), "name", "names"));
    if (r == 0)
        tell_how(runtime, options->weights);
    int failed = 0;
    for (int at = 0; r >= 0 && at < count; at += LIMIT_BATCH) {
        r = classify_some(runtime, &box, labels, files + at, count - at < (int)LIMIT_BATCH ? count - at : (int)LIMIT_BATCH, why);
        failed += r > 0 ? r : 0;
    }
    if (r >= 0)
        tell_rechecked(runtime);
    runtime_freep(&runtime);
    mailbox_done(&box);
    return r < 0 ? r : failed;
}

/* What can never work, whatever files come. */
static int check_options(const struct classify_options *options, struct why *why)
{
    int r = tuning_check(&options->tuning, why);
    if (r == 0 && (r = cache_check_given(options->weights, why)) < 0)
        because_in(why, r, "--weights");
    return r;
}

int command_classify(int argc, char **argv)
{
    struct classify_options options = { .tuning = TUNING_DEFAULTS, .weights = "", .preset = PRESET_OPTIONS_DEFAULTS, .top = 5 };
    struct preset preset;
    struct why why;
    int first;
    log_open("sleddog-worker classify", LOG_LEVEL_INFO);
    if (options_parse(rows, &options, argc, argv, &first, &why) < 0 ||
        preset_from_options(&options.preset, &preset, &why) < 0 || (!options.help && check_options(&options, &why) < 0))
        return usage_error("classify", &why);
    if (options.help) {
        puts("sleddog-worker classify [OPTIONS] FILE...: classifies files here, without a cluster\n");
        options_print(rows, stdout);
        return 0;
    }
    if (first == argc || (!*options.weights && strcmp(options.tuning.engine, "sim"))) {
        log_error("no %s given; %s classify --weights FILE PHOTO...", first == argc ? "files" : "weights", program_called());
        return 2;
    }
    /* A handful of photos must not wait for threads nobody needs. */
    if (options.tuning.threads > argc - first)
        options.tuning.threads = argc - first;
    int failed = classify(&options, &preset, argv + first, argc - first, &why);
    if (failed < 0)
        log_error("%s", why.text);
    if (failed == -ENOTRECOVERABLE)
        _exit(output_end(EXIT_DEVICE_LOST)); /* what a library does at an orderly end may wait for the GPU */
    return failed != 0;
}
