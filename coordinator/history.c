#include "coordinator/history.h"

#include <stdio.h>
#include <string.h>

bool history_due(const struct history *history, uint64_t at_ns)
{
    return !history->count || at_ns >= history->points[history->count - 1].at_ns + history->interval_ns;
}

/* Keeps the first, the third, ... */
static void thin_out(struct history *history)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < history->count; i += 2)
        history->points[kept++] = history->points[i];
    history->count = kept;
    history->interval_ns *= 2;
}

struct history_point *history_begin(struct history *history, uint64_t at_ns, uint64_t done)
{
    if (!history->interval_ns)
        history->interval_ns = HISTORY_FIRST_NS;
    if (history->count == HISTORY_POINTS)
        thin_out(history);
    struct history_point *point = &history->points[history->count++];
    *point = (struct history_point){ .at_ns = at_ns, .done = done };
    return point;
}

static uint32_t stage_number(struct history *history, const char *name)
{
    uint32_t i = 0;
    while (i < history->stages && strcmp(history->stage[i], name))
        i++;
    if (i == history->stages && i < LIMIT_STAGES)
        snprintf(history->stage[history->stages++], sizeof(history->stage[0]), "%s", name);
    return i;
}

void history_count(struct history *history, struct history_point *point, const struct rec_stage *stages, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t number = stage_number(history, stages[i].name ? stages[i].name : "");
        if (number < LIMIT_STAGES)
            point->items[number] += stages[i].items;
    }
}
