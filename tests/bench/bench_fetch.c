/* bench_fetch.c: requests a second from an origin that answers late: our event loops, a bare curl_multi loop, and 32 threads that block.
 *
 *     bench_fetch DELAY_MS IN_FLIGHT ROUNDS SECONDS [COORDINATOR]
 *
 * They take turns, ROUNDS times; the origin is a thread of this process, so all share its processors alike. The bare loop throws away what it
 * gets; ours hands over whole, checked files; so there is a bare loop that keeps them too. Given the program, the whole way is measured as well:
 * `run --engine sim --decode none` over a list of addresses, from its first batch to its last row. */
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/thread.h"
#include "tests/bench/checks.h"
#include "tests/cluster/lib/web.h"
#include "tests/temporary.h"
#include "tests/test.h"
#include "worker/fetch/loops.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>

#define SIZE    110000 /* bytes of an object */
#define BATCH   64
#define THREADS 32

struct figure {
    double rate;   /* requests a second */
    double cpu_us; /* of one, in the threads that fetch; 0: not known */
};

static struct web *web;
static double seconds;

static double now(void)
{
    return (double)clock_now_ns() / 1e9;
}

static size_t discard(const char *data, size_t one, size_t size, void *arg)
{
    (void)data, (void)one, (void)arg;
    return size;
}

/* Keeps the bytes, as whoever wants to decode them must. */
struct kept {
    char *data;
    size_t size;
};

static size_t keep(const char *data, size_t one, size_t size, void *arg)
{
    struct kept *kept = arg;
    (void)one;
    if (!kept->data)
        kept->data = malloc(SIZE);
    if (!kept->data || kept->size + size > SIZE)
        return 0;
    memcpy(kept->data + kept->size, data, size);
    kept->size += size;
    return size;
}

static CURL *new_handle(int number)
{
    CURL *curl = curl_easy_init();
    char path[64];
    CHECK(curl);
    snprintf(path, sizeof(path), "/f%d/%d.jpg", number % 7, number);
    curl_easy_setopt(curl, CURLOPT_URL, web_url(web, path));
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, discard);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    return curl;
}

/* ---- a bare curl_multi loop ---- */

static struct figure run_bare(int in_flight, bool keeps)
{
    CURLM *multi = curl_multi_init();
    CURL *handles[in_flight];
    struct kept kept[in_flight];
    memset(kept, 0, sizeof(kept));
    int running, left;
    uint64_t done = 0, cpu = clock_thread_cpu_ns();
    for (int i = 0; i < in_flight; i++) {
        handles[i] = new_handle(i);
        if (keeps) {
            curl_easy_setopt(handles[i], CURLOPT_WRITEFUNCTION, keep);
            curl_easy_setopt(handles[i], CURLOPT_WRITEDATA, &kept[i]);
            curl_easy_setopt(handles[i], CURLOPT_PRIVATE, &kept[i]);
        }
        curl_multi_add_handle(multi, handles[i]);
    }
    double start = now(), end = start + seconds;
    while (now() < end) {
        curl_multi_perform(multi, &running);
        for (CURLMsg *message; (message = curl_multi_info_read(multi, &left));) {
            CURL *curl = message->easy_handle;
            CHECK_INT(message->data.result, CURLE_OK);
            done++;
            struct kept *file = NULL;
            curl_easy_getinfo(curl, CURLINFO_PRIVATE, &file);
            if (file) { /* handed over */
                free(take(file->data));
                file->size = 0;
            }
            curl_multi_remove_handle(multi, curl);
            curl_multi_add_handle(multi, curl);
        }
        curl_multi_poll(multi, NULL, 0, 100, NULL);
    }
    struct figure figure = { (double)done / (now() - start), (double)(clock_thread_cpu_ns() - cpu) / 1e3 / (double)done };
    for (int i = 0; i < in_flight; i++) {
        curl_multi_remove_handle(multi, handles[i]);
        curl_easy_cleanup(handles[i]);
        free(kept[i].data);
    }
    curl_multi_cleanup(multi);
    return figure;
}

/* ---- threads that block ---- */

struct blocking {
    struct thread thread;
    double end;
    int number;
    uint64_t done, cpu_ns;
};

static void run_blocking(void *arg)
{
    struct blocking *blocking = arg;
    CURL *curl = new_handle(blocking->number);
    while (now() < blocking->end) {
        CHECK_INT(curl_easy_perform(curl), CURLE_OK);
        blocking->done++;
    }
    curl_easy_cleanup(curl);
    blocking->cpu_ns = clock_thread_cpu_ns();
}

static struct figure run_threads(int count)
{
    static struct blocking blocking[THREADS];
    uint64_t done = 0, cpu = 0;
    double start = now();
    for (int i = 0; i < count; i++) {
        blocking[i] = (struct blocking){ .end = start + seconds, .number = i };
        CHECK_INT(thread_start(&blocking[i].thread, "blocking", run_blocking, &blocking[i]), 0);
    }
    for (int i = 0; i < count; i++) {
        thread_join(&blocking[i].thread);
        done += blocking[i].done;
        cpu += blocking[i].cpu_ns;
    }
    return (struct figure){ (double)done / (now() - start), (double)cpu / 1e3 / (double)done };
}

/* ---- ours ---- */

static struct ours {
    struct loops *loops;
    struct budget budget;
    struct blocks blocks;
    struct stage stage;
    atomic_uint inside, done;
    pthread_mutex_t lock;
    pthread_cond_t freed;
    struct work *works; /* to be freed */
} ours = { .lock = PTHREAD_MUTEX_INITIALIZER, .freed = PTHREAD_COND_INITIALIZER };

static void on_done(void *arg, struct task *task, enum row_error error, const char *detail)
{
    (void)arg;
    if (error && error != ROW_ERRORS)
        test_fail(__FILE__, __LINE__, "%s", detail);
    if (!error)
        budget_give(&ours.budget, task->size);
    blocks_give(&ours.blocks, take(task->data), task->size);
    atomic_fetch_add(&ours.done, 1);
    if (atomic_fetch_sub(&task->work->unfinished, 1) != 1)
        return;
    pthread_mutex_lock(&ours.lock);
    task->work->next = ours.works;
    ours.works = task->work;
    atomic_fetch_sub(&ours.inside, BATCH);
    pthread_cond_signal(&ours.freed);
    pthread_mutex_unlock(&ours.lock);
}

static void free_works(void)
{
    while (ours.works) {
        struct work *work = ours.works;
        ours.works = work->next;
        work_free(work);
    }
}

static void submit_batch(int number)
{
    static char uris[BATCH][128];
    struct rec_item items[BATCH];
    struct work *work;
    for (int i = 0; i < BATCH; i++) {
        char path[64];
        snprintf(path, sizeof(path), "/f%d/%d.jpg", number % 7, number * BATCH + i);
        snprintf(uris[i], sizeof(uris[i]), "%s", web_url(web, path));
        items[i] = (struct rec_item){ .uri = { uris[i], (uint32_t)strlen(uris[i]) }, .etag = "" };
    }
    CHECK_INT(work_new((uint64_t)number, 1, items, BATCH, 1, 0, &work), 0);
    atomic_fetch_add(&ours.inside, BATCH);
    for (int i = 0; i < BATCH; i++)
        loops_submit(ours.loops, &work->tasks[i]);
}

static struct figure run_ours(int in_flight)
{
    struct why why;
    struct loops_spec spec = { .threads = 1, .concurrency = in_flight, .file_bytes = 64 << 20, .stall_ns = 30 * NS_PER_S, .store_timeout_ns = NS_PER_S,
                               .budget = &ours.budget, .blocks = &ours.blocks, .stage = &ours.stage, .done = on_done };
    budget_init(&ours.budget, 256 << 20);
    blocks_init(&ours.blocks, 32 << 20);
    stage_init(&ours.stage, "fetch", 1);
    if (loops_new(&spec, &ours.loops, &why) < 0)
        test_fail(__FILE__, __LINE__, "%s", why.text);
    atomic_store(&ours.done, 0);
    double start = now(), end = start + seconds;
    for (int number = 0; now() < end; number++) {
        pthread_mutex_lock(&ours.lock);
        while (atomic_load(&ours.inside) > (unsigned)(8 * in_flight))
            pthread_cond_wait(&ours.freed, &ours.lock);
        free_works();
        pthread_mutex_unlock(&ours.lock);
        submit_batch(number);
    }
    double took = now() - start;
    unsigned done = atomic_load(&ours.done);
    loops_free(ours.loops);
    struct figure figure = { (double)done / took, (double)atomic_load(&ours.stage.busy_ns) / 1e3 / (double)done };
    free_works();
    budget_done(&ours.budget);
    blocks_done(&ours.blocks);
    return figure;
}

/* ---- the programs ---- */

static void write_list(const char *folder, int images)
{
    char path[TEMPORARY_NAME + 32];
    snprintf(path, sizeof(path), "%s/list", folder);
    FILE *list = fopen(path, "w");
    CHECK(list);
    for (int i = 0; i < images; i++)
        fprintf(list, "http://127.0.0.1:%d/f%d/%d.jpg\n", web_port(web), i % 7, i);
    CHECK(fclose(list) == 0);
}

/* "images_per_s" of summary.json. */
static double read_rate(const char *folder)
{
    char path[TEMPORARY_NAME + 32], text[65536];
    snprintf(path, sizeof(path), "%s/job/summary.json", folder);
    FILE *file = fopen(path, "r");
    CHECK(file);
    text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
    fclose(file);
    const char *at = strstr(text, "\"images_per_s\":");
    return at ? atof(strchr(at, ':') + 1) : 0;
}

static struct figure run_programs(const char *coordinator, int in_flight, double expected)
{
    char folder[TEMPORARY_NAME], command[2048];
    CHECK(mkdtemp(temporary_name(folder, "bench-fetch")));
    write_list(folder, (int)(expected * seconds));
    snprintf(command, sizeof(command), "cd '%s' && %s run --engine sim --decode none --threads 2 --fetch-concurrency %d --job job --strict @list >out 2>&1 || cat out",
             folder, coordinator, in_flight);
    CHECK(system(command) == 0);
    struct figure figure = { .rate = read_rate(folder) };
    snprintf(command, sizeof(command), "rm -r '%s'", folder);
    CHECK(system(command) == 0);
    return figure;
}

/* ---- */

static int by_rate(const void *a, const void *b)
{
    const struct figure *x = a, *y = b;
    return (x->rate > y->rate) - (x->rate < y->rate);
}

static void print(const char *name, struct figure *figures, int rounds, double bare)
{
    qsort(figures, (size_t)rounds, sizeof(*figures), by_rate);
    struct figure middle = figures[rounds / 2];
    printf("  %-24s %8.0f requests/s", name, middle.rate);
    if (bare > 0)
        printf("   %.2f of the bare loop", middle.rate / bare);
    if (middle.cpu_us > 0)
        printf("   %6.1f us of CPU each", middle.cpu_us);
    printf("\n");
}

int main(int argc, char **argv)
{
    if (argc < 5)
        return fputs("bench_fetch DELAY_MS IN_FLIGHT ROUNDS SECONDS [COORDINATOR]\n", stderr), 2;
    int delay = atoi(argv[1]), in_flight = atoi(argv[2]), rounds = atoi(argv[3]);
    seconds = atof(argv[4]);
    CLEANUP(freep) char *body = calloc(1, SIZE);
    struct figure bare[64], keeping[64], loops[64], threads[64], programs[64];
    CHECK(body && rounds > 0 && rounds <= 64);
    web = web_start(&(struct web_spec){ .delay_ms = delay });
    web_put(web, "*", body, SIZE);
    for (int i = 0; i < rounds; i++) {
        bare[i] = run_bare(in_flight, false);
        loops[i] = run_ours(in_flight);
        keeping[i] = run_bare(in_flight, true);
        if (argc > 5)
            programs[i] = run_programs(argv[5], in_flight, loops[i].rate);
        threads[i] = run_threads(THREADS);
    }
    printf("%d ms, %d in flight, %d bytes, middle of %d rounds of %.0f s (at most %.0f/s)\n", delay, in_flight, SIZE, rounds, seconds,
           in_flight * 1000.0 / (delay ? delay : 1));
    print("bare curl_multi loop", bare, rounds, 0);
    double reference = bare[rounds / 2].rate;
    print("our event loop", loops, rounds, reference);
    if (argc > 5)
        print("coordinator and worker", programs, rounds, reference);
    print("bare loop that keeps", keeping, rounds, reference);
    print("32 blocking threads", threads, rounds, reference);
    web_stop(web);
    return 0;
}
