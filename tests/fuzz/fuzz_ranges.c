/* Activation ranges from any bytes: refused with a sentence, or pairs that an engine can take. */
#include "worker/weights/ranges.h"

#include <assert.h>
#include <math.h>

static const char sha256[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

static void check(const struct ranges *ranges, const struct network *network)
{
    assert(ranges->images > 0 && ranges->crop > 0 && ranges->agreement >= 0 && ranges->agreement <= 1);
    for (int a = 0; a < network->count; a++) { /* all but what fc leaves behind */
        struct range range = ranges->of[a];
        assert(isfinite(range.low) && isfinite(range.high) && range.low <= 0 && range.high >= 0 && range.low < range.high);
        assert(a == 0 || !network->layers[a - 1].relu || range.low == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const float mean[] = { 0.5f, 0.25f, 0 }, std[] = { 1, 0.5f, 2 };
    const struct network *network = network_find("resnet18");
    struct weights weights = { .path = (char *)"weights" };
    struct ranges ranges = { .means = NULL };
    struct why why = { "" };
    snprintf(weights.sha256, sizeof(weights.sha256), "%s", sha256);
    if (ranges_from_memory("fuzz", (const char *)data, size, &weights, network, mean, std, &ranges, &why) < 0)
        assert(why.text[0]);
    else
        check(&ranges, network);
    ranges_done(&ranges);
    return 0;
}
