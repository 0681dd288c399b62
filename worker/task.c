#include "worker/task.h"

#include <errno.h>
#include <string.h>

#define ARENA_LIMIT ((size_t)4 << 30)

static struct span copy_span(struct arena *arena, struct span span)
{
    char *copy = arena_take(arena, (size_t)span.size + 1);
    if (copy && span.size)
        memcpy(copy, span.data, span.size);
    return (struct span){ copy, span.size };
}

static int copy_items(struct work *work, const struct rec_item *items)
{
    struct rec_item *own = arena_take(&work->arena, work->count * sizeof(*own));
    if (!own)
        return -ENOMEM;
    for (uint32_t i = 0; i < work->count; i++) {
        own[i] = items[i];
        own[i].uri = copy_span(&work->arena, items[i].uri);
        own[i].etag = arena_text(&work->arena, items[i].etag);
        if (!own[i].uri.data || !own[i].etag)
            return -ENOMEM;
        work->tasks[i] = (struct task){ .work = work, .item = &own[i], .row = &work->rows[i] };
    }
    return 0;
}

int work_new(uint64_t batch, uint32_t attempt, const struct rec_item *items, uint32_t count, int top, size_t values,
             struct work **ret)
{
    CLEANUP(work_freep) struct work *work = calloc(1, sizeof(*work));
    if (!work)
        return -ENOMEM;
    arena_init(&work->arena, ARENA_LIMIT);
    work->batch = batch;
    work->attempt = attempt;
    work->count = count;
    work->top = top;
    work->values = values;
    work->unfinished = work->upstream = count;
    work->tasks = arena_take(&work->arena, count * sizeof(*work->tasks));
    work->rows = arena_take(&work->arena, count * sizeof(*work->rows));
    work->predictions = arena_take(&work->arena, count * (size_t)top * sizeof(*work->predictions));
    work->numbers = arena_take(&work->arena, count * values * sizeof(*work->numbers));
    if (!work->tasks || !work->rows || !work->predictions || !work->numbers)
        return -ENOMEM;
    int r = copy_items(work, items);
    if (r < 0)
        return r;
    *ret = take(work);
    return 0;
}

void work_free(struct work *work)
{
    if (!work)
        return;
    for (uint32_t i = 0; work->tasks && work->rows && i < work->count; i++) {
        free(work->tasks[i].data);
        if (work->rows[i].error)
            free((char *)work->rows[i].detail);
    }
    arena_done(&work->arena);
    free(work);
}

/* Details quote foreign bytes: keep them printable ASCII, so they are valid UTF-8 on the wire and in a table. */
static void make_printable(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || (unsigned char)*text > '~')
            *text = '?';
}

void task_fail(struct task *task, enum row_error error, const char *detail)
{
    char *copy = strndup(detail, LIMIT_TEXT - 1);
    if (copy)
        make_printable(copy);
    task->row->error = error;
    task->row->detail = copy;
    task->row->predictions_count = 0;
    task->row->values = (struct span){ NULL, 0 };
}
