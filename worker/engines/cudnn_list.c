#include "worker/engines/cudnn_list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int add_number(struct device_list *it, int number, int present, struct why *why)
{
    if (number >= present)
        return because(why, -ENODEV, "engine cudnn: there is no device %d; this machine has %d, numbered from 0", number, present);
    for (int i = 0; i < it->count; i++)
        if (it->numbers[i] == number)
            return because(why, -EINVAL, "engine cudnn: device %d is named twice", number);
    if (it->count == DEVICES_MAX)
        return because(why, -EINVAL, "engine cudnn: more than %d devices; start another worker for the rest", DEVICES_MAX);
    it->numbers[it->count++] = number;
    return 0;
}

/* "0,1": numbers and commas. */
static int read_numbers(struct device_list *it, const char *list, int present, struct why *why)
{
    for (const char *at = list;; at++) {
        char *end;
        long number = *at >= '0' && *at <= '9' ? strtol(at, &end, 10) : -1;
        if (number < 0 || number > 4095 || (*end && *end != ','))
            return because(why, -EINVAL, "engine cudnn: devices \"%.64s\": not a list like 0,1, and not \"all\"", list);
        int r = add_number(it, (int)number, present, why);
        if (r < 0 || !*end)
            return r;
        at = end;
    }
}

int device_list_read(struct device_list *it, const struct gpu_ops *ops, const char *list, struct why *why)
{
    int present, r = ops->count(&present, why);
    if (r < 0)
        return because_in(why, r, "engine cudnn");
    if (!list || !*list)
        return add_number(it, 0, present, why);
    if (strcmp(list, "all"))
        return read_numbers(it, list, present, why);
    for (int i = 0; i < present && r == 0; i++)
        r = add_number(it, i, present, why);
    return r;
}
