/* Crumbs of a dead process from any bytes: refused with a sentence, or suspects that are possible, each once. The input is taken as it is, and as the
 * beginning of a file of the right size. */
#include "worker/crumbs.h"

#include <assert.h>
#include <string.h>

static void check(const struct suspects *suspects)
{
    assert(suspects->count <= LIMIT_SUSPECTS);
    for (uint32_t i = 0; i < suspects->count; i++) {
        const struct suspect *one = &suspects->list[i], *last = i ? one - 1 : NULL;
        assert(one->record.item < LIMIT_BATCH && strcmp(one->record.stage, "?"));
        assert(!last || last->job != one->job || last->record.batch != one->record.batch || last->record.item != one->record.item);
    }
}

static void take_in(const void *data, size_t size)
{
    struct suspects suspects;
    struct why why = { "" };
    if (suspects_read(data, size, &suspects, &why) < 0)
        assert(why.text[0]);
    else
        check(&suspects);
    suspects_done(&suspects);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct crumbs_file file;
    memset(&file, 0, sizeof(file));
    memcpy(&file, data, size < sizeof(file) ? size : sizeof(file));
    take_in(&file, sizeof(file));
    take_in(data, size);
    return 0;
}
