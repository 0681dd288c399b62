/* fetch_bed.h: the event loops that fetch (worker/fetch/loops.h), against a server in this process that behaves well and badly.
 *
 *     struct web *web = fetch_bed_serve(&(struct web_spec){ .delay_ms = 20 });
 *     fetch_bed_open(&(struct fetch_setting){ .concurrency = 50 });
 *     fetch_bed_submit_many(web, 500, "/%d.jpg");
 *     fetch_bed_check_all_right(500);
 *     fetch_bed_close();
 *     web_stop(web);
 *
 * Threads:   the test's only one; the loops have their own, which write outcomes.
 * Ownership: items are borrowed until they are done.
 * Errors:    fail the test. */
#pragma once

#include "tests/cluster/lib/web.h"
#include "tests/test.h"
#include "worker/fetch/loops.h"

#include <pthread.h>

#define FETCH_BODY      30000
#define FETCH_ITEMS_MAX 1000

/* What came of an item. */
struct fetch_outcome {
    enum row_error error;
    char detail[LIMIT_TEXT];
    size_t size;
    bool right; /* the bytes are those of fetch_bed_body() */
    int place;  /* in the order of arrival */
};

/* There is one at a time. */
extern struct fetch_bed {
    struct loops *loops;
    struct budget budget;
    struct blocks blocks;
    struct stage stage;
    struct work *work;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    int done;
    size_t most_held; /* bytes of the budget */
    bool keep;        /* bytes are not given back when they have come */
    struct fetch_outcome outcomes[FETCH_ITEMS_MAX]; /* of the items in their order */
} fetch_bed;

/* 0: what is usual. */
struct fetch_setting {
    int threads, concurrency;
    size_t file_bytes, budget;
    int stall_ms, store_timeout_ms;
};

/* What the server has under every path. */
const char *fetch_bed_body(void); /* FETCH_BODY bytes */
struct web *fetch_bed_serve(const struct web_spec *spec);

void fetch_bed_open(const struct fetch_setting *setting);
void fetch_bed_close(void); /* everything is fetched, and nothing is left over */

/* Items of a new work, the loops' only one. */
struct rec_item fetch_bed_item(const char *uri);
void fetch_bed_submit(const struct rec_item *items, uint32_t count);

/* `count` items named by `format` and their number. */
__attribute__((format(printf, 3, 0))) void fetch_bed_submit_many(const struct web *web, int count, const char *format);

void fetch_bed_wait(int count);
void fetch_bed_check_all_right(int count); /* waits for so many */

/* One item, from fetch_bed_open() to fetch_bed_close(). */
const struct fetch_outcome *fetch_bed_fetch(const struct fetch_setting *setting, const char *uri);
const struct fetch_outcome *fetch_bed_fetch_item(const struct fetch_setting *setting, struct rec_item item);
