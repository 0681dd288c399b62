/* A coordinator that is killed while it lists a bucket goes on where it was. */
#include "common/bytes.h"
#include "common/cleanup.h"
#include "tests/cluster/lib/cluster.h"
#include "tests/origin.h"

#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

/* STUCK: the folder that the store does not list for a while. AHEAD: pages that may have been listed behind it meanwhile, with those under way (docs/s3.md). */
enum { PREFIXES = 1000, KEYS = 10, STUCK = 100, BATCH = 7 /* as below */, AHEAD = 250 + 16 };

/* A store that counts what it lists. Its objects have one byte. */
struct store {
    atomic_int listed[PREFIXES];
    atomic_int went_on; /* listings that began behind a key of their folder */
    atomic_bool stuck;
    atomic_bool down;       /* says 503 to all but the first folders */
    int bad;                /* answers of this number to each 100th folder are 503 */
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
    bool refused = (atomic_load(&store->down) && number > STUCK) || (number >= 0 && number % 100 == 0 && atomic_load(&store->listed[number]) <= store->bad);
    if (refused)
        origin_answer(fd, 503, "", "", 0);
    else if (number != STUCK || !atomic_load(&store->stuck))
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

#define LIST(name) "run", "--local", "1", "--engine", "sim", "--decode", "none", "--batch", "7", "--job", name, "s3://bucket/data/"

TEST(a_coordinator_that_is_killed_while_it_lists_a_bucket_goes_on_behind_what_it_has)
{
    static struct store store;
    struct origin *origin = origin_start(answer, &store);
    struct process run;
    use_store(origin_url(origin));
    CHECK_INT(COORDINATE("expected", LIST("expected")), 0);
    forget(&store);
    atomic_store(&store.stuck, true);
    BEGIN(&run, "run", LIST("job"));
    /* All that it can have: whole batches of what stands before the folder that keeps it waiting. And it lists ahead, so far as it may. */
    WAIT_FOR(job_done("job") == STUCK * KEYS / BATCH * BATCH && listed_prefixes(&store) >= STUCK + 240);
    process_signal(&run, SIGKILL);
    process_end(&run);
    CHECK(listed_prefixes(&store) <= STUCK + 1 + AHEAD);
    forget(&store);
    atomic_store(&store.went_on, 0);
    atomic_store(&store.stuck, false);
    CHECK_INT(COORDINATE("resume", "resume", "--engine", "sim", "--decode", "none", "job"), 0);
    /* What was stored whole is not asked for again; the folder of the last key that was goes on behind it; all others are listed. */
    for (int i = 0; i < PREFIXES; i++)
        CHECK_INT(atomic_load(&store.listed[i]), i >= STUCK - 1);
    CHECK_INT(atomic_load(&store.went_on), 1);
    check_same_file("job/predictions.jsonl", "expected/predictions.jsonl");
    origin_stop(origin);
}

/* More often than one request is tried: one of many pages has such luck when a fifth of all answers is bad. */
TEST(a_page_that_fails_again_and_again_does_not_end_a_listing)
{
    static struct store store = { .bad = 4 };
    struct origin *origin = origin_start(answer, &store);
    use_store(origin_url(origin));
    CHECK_INT(COORDINATE("run", LIST("run")), 0);
    CHECK_INT(job_done("run"), PREFIXES * KEYS);
    origin_stop(origin);
}

TEST(a_store_that_is_down_while_it_is_listed_is_waited_for)
{
    static struct store store = { .down = true };
    struct origin *origin = origin_start(answer, &store);
    struct process run;
    use_store(origin_url(origin));
    BEGIN(&run, "run", LIST("run"));
    WAIT_FOR(process_said(&run, "the store is waited for"));
    atomic_store(&store.down, false);
    CHECK_INT(process_end(&run), 0);
    check_contains("run.err", "the store answers again");
    CHECK_INT(job_done("run"), PREFIXES * KEYS);
    atomic_store(&store.down, true);
    CHECK_INT(COORDINATE("given-up", LIST("given-up"), "--store-timeout", "0"), 1);
    check_contains("given-up.err", "has trouble (status 503)");
    origin_stop(origin);
}
