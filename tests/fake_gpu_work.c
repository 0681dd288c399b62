/* fake_gpu_work.c: plans, `fc` and kernels: remembered now, computed when somebody waits. */
#include "tests/fake_gpu_parts.h"

struct fake_plan {
    struct gpu_plan plan;
    struct conv_shape shape;
    int number;
};

struct fake_fc {
    struct gpu_fc fc; /* comes first */
    int batch, inputs, classes;
};

static int enqueue(const char *call, struct gpu_stream *stream, const struct fake_op *op, struct why *why)
{
    int r = fake_enter(call, why);
    if (r < 0)
        return r;
    fake_enqueue(stream, op);
    return fake_leave();
}

/* ---- plans and fc --------------------------------------------------------------------------------------------------------- */

/* Number 2 is the fastest, number 1 as good as that and preferred. */
static float plan_ms(int number)
{
    static const float ms[FAKE_PLANS + 1] = { 3, 1.01f, 1, 5, 0.1f, 900 };
    return ms[number];
}

/* All that there is, or more. */
static size_t workspace_of(int number)
{
    return PLAN_WORKSPACE_MAX + (fake.settings.greedy >> number & 1);
}

static struct gpu_plan *make_plan(const struct conv_shape *shape, int number)
{
    struct fake_plan *plan = fake_make(sizeof(*plan));
    char text[32];
    snprintf(text, sizeof(text), "%d 7=0", number);
    plan->plan = (struct gpu_plan){ .workspace = workspace_of(number), .text = strdup(text) };
    CHECK(plan->plan.text);
    plan->shape = *shape;
    plan->number = number;
    return &plan->plan;
}

int fake_plan_list(struct gpu *gpu, const struct conv_shape *shape, const struct plan_wish *wish, struct gpu_plan **ret, int *ret_count,
                   struct why *why)
{
    (void)gpu;
    int r = fake_enter("plan_list", why);
    if (r < 0)
        return r;
    CHECK(wish->most > 0);
    fake.searches++;
    int most = FAKE_PLANS + (fake.settings.last_resort && wish->last_resort), count = 0;
    for (int i = 0; i < most && count < wish->most; i++)
        if (workspace_of(i) <= wish->workspace)
            ret[count++] = make_plan(shape, i);
    *ret_count = count;
    return fake_leave();
}

int fake_plan_load(struct gpu *gpu, const struct conv_shape *shape, const char *text, struct gpu_plan **ret, struct why *why)
{
    (void)gpu;
    int number, length = 0, r = fake_enter("plan_load", why);
    if (r < 0)
        return r;
    if (sscanf(text, "%d 7=0%n", &number, &length) != 1 || !length || text[length] || number < 0 || number > FAKE_PLANS) {
        fake_leave();
        return because(why, -ENOTSUP, "\"%.40s\" is not a plan", text);
    }
    *ret = make_plan(shape, number);
    return fake_leave();
}

static bool is_usable(int number)
{
    return number != FAKE_PLANS - 1 && !(fake.settings.unusable >> number & 1);
}

int fake_plan_run(struct gpu *gpu, struct gpu_stream *stream, struct gpu_plan *gpu_plan, const struct conv_memory *memory, struct why *why)
{
    (void)gpu;
    const struct fake_plan *plan = (const struct fake_plan *)gpu_plan;
    int r = fake_enter("plan_run", why);
    if (r < 0)
        return r;
    if (!is_usable(plan->number)) {
        fake_leave();
        return because(why, -ENOTSUP, "plan_run: not number %d", plan->number);
    }
    CHECK(gpu_plan->workspace <= PLAN_WORKSPACE_MAX); /* it would write behind its end */
    fake.hung = fake.hung || fake.settings.deadly >> plan->number & 1;
    bool scaled = plan->shape.format == NUMBER_S8;
    CHECK(memory->x && memory->w && memory->b && memory->y && memory->workspace && (memory->z != NULL) == (plan->shape.residual || scaled));
    CHECK(memory->y != memory->x && (memory->y == memory->z) == (scaled && !plan->shape.residual));
    fake_enqueue(stream, &(struct fake_op){ .kind = OP_PLAN, .as.plan = { plan->shape, *memory, plan_ms(plan->number) } });
    return fake_leave();
}

void fake_plan_free(struct gpu *gpu, struct gpu_plan *plan)
{
    (void)gpu;
    if (plan)
        free(plan->text);
    fake_discard(plan);
}

int fake_fc_new(struct gpu *gpu, int batch, int inputs, int classes, struct gpu_fc **ret, struct why *why)
{
    (void)gpu;
    int r = fake_enter("fc_new", why);
    if (r < 0)
        return r;
    struct fake_fc *fc = fake_make(sizeof(*fc));
    *fc = (struct fake_fc){ { "one after the other" }, batch, inputs, classes };
    *ret = &fc->fc;
    return fake_leave();
}

int fake_fc_run(struct gpu *gpu, struct gpu_stream *stream, struct gpu_fc *fc, const struct fc_memory *memory, struct why *why)
{
    (void)gpu;
    const struct fake_fc *it = (const struct fake_fc *)fc;
    return enqueue("fc_run", stream, &(struct fake_op){ .kind = OP_FC, .as.fc = { *memory, it->batch, it->inputs, it->classes } }, why);
}

void fake_fc_free(struct gpu *gpu, struct gpu_fc *fc)
{
    (void)gpu;
    fake_discard(fc);
}

/* ---- kernels -------------------------------------------------------------------------------------------------------------- */

int fake_normalise(struct gpu *gpu, struct gpu_stream *stream, const struct normalise_args *args, struct why *why)
{
    (void)gpu;
    return enqueue("normalise", stream, &(struct fake_op){ .kind = OP_NORMALISE, .as.normalise = *args }, why);
}

int fake_max_pool(struct gpu *gpu, struct gpu_stream *stream, const struct pool_args *args, struct why *why)
{
    (void)gpu;
    return enqueue("max_pool", stream, &(struct fake_op){ .kind = OP_MAX_POOL, .as.pool = *args }, why);
}

int fake_average_pool(struct gpu *gpu, struct gpu_stream *stream, const struct pool_args *args, struct why *why)
{
    (void)gpu;
    return enqueue("average_pool", stream, &(struct fake_op){ .kind = OP_AVERAGE_POOL, .as.pool = *args }, why);
}

int fake_finite(struct gpu *gpu, struct gpu_stream *stream, const struct finite_args *args, struct why *why)
{
    (void)gpu;
    return enqueue("finite", stream, &(struct fake_op){ .kind = OP_FINITE, .as.finite = *args }, why);
}

int fake_top(struct gpu *gpu, struct gpu_stream *stream, const struct top_args *args, struct why *why)
{
    (void)gpu;
    return enqueue("top", stream, &(struct fake_op){ .kind = OP_TOP, .as.top = *args }, why);
}
