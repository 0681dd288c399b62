/* cudnn_choose.c: a plan for every convolution: another GPU's, the book's, the fastest, or the first that runs.
 *
 * A plan is chosen for a shape and made for each of its steps. Whatever its origin, it has run before it is relied on.
 *
 * In f16 a number may be too large, and the row must not look as if it were right. cuDNN is asked for a ReLU that lets through what is not a number,
 * which most of its engines do not promise; so each chosen plan is shown an image of NaNs. Where its ReLU makes 0 of them, the net looks through what
 * that convolution reads, each time, before it does (net_run_step()); so it does where the weights alone could hide it (cudnn_shows.h). The other
 * formats have the range of f32. */
#include "worker/engines/cudnn_build.h"

#include "common/cleanup.h"
#include "common/sha256.h"
#include "worker/engines/cudnn_losses.h"
#include "worker/engines/cudnn_wait.h"

#include <errno.h>
#include <string.h>

#define PAGE 65536 /* bytes, no less than any machine's: memory that is pinned has its pages for itself */

/* The first step that has this shape. */
static struct net_step *step_with(struct net *net, int shape)
{
    int i = 0;
    while (net->steps[i].shape != shape)
        i++;
    return &net->steps[i];
}

static void unload(struct builder *builder, struct net_step *step)
{
    builder->gpu->ops->plan_free(builder->gpu, step->plan);
    step->plan = NULL;
}

/* In s8 a plan is made for the scales of its layer. */
static struct conv_shape shape_of(const struct net *net, const struct net_step *step)
{
    struct conv_shape shape = net->shapes[step->shape];
    if (shape.format == NUMBER_S8) {
        shape.sum_scale = step->sum_scale;
        shape.residual_scale = step->residual_scale;
    }
    return shape;
}

static int load(struct builder *builder, struct net_step *step, const char *text)
{
    struct conv_shape shape = shape_of(builder->net, step);
    int r = builder->gpu->ops->plan_load(builder->gpu, &shape, text, &step->plan, builder->why);
    if (r == 0 && step->plan->workspace > PLAN_WORKSPACE_MAX) {
        unload(builder, step);
        r = because(builder->why, -ENOTSUP, "plan \"%s\" wants too much workspace", text);
    }
    return r;
}

static void complain(struct net *net, const struct why *why)
{
    if (!*net->complaint)
        snprintf(net->complaint, sizeof(net->complaint), "%.*s", (int)sizeof(net->complaint) - 1, why->text);
}

/* ---- from the book -------------------------------------------------------------------------------------------------------- */

/* -ENOTSUP if there is none that works; then the book has forgotten it. */
static int take_known(struct builder *builder, struct net_step *step, const char *name)
{
    struct conv_memory memory = net_memory_of(builder->net, step);
    const char *known = builder->spec->no_tuning ? NULL : book_find(&builder->book, name);
    float ms;
    if (!known || losses_forbid(&builder->book, known))
        return -ENOTSUP;
    int r = load(builder, step, known);
    if (r == 0)
        r = tuner_time(&builder->tuner, step->plan, &memory, 1, &ms, builder->why);
    if (r == 0 || tuner_is_fatal(r))
        return r;
    unload(builder, step);
    book_put(&builder->book, name, NULL);
    return -ENOTSUP;
}

/* What cannot be kept is found again next time. */
static void keep(struct builder *builder, const char *name, const char *text)
{
    struct why why;
    int r = book_put(&builder->book, name, text);
    if (r < 0) {
        because(&why, r, "plans cannot be kept: %s", strerror(-r));
        complain(builder->net, &why);
    }
}

static void open_book(struct builder *builder)
{
    const struct gpu_info *info = &builder->gpu->info;
    char key[BOOK_TEXT_MAX];
    struct why why;
    if (!builder->spec->plans || builder->spec->no_tuning || builder->like)
        return;
    snprintf(key, sizeof(key), "%s, compute capability %d.%d, %d processors, %s", info->name, info->major, info->minor, info->processors,
             info->libraries);
    if (book_open(&builder->book, builder->spec->plans, key, &why) < 0)
        complain(builder->net, &why);
}

static void close_book(struct builder *builder)
{
    struct why why;
    if (*builder->book.folder && book_save(&builder->book, &why) < 0)
        complain(builder->net, &why);
}

/* ---- the choice ----------------------------------------------------------------------------------------------------------- */

static int choose(struct builder *builder, struct net_step *step, const char *name)
{
    struct net *net = builder->net;
    CLEANUP(freep) char *text = NULL;
    struct conv_memory memory = net_memory_of(net, step);
    bool first = builder->spec->no_tuning;
    net->tuned += !first;
    struct conv_shape shape = shape_of(net, step);
    int r = tuner_choose(&builder->tuner, &shape, &memory, first, &text, builder->why);
    if (r == 0)
        r = load(builder, step, text);
    if (r == 0 && !first)
        keep(builder, name, text);
    return r;
}

/* From another GPU's net, from the book if that has one that works, else the fastest there is. */
static int find_plan(struct builder *builder, struct net_step *step)
{
    char name[SHAPE_TEXT];
    if (builder->like)
        return load(builder, step, builder->like->steps[step - builder->net->steps].plan->text);
    conv_shape_text(&builder->net->shapes[step->shape], name);
    int r = take_known(builder, step, name);
    if (r == -ENOTSUP)
        r = choose(builder, step, name);
    if (r == -ENOTRECOVERABLE && *builder->tuner.lost_with)
        losses_add(&builder->book, builder->tuner.lost_with);
    return r;
}

static int find_plans(struct builder *builder)
{
    struct net *net = builder->net;
    int r = 0;
    for (int i = 0; i < net->count && r == 0; i++) {
        struct net_step *step = &net->steps[i], *first = step->shape < 0 ? NULL : step_with(net, step->shape);
        if (!first)
            continue;
        r = first == step ? find_plan(builder, step) : load(builder, step, first->plan->text);
        if (r < 0)
            net_failed_in(net, step, r, builder->why);
    }
    return r;
}

/* ---- what is not a number ------------------------------------------------------------------------------------------------- */

struct image_bytes {
    size_t x, y;
};

static struct image_bytes image_bytes(const struct conv_shape *shape)
{
    struct plane out = conv_shape_output(shape);
    size_t size = number_size(shape->format);
    return (struct image_bytes){ size * (size_t)shape->height * (size_t)shape->width * (size_t)shape->inputs,
                                 size * (size_t)out.height * (size_t)out.width * (size_t)shape->outputs };
}

static int run_on_nans(struct builder *builder, const struct net_step *step, void *host, struct image_bytes bytes)
{
    struct net *net = builder->net;
    struct gpu *gpu = builder->gpu;
    struct conv_memory memory = net_memory_of(net, step);
    memset(host, 0xff, bytes.x); /* in every format */
    int r = build_send(builder, (void *)step->input, host, bytes.x);
    if (r == 0)
        r = gpu->ops->plan_run(gpu, net->stream, step->plan, &memory, builder->why);
    if (r == 0)
        r = gpu->ops->copy(gpu, net->stream, host, step->output, bytes.y, builder->why);
    return r < 0 ? r : wait_stream(gpu, net->stream, builder->why);
}

/* The first image is NaNs; does its plan leave anything else behind? */
static int probe(struct builder *builder, const struct net_step *step, void *host, bool *ret_swallows)
{
    const struct conv_shape *shape = &builder->net->shapes[step->shape];
    struct image_bytes bytes = image_bytes(shape);
    int r = run_on_nans(builder, step, host, bytes);
    if (r < 0)
        return net_failed_in(builder->net, step, r, builder->why);
    *ret_swallows = false;
    for (size_t i = 0; i < bytes.y / number_size(shape->format) && !*ret_swallows; i++)
        *ret_swallows = !isnan(number_load(shape->format, host, i));
    return 0;
}

static size_t largest_image(const struct net *net)
{
    size_t most = 0;
    for (int i = 0; i < net->shape_count; i++) {
        struct image_bytes bytes = image_bytes(&net->shapes[i]);
        most = bytes.x > most ? bytes.x : most;
        most = bytes.y > most ? bytes.y : most;
    }
    return (most + PAGE - 1) / PAGE * PAGE;
}

static int probe_all(struct builder *builder, void *host)
{
    struct net *net = builder->net;
    int r = 0;
    for (int i = 0; i < net->shape_count && r == 0; i++)
        if (net->shapes[i].relu)
            r = probe(builder, step_with(net, i), host, &net->swallows[i]);
    return r;
}

static int probe_plans(struct builder *builder)
{
    struct net *net = builder->net;
    struct gpu *gpu = builder->gpu;
    if (net->format != NUMBER_F16)
        return 0;
    if (builder->like) {
        memcpy(net->swallows, builder->like->swallows, sizeof(net->swallows));
        return 0;
    }
    size_t bytes = largest_image(net);
    CLEANUP(freep) void *host = aligned_alloc(PAGE, bytes);
    if (!host)
        return because(builder->why, -ENOMEM, "out of memory");
    int r = gpu->ops->pin(gpu, host, bytes, builder->why);
    if (r < 0)
        return r;
    r = probe_all(builder, host);
    if (atomic_load(&gpu->hung))
        host = NULL; /* the device may write to it yet */
    gpu->ops->unpin(gpu, host);
    return r;
}

/* ---- all of it ------------------------------------------------------------------------------------------------------------ */

static int hash_plans(struct builder *builder)
{
    struct net *net = builder->net;
    size_t size = (size_t)(net->shape_count + 1) * (SHAPE_TEXT + BOOK_TEXT_MAX) + 1;
    CLEANUP(freep) char *all = calloc(1, size);
    char hex[SHA256_HEX];
    if (!all)
        return because(builder->why, -ENOMEM, "out of memory");
    for (int i = 0; i < net->shape_count; i++) {
        char name[SHAPE_TEXT];
        size_t used = strlen(all);
        conv_shape_text(&net->shapes[i], name);
        snprintf(all + used, size - used, "%s = %s\n", name, step_with(net, i)->plan->text);
    }
    if (net->fc)
        snprintf(all + strlen(all), size - strlen(all), "fc = %.*s\n", BOOK_TEXT_MAX - 1, net->fc->text);
    int r = sha256_memory(all, strlen(all), hex);
    if (r < 0)
        return because(builder->why, r, "out of memory");
    snprintf(net->hash, sizeof(net->hash), "%.16s", hex);
    return 0;
}

int build_plans(struct builder *builder)
{
    open_book(builder);
    int r = tuner_init(&builder->tuner, builder->gpu, builder->net->stream, &builder->book, builder->why);
    if (r == 0 && !builder->like) /* whose plans have run already */
        r = build_noise(builder);
    if (r == 0)
        r = find_plans(builder);
    close_book(builder);
    if (r == 0)
        r = probe_plans(builder);
    return r < 0 ? r : hash_plans(builder);
}
