/* run_options.h: the options of `run` and `resume` as tables, and what they make: a spec.
 *
 * Threads: the main thread's. Ownership: texts point into argv. Errors: -EINVAL (exit status 2) or other negative errno. */
#pragma once

#include "common/options.h"
#include "coordinator/spec.h"
#include "coordinator/trust.h"
#include "proto/preset.h"
#include "proto/tuning.h"

struct run_options {
    struct tuning tuning;
    struct trust_options trust;
    struct preset_options preset;
    const char *nodes, *job, *output, *format, *emit, *weights, *labels, *truth;
    int64_t local, min_nodes, node_timeout, expiry, stall_timeout, batch, top, sample, limit, max_errors;
    struct texts group, include, exclude;
    bool per_image, strict, mixed, null_separated, help;

    /* The first option given that only workers started here, or only nodes of a list, can follow; NULL: none. */
    const char *for_local, *for_list;
    bool local_given;

    /* What a command that goes on need not say, since the job asks for it. */
    struct {
        const char *precision;
        int64_t recheck;
    } begun;
};

#define RUN_DEFAULTS                                                                                                       \
    {                                                                                                                      \
        .tuning = TUNING_DEFAULTS, .format = "jsonl", .emit = "topk", .preset = PRESET_OPTIONS_DEFAULTS, .weights = "", .labels = "", .truth = "", \
        .min_nodes = 1, .node_timeout = 60, .expiry = 10, .stall_timeout = 10, .batch = 60, .top = 5, .max_errors = -1,   \
        .begun = { .precision = "auto" }                                                                                                    \
    }

const struct option_row *run_rows(void);
const struct option_row *resume_rows(void); /* nodes and time limits only */

/* options_parse(), with either table. Only these words count as given, not those of an earlier parsing into the same options. */
int run_options_parse(const struct option_row *rows, struct run_options *ret, int argc, char **argv, int *ret_first, struct why *why);

/* -EINVAL when something was given that nobody would follow. To be asked once it is known who shall work. */
int run_options_check(const struct run_options *options, struct why *why);

/* Whether somebody would follow this option. */
bool run_options_mean(const struct run_options *options, const struct option_row *row);

/* `job_dir` is where exports go unless --output says otherwise. */
int spec_from_options(const struct run_options *options, char **sources, int source_count, const char *job_dir, struct spec **ret,
                      struct why *why);
