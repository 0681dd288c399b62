/* fuzz_spec.c: any bytes as the description in job.db: what is accepted is possible, and survives being written and read again. */
#include "coordinator/spec.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(spec_freep) struct spec *spec = NULL, *again = NULL;
    CLEANUP(freep) char *text = strndup((const char *)data, size), *json = NULL;
    struct why why = { "" };
    if (spec_from_json(text, &spec, &why) < 0) {
        assert(why.text[0]);
        return 0;
    }
    assert(spec->batch >= 1 && spec->batch <= (int)LIMIT_BATCH && spec->top >= 1 && spec->emit <= ROW_FEATURES);
    int r = spec_to_json(spec, &json, &why);
    assert(r == 0);
    r = spec_from_json(json, &again, &why);
    assert(r == 0 && again->batch == spec->batch && again->source_count == spec->source_count && !strcmp(again->job, spec->job));
    for (int i = 0; i < spec->source_count; i++)
        assert(!strcmp(again->sources[i], spec->sources[i]));
    return 0;
}
