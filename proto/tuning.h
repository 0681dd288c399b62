/* tuning.h: the options that say how a worker works, said once: for the worker itself, and for the coordinator, which hands them to
 * the workers it starts with --local.
 *
 * Threads: constant data. */
#pragma once

#include "common/bytes.h"
#include "common/options.h"
#include "common/s3/config.h"

struct tuning {
    const char *engine;     /* auto, onednn, cudnn, sim */
    const char *precision;
    const char *ranges;     /* file of activation ranges, for int8; NULL: the one beside the weights */
    int64_t recheck;        /* %; 0: nothing is computed again */
    int64_t engine_batch;   /* images; 0: the engine's choice */
    int64_t engine_threads; /* 0: one a core */
    const char *devices;    /* of a GPU engine: "0,1" or "all"; NULL: the first */
    const char *tune;       /* on, off */
    int64_t threads;        /* that decode */
    int64_t fetch_threads;
    int64_t fetch_loops;    /* event loops for what comes over the network */
    int64_t fetch_concurrency; /* GETs under way in all of them */
    int64_t fetch_timeout;  /* seconds without progress after which a GET is begun again */
    int64_t store_timeout;  /* seconds that a store may be down */
    int64_t fetch_memory;   /* bytes */
    const char *decode;     /* exact, none */
    int64_t memory_limit;   /* bytes of the process; 0: most of the machine */
    int64_t image_cpu_limit; /* seconds */
    int64_t sim_cost_us;
    const char *cache;      /* folder of downloaded weights; NULL: common/cache.h's choice */
    int64_t cache_limit;    /* bytes of them; 0: any number */
    struct s3_options s3;
};

#define TUNING_DEFAULTS                                                                              \
    {                                                                                                \
        .engine = "auto", .precision = "auto", .tune = "on", .threads = 32, .fetch_threads = 8, .fetch_memory = 256 << 20, \
        .image_cpu_limit = 20, .fetch_loops = 1, .fetch_concurrency = 128, .fetch_timeout = 30,      \
        .store_timeout = 300, .decode = "exact", .cache_limit = (int64_t)10 << 30                                                      \
    }

/* Rows for a struct option_row table whose target has a member `member` of type struct tuning: what is a worker's own affair, which nobody can tell
 * one that runs already; what a job may ask of any worker; and what a coordinator needs for itself, too. */
#define TUNING_OWN_ROWS(type, member)                                                                                     \
    { 0, "engine", OPTION_CHOICE, offsetof(type, member.engine), "NAME",                                                  \
      "what does the arithmetic", 0, 0, "auto|onednn|cudnn|sim" },                                                        \
    { 0, "ranges", OPTION_TEXT, offsetof(type, member.ranges), "FILE",                                                    \
      "activation ranges for int8; those beside the weights by default", 0, 0, NULL },                                    \
    { 0, "engine-batch", OPTION_INT, offsetof(type, member.engine_batch), "N",                                            \
      "images the engine computes at once; 0: its own choice", 0, 4096, NULL },                                           \
    { 0, "engine-threads", OPTION_INT, offsetof(type, member.engine_threads), "N",                                        \
      "single-threaded streams of a CPU engine; 0: one a core", 0, 1024, NULL },                                          \
    { 0, "devices", OPTION_TEXT, offsetof(type, member.devices), "LIST",                                                  \
      "GPUs to use: 0,1 or all; the first by default", 0, 0, NULL },                                                      \
    { 0, "tune", OPTION_CHOICE, offsetof(type, member.tune), "WHETHER",                                                   \
      "look for a GPU's fastest plans, once, or take the first", 0, 0, "on|off" },                                        \
    { 0, "threads", OPTION_INT, offsetof(type, member.threads), "N", "threads that decode, 32 by default", 1, 1024, NULL }, \
    { 0, "fetch-threads", OPTION_INT, offsetof(type, member.fetch_threads), "N",                                          \
      "threads that read files, 8 by default", 1, 1024, NULL },                                                           \
    { 0, "fetch-loops", OPTION_INT, offsetof(type, member.fetch_loops), "N",                                              \
      "event loops that fetch s3:// and http(s)://, 1 by default", 1, 64, NULL },                                         \
    { 0, "fetch-concurrency", OPTION_INT, offsetof(type, member.fetch_concurrency), "N",                                  \
      "objects fetched at once by all of them, 128 by default", 1, 4096, NULL },                                          \
    { 0, "fetch-timeout", OPTION_INT, offsetof(type, member.fetch_timeout), "S",                                          \
      "seconds without progress after which an object is asked for again, 30 by default", 1, 86400, NULL },               \
    { 0, "fetch-memory", OPTION_SIZE, offsetof(type, member.fetch_memory), "SIZE",                                        \
      "how much may be fetched and not yet decoded, 256M by default", 1 << 20, INT64_MAX, NULL },                         \
    { 0, "memory-limit", OPTION_SIZE, offsetof(type, member.memory_limit), "SIZE",                                        \
      "memory that a worker may hold; 0: most of the machine", 0, INT64_MAX, NULL },                                      \
    { 0, "image-cpu-limit", OPTION_INT, offsetof(type, member.image_cpu_limit), "S",                                      \
      "seconds of processor time that decoding an image may take, 20 by default", 1, 86400, NULL },                       \
    { 0, "decode", OPTION_CHOICE, offsetof(type, member.decode), "HOW",                                                   \
      "exact: as Pillow; fast: photos much larger than wanted in less time; none: not at all, to measure fetching", 0, 0, "exact|fast|none" },          \
    { 0, "sim-cost-us", OPTION_INT, offsetof(type, member.sim_cost_us), "N",                                              \
      "engine sim: microseconds an image takes", 0, 60000000, NULL }

/* What decides a job's numbers beside its model: said to every worker (hello), to those of a list, too. */
#define TUNING_JOB_ROWS(type, member)                                                                                     \
    { 0, "precision", OPTION_CHOICE, offsetof(type, member.precision), "NAME",                                            \
      "number format of the engine", 0, 0, "auto|f32|f16|bf16|int8" },                                                    \
    { 0, "recheck", OPTION_INT, offsetof(type, member.recheck), "N",                                                      \
      "int8 on a CPU: images whose second class is within N % of the first are computed again in f32, none by default", 0, 100, NULL }

#define TUNING_SHARED_ROWS(type, member)                                                                                  \
    { 0, "store-timeout", OPTION_INT, offsetof(type, member.store_timeout), "S",                                          \
      "seconds that a store which does not answer is waited for, 300 by default", 0, 864000, NULL },                      \
    { 0, "cache", OPTION_TEXT, offsetof(type, member.cache), "DIR",                                                       \
      "where downloaded weights and a GPU's plans are kept, ~/.cache/sleddog by default", 0, 0, NULL },                   \
    { 0, "cache-limit", OPTION_SIZE, offsetof(type, member.cache_limit), "SIZE",                                          \
      "how much of downloaded and lent models is kept there, 10G by default; 0: all", 0, INT64_MAX, NULL },               \
    S3_ROWS(type, member.s3)

#define TUNING_ROWS(type, member) TUNING_OWN_ROWS(type, member), TUNING_JOB_ROWS(type, member), TUNING_SHARED_ROWS(type, member)

/* Whether an option of this name is in TUNING_OWN_ROWS. */
bool tuning_is_own(const char *name);

/* Whether --precision takes this word. */
bool tuning_knows_precision(const char *word);

/* -EINVAL for options that can never work, by themselves or together: before anything is loaded for them. */
int tuning_check(const struct tuning *tuning, struct why *why);

/* Writes the arguments that make a worker work like this: NUL-separated "--engine", "auto", ... */
int tuning_arguments(const struct tuning *tuning, struct bytes *out);
