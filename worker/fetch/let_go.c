/* let_go.c: gets that leave a loop wherever they are: abandoned, or because the loop ends. */
#include "worker/fetch/getter.h"

#include "common/cleanup.h"

static struct get *take_running(struct getter *getter, bool (*wanted)(const struct get *get))
{
    struct transfer *transfer = getter->running;
    while (transfer && !wanted(transfer->get))
        transfer = transfer->next;
    if (!transfer)
        return NULL;
    struct get *get = transfer->get;
    for (int i = 0; i < 2; i++)
        if (get->running[i])
            getter_drop(getter, get->running[i]);
    return get;
}

static struct get *take_later(struct getter *getter, bool (*wanted)(const struct get *get))
{
    struct get **at = &getter->later;
    while (*at && !wanted(*at))
        at = &(*at)->next;
    struct get *get = *at;
    if (get)
        *at = get->next;
    return get;
}

static struct get *take_asking(struct getter *getter, bool (*wanted)(const struct get *get))
{
    if (!getter->asking || !wanted(getter->asking))
        return NULL;
    size_t given = budget_leave(getter->spec.budget, &getter->place);
    if (given)
        budget_give(getter->spec.budget, given);
    return take(getter->asking);
}

void getter_let_go(struct getter *getter, bool (*wanted)(const struct get *get), enum row_error error, const char *detail)
{
    struct get *get;
    while ((get = take_running(getter, wanted)) || (get = take_asking(getter, wanted)) || (get = take_later(getter, wanted)))
        getter_finish(getter, get, error, detail);
    for (struct origin *origin = getter->origins.first; origin; origin = origin->next)
        while ((get = origin_take(&getter->origins, origin, wanted)))
            getter_finish(getter, get, error, detail);
}
