/* A coordinator that is killed while it lists a bucket goes on where it was. */
#include "common/bytes.h"
#include "common/cleanup.h"
#include "tests/cluster/lib/cluster.h"
#include "tests/origin.h"

#include <signal.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

enum { PREFIXES = 40, KEYS = 30 };

/* A store that takes its time for each page, and counts them. Its objects have one byte. */
struct store {
    atomic_int listed[PREFIXES];
    atomic_int went_on;   /* listings that began behind a key of their folder */
    atomic_bool patient; /* takes more of it */
};

/* The number behind `mark` in what the listing is to begin after; -1: from the beginning. */
static int after(const char *target, const char *mark)
{
    const char *start = strstr(target, "start-after="), *number = start ? strstr(start, mark) : NULL;
    return number ? atoi(number + strlen(mark)) : -1;
}

static void answer_page(int fd, const char *target, int prefix)
{
    struct bytes out;
    char folder[32];
    snprintf(folder, sizeof(folder), "data%%2Fp%03d%%2F", prefix);
    bytes_init(&out, 1 << 20);
    bytes_append_text(&out, "<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>false</IsTruncated>");
    for (int i = after(target, "data%2Fp") + 1; prefix < 0 && i < PREFIXES; i++)
        bytes_printf(&out, "<CommonPrefixes><Prefix>data/p%03d/</Prefix></CommonPrefixes>", i);
    for (int i = after(target, folder) + 1; prefix >= 0 && i < KEYS; i++)
        bytes_printf(&out, "<Contents><Key>data/p%03d/%03d.jpg</Key><ETag>&quot;e&quot;</ETag><Size>1</Size></Contents>", prefix, i);
    bytes_append_text(&out, "</ListBucketResult>");
    origin_answer(fd, 200, "", out.data, out.size);
    bytes_done(&out);
}

static void answer(void *arg, int fd, const struct origin_request *request)
{
    struct store *store = arg;
    const char *prefix = strstr(request->target, "&prefix=data%2Fp");
    if (!strstr(request->target, "list-type=2")) {
        origin_answer(fd, 200, "ETag: \"e\"\r\n", "x", 1);
        return;
    }
    int number = prefix ? atoi(prefix + strlen("&prefix=data%2Fp")) : -1;
    if (number >= 0)
        atomic_fetch_add(&store->listed[number], 1);
    char folder[32];
    snprintf(folder, sizeof(folder), "data%%2Fp%03d%%2F", number);
    if (number >= 0 && after(request->target, folder) >= 0)
        atomic_fetch_add(&store->went_on, 1);
    nanosleep(&(struct timespec){ .tv_nsec = atomic_load(&store->patient) ? 60000000 : 1000000 }, NULL);
    answer_page(fd, request->target, number);
}

static void use_store(const char *endpoint)
{
    setenv("AWS_ACCESS_KEY_ID", "id", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "secret", 1);
    setenv("AWS_ENDPOINT_URL", endpoint, 1);
    setenv("AWS_REGION", "us-east-1", 1);
    setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
}

static void forget(struct store *store)
{
    for (int i = 0; i < PREFIXES; i++)
        atomic_store(&store->listed[i], 0);
}

static int listed_prefixes(struct store *store)
{
    int count = 0;
    for (int i = 0; i < PREFIXES; i++)
        count += atomic_load(&store->listed[i]) > 0;
    return count;
}

TEST(a_coordinator_that_is_killed_while_it_lists_a_bucket_goes_on_behind_what_it_has)
{
    static struct store store;
    struct origin *origin = origin_start(answer, &store);
    struct process run;
    use_store(origin_url(origin));
    CHECK_INT(COORDINATE("expected", "run", "--local", "1", "--engine", "sim", "--decode", "none", "--batch", "10", "--job", "expected", "s3://bucket/data/"), 0);
    forget(&store);
    atomic_store(&store.patient, true);
    BEGIN(&run, "run", "run", "--local", "1", "--engine", "sim", "--decode", "none", "--batch", "10", "--job", "job", "s3://bucket/data/");
    WAIT_FOR(listed_prefixes(&store) > PREFIXES / 2 && job_done("job") > 2 * KEYS); /* batches are stored in order: the first two prefixes are safe */
    process_signal(&run, SIGKILL);
    process_end(&run);
    CHECK(listed_prefixes(&store) < PREFIXES); /* it was in the midst of it */
    forget(&store);
    atomic_store(&store.went_on, 0);
    atomic_store(&store.patient, false);
    CHECK_INT(COORDINATE("resume", "resume", "--engine", "sim", "--decode", "none", "job"), 0);
    /* The first folders were safe, and are not asked for again; the one that was not complete goes on behind its last key. */
    CHECK_INT(atomic_load(&store.went_on), 1);
    CHECK_INT(atomic_load(&store.listed[0]) + atomic_load(&store.listed[1]), 0);
    CHECK(atomic_load(&store.listed[PREFIXES - 1]) > 0);
    check_same_file("job/predictions.jsonl", "expected/predictions.jsonl");
    origin_stop(origin);
}
