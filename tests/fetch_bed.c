#include "tests/fetch_bed.h"

#include "common/clock.h"

#include <stdio.h>
#include <string.h>

struct fetch_bed fetch_bed = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

const char *fetch_bed_body(void)
{
    static char bytes[FETCH_BODY];
    for (int i = 0; i < FETCH_BODY; i++)
        bytes[i] = (char)(i * 7 + i / 256);
    return bytes;
}

static void on_done(void *arg, struct task *task, enum row_error error, const char *detail)
{
    struct fetch_outcome *outcome = &fetch_bed.outcomes[task - fetch_bed.work->tasks];
    (void)arg;
    pthread_mutex_lock(&fetch_bed.lock);
    *outcome = (struct fetch_outcome){ .error = error, .size = task->size, .place = fetch_bed.done++ };
    snprintf(outcome->detail, sizeof(outcome->detail), "%s", detail ? detail : "");
    if (!error) {
        outcome->right = task->size == FETCH_BODY && !memcmp(task->data, fetch_bed_body(), FETCH_BODY);
        pthread_mutex_lock(&fetch_bed.budget.lock);
        if (fetch_bed.budget.used > fetch_bed.most_held)
            fetch_bed.most_held = fetch_bed.budget.used;
        pthread_mutex_unlock(&fetch_bed.budget.lock);
        if (!fetch_bed.keep) {
            budget_give(&fetch_bed.budget, task->size);
            blocks_give(&fetch_bed.blocks, take(task->data), task->size);
        }
    }
    pthread_cond_signal(&fetch_bed.changed);
    pthread_mutex_unlock(&fetch_bed.lock);
}

void fetch_bed_open(const struct fetch_setting *setting)
{
    struct why why;
    struct loops_spec spec = {
        .threads = setting->threads ? setting->threads : 1,
        .concurrency = setting->concurrency ? setting->concurrency : 64,
        .file_bytes = setting->file_bytes ? setting->file_bytes : 1 << 20,
        .stall_ns = (uint64_t)(setting->stall_ms ? setting->stall_ms : 20000) * NS_PER_MS,
        .store_timeout_ns = (uint64_t)setting->store_timeout_ms * NS_PER_MS,
        .budget = &fetch_bed.budget,
        .blocks = &fetch_bed.blocks,
        .stage = &fetch_bed.stage,
        .done = on_done,
    };
    budget_init(&fetch_bed.budget, setting->budget ? setting->budget : 64 << 20);
    blocks_init(&fetch_bed.blocks, 1 << 20);
    stage_init(&fetch_bed.stage, "fetch", 1);
    if (loops_new(&spec, &fetch_bed.loops, &why) < 0)
        test_fail(__FILE__, __LINE__, "%s", why.text);
}

void fetch_bed_submit(const struct rec_item *items, uint32_t count)
{
    CHECK_INT(work_new(1, 1, items, count, 1, 0, &fetch_bed.work), 0);
    for (uint32_t i = 0; i < count; i++)
        loops_submit(fetch_bed.loops, &fetch_bed.work->tasks[i]);
}

void fetch_bed_wait(int count)
{
    pthread_mutex_lock(&fetch_bed.lock);
    while (fetch_bed.done < count)
        pthread_cond_wait(&fetch_bed.changed, &fetch_bed.lock);
    pthread_mutex_unlock(&fetch_bed.lock);
}

void fetch_bed_close(void)
{
    loops_free(fetch_bed.loops);
    CHECK_INT(fetch_bed.budget.used, 0);
    budget_done(&fetch_bed.budget);
    blocks_done(&fetch_bed.blocks);
    work_free(fetch_bed.work);
}

struct rec_item fetch_bed_item(const char *uri)
{
    return (struct rec_item){ .uri = { uri, (uint32_t)strlen(uri) }, .etag = "" };
}

const struct fetch_outcome *fetch_bed_fetch_item(const struct fetch_setting *setting, struct rec_item item)
{
    fetch_bed.done = 0;
    fetch_bed_open(setting);
    fetch_bed_submit(&item, 1);
    fetch_bed_wait(1);
    fetch_bed_close();
    return &fetch_bed.outcomes[0];
}

const struct fetch_outcome *fetch_bed_fetch(const struct fetch_setting *setting, const char *uri)
{
    return fetch_bed_fetch_item(setting, fetch_bed_item(uri));
}

void fetch_bed_submit_many(const struct web *web, int count, const char *format)
{
    static char uris[FETCH_ITEMS_MAX][256];
    static struct rec_item items[FETCH_ITEMS_MAX];
    char path[200];
    for (int i = 0; i < count; i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(path, sizeof(path), format, i);
#pragma GCC diagnostic pop
        snprintf(uris[i], sizeof(uris[i]), "%s", web_url(web, path));
        items[i] = fetch_bed_item(uris[i]);
    }
    fetch_bed_submit(items, (uint32_t)count);
}

void fetch_bed_check_all_right(int count)
{
    fetch_bed_wait(count);
    for (int i = 0; i < count; i++)
        if (fetch_bed.outcomes[i].error || !fetch_bed.outcomes[i].right)
            test_fail(__FILE__, __LINE__, "item %d: %s, %zu bytes: %s", i, row_error_name(fetch_bed.outcomes[i].error), fetch_bed.outcomes[i].size,
                      fetch_bed.outcomes[i].detail);
}

struct web *fetch_bed_serve(const struct web_spec *spec)
{
    struct web *web = web_start(spec);
    web_put(web, "*", fetch_bed_body(), FETCH_BODY);
    return web;
}
