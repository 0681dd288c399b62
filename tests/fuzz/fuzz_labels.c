/* Class names from any bytes: parsed or refused with a sentence, never more than the limits allow. */
#include "common/labels.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct labels *labels;
    struct why why = { "" };
    if (labels_parse("fuzz", (const char *)data, size, &labels, &why) < 0) {
        assert(why.text[0]);
        return 0;
    }
    assert(labels_count(labels) >= 1 && labels_count(labels) <= LABELS_MAX);
    for (uint32_t i = 0; i < labels_count(labels); i++)
        assert(labels_name(labels, i)[0] && strlen(labels_name(labels, i)) <= LABELS_LINE_MAX);
    labels_close(labels);
    return 0;
}
