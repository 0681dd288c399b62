#include "tests/torture_spec.h"

#include "coordinator/run_options.h"

int torture_spec(struct spec **ret, struct why *why)
{
    struct run_options options = RUN_DEFAULTS;
    char *sources[] = { (char *)"sim:7", (char *)"/caf\xe9" };
    options.labels = "labels";
    options.truth = "(n[0-9]+)";
    options.format = "jsonl,csv";
    options.batch = 3;
    return spec_from_options(&options, sources, ARRAY_SIZE(sources), "job", ret, why);
}
