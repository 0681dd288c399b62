/* What a run goes through with its store: tokens that end, other regions, roles that are renewed. Whole programs against small stores in this process that
 * follow the public API, and against Swift, which minds its region. */
#include "common/bytes.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "tests/cluster/lib/bucket.h"
#include "tests/cluster/lib/cluster.h"
#include "tests/cluster/lib/photos.h"
#include "tests/cluster/lib/preload.h"
#include "tests/cluster/lib/table.h"
#include "tests/origin.h"

#include <signal.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#define LIFE_S 4 /* of what STS gives out */

/* A store with `keys` objects of one byte in bucket/data/, and STS beside it. */
struct store {
    int keys, delay_ms;           /* of a GET */
    const char *region;           /* that must be signed for; NULL: any */
    bool redirects;               /* says so as old buckets do, with 301 and a header */
    bool wrong_clock;             /* takes no request's time, and does not say what its own is */
    atomic_int refused, fetched;
    atomic_int valid;             /* number of the token that is taken; 0: by their times */
    atomic_int given;             /* roles that were given out */
    atomic_int used[64];          /* GETs with each token */
    double ends_s[64];            /* of each token */
};

static int fail(struct store *store, int fd, int status, const char *headers, const char *code, const char *more)
{
    char text[512];
    int size = snprintf(text, sizeof(text), "<Error><Code>%s</Code><Message>no</Message>%s</Error>", code, more);
    atomic_fetch_add(&store->refused, 1);
    origin_answer(fd, status, headers, text, (size_t)size);
    return -1;
}

static int check_region(struct store *store, int fd, const struct origin_request *request)
{
    char text[1024], scope[64], more[128];
    snprintf(scope, sizeof(scope), "/%s/s3/aws4_request", store->region ? store->region : "");
    if (!store->region || (origin_header(request, "Authorization", text, sizeof(text)) && strstr(text, scope)))
        return 0;
    snprintf(more, sizeof(more), store->redirects ? "x-amz-bucket-region: %s\r\n" : "<Region>%s</Region>", store->region);
    return store->redirects ? fail(store, fd, 301, more, "PermanentRedirect", "") : fail(store, fd, 400, "", "AuthorizationHeaderMalformed", more);
}

/* Tokens are "T1", "T2", ... */
static int check_token(struct store *store, int fd, const struct origin_request *request)
{
    char token[64];
    if (!origin_header(request, "x-amz-security-token", token, sizeof(token)))
        return store->valid ? fail(store, fd, 403, "", "AccessDenied", "") : 0;
    int number = atoi(token + 1), valid = atomic_load(&store->valid);
    if (number < 1 || number > 63 || (valid ? number != valid : clock_wall_s() > store->ends_s[number]))
        return fail(store, fd, 400, "", "ExpiredToken", "");
    atomic_fetch_add(&store->used[number], strstr(request->target, "list-type=2") == NULL);
    return 0;
}

static void answer_list(const struct store *store, int fd)
{
    struct bytes out;
    bytes_init(&out, 1 << 20);
    bytes_append_text(&out, "<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>false</IsTruncated>");
    for (int i = 0; i < store->keys; i++)
        bytes_printf(&out, "<Contents><Key>data/%03d.jpg</Key><ETag>&quot;e&quot;</ETag><Size>1</Size></Contents>", i);
    bytes_append_text(&out, "</ListBucketResult>");
    origin_answer(fd, 200, "", out.data, out.size);
    bytes_done(&out);
}

static void give_role(struct store *store, int fd, const struct origin_request *request)
{
    char text[1024], date[32];
    int number = atomic_fetch_add(&store->given, 1) + 1;
    double end_s = clock_wall_s() + LIFE_S;
    time_t whole = (time_t)end_s;
    struct tm utc;
    CHECK_CONTAINS(request->body, "Action=AssumeRoleWithWebIdentity");
    CHECK_CONTAINS(request->body, "WebIdentityToken=who");
    CHECK(number < 64);
    store->ends_s[number] = end_s;
    strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&whole, &utc));
    int size = snprintf(text, sizeof(text), "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleWithWebIdentityResult>"
                        "<Credentials><AccessKeyId>ROLE</AccessKeyId><SecretAccessKey>hush</SecretAccessKey><SessionToken>T%d</SessionToken><Expiration>%s</Expiration>"
                        "</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>", number, date);
    origin_answer(fd, 200, "", text, (size_t)size);
}

static void answer(void *arg, int fd, const struct origin_request *request)
{
    struct store *store = arg;
    if (!strcmp(request->method, "POST")) {
        give_role(store, fd, request);
        return;
    }
    if (store->wrong_clock) {
        fail(store, fd, 403, "", "RequestTimeTooSkewed", "");
        return;
    }
    if (check_region(store, fd, request) < 0 || check_token(store, fd, request) < 0)
        return;
    if (strstr(request->target, "list-type=2")) {
        answer_list(store, fd);
        return;
    }
    nanosleep(&(struct timespec){ .tv_nsec = store->delay_ms * 1000000l }, NULL);
    atomic_fetch_add(&store->fetched, 1);
    origin_answer(fd, 200, "ETag: \"e\"\r\n", "x", 1);
}

static void use_store(const char *endpoint)
{
    static const char *const others[] = { "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_DEFAULT_REGION", "AWS_REGION",
                                          "AWS_ENDPOINT_URL_S3", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE" };
    for (size_t i = 0; i < ARRAY_SIZE(others); i++)
        unsetenv(others[i]);
    setenv("AWS_ENDPOINT_URL", endpoint, 1);
    setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
    setenv("AWS_CONFIG_FILE", "/dev/null", 1);
    setenv("AWS_SHARED_CREDENTIALS_FILE", "credentials", 1);
}

static void use_keys(const char *token)
{
    setenv("AWS_ACCESS_KEY_ID", "id", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "hush", 1);
    if (token)
        setenv("AWS_SESSION_TOKEN", token, 1);
}

#define RUN(name, ...) \
    COORDINATE(name, "run", "--local", "1", "--engine", "sim", "--decode", "none", "--batch", "10", "--strict", "--job", name, __VA_ARGS__, "s3://bucket/data/")

/* ---- tokens ---- */

TEST(a_token_that_has_expired_is_told_before_anything_is_done)
{
    static struct store store = { .keys = 20, .valid = 2 };
    struct origin *origin = origin_start(answer, &store);
    use_store(origin_url(origin));
    use_keys("T1");
    CHECK_INT(RUN("expired", "--region", "us-east-1"), 1);
    check_contains("expired.err", "the session token of the environment has expired; renew it there, or use a source that is renewed by itself");
    check_lacks("expired.err", "hush");
    CHECK_INT(atomic_load(&store.fetched), 0);
    origin_stop(origin);
}

static void write_token(int number)
{
    char text[128];
    snprintf(text, sizeof(text), "[default]\naws_access_key_id=id\naws_secret_access_key=hush\naws_session_token=T%d\n", number);
    write_text("credentials.new", text);
    CHECK_INT(rename("credentials.new", "credentials"), 0);
}

/* Somebody renews the file, as sign-in helpers do; then the store takes the old token no more. */
TEST(a_token_that_expires_during_a_run_is_replaced_from_its_file)
{
    static struct store store = { .keys = 100, .delay_ms = 10, .valid = 1 };
    struct origin *origin = origin_start(answer, &store);
    struct process run;
    use_store(origin_url(origin));
    write_token(1);
    BEGIN(&run, "run", "run", "--local", "1", "--engine", "sim", "--decode", "none", "--batch", "10", "--strict", "--fetch-concurrency", "4", "--job", "run",
          "s3://bucket/data/");
    WAIT_FOR(atomic_load(&store.fetched) > 20);
    write_token(2);
    atomic_store(&store.valid, 2);
    CHECK_INT(process_end(&run), 0);
    CHECK(atomic_load(&store.refused) > 0 && atomic_load(&store.used[1]) > 0 && atomic_load(&store.used[2]) > 0);
    CHECK_INT(atomic_load(&store.fetched), 100);
    origin_stop(origin);
}

/* The same without anybody who renews it: the images of the rest are denied, which says why, and `retry` has them when there is a new one. */
TEST(a_token_that_expires_and_is_not_renewed_costs_rows_that_say_so)
{
    static struct store store = { .keys = 60, .delay_ms = 20, .valid = 1 };
    struct origin *origin = origin_start(answer, &store);
    struct process run;
    struct table table;
    use_store(origin_url(origin));
    use_keys("T1");
    BEGIN(&run, "run", "run", "--local", "1", "--engine", "sim", "--decode", "none", "--batch", "10", "--strict", "--fetch-concurrency", "2", "--job", "run",
          "s3://bucket/data/");
    WAIT_FOR(job_done("run") > 10);
    atomic_store(&store.valid, 2);
    CHECK_INT(process_end(&run), 3);
    table_read(&table, "run/predictions.jsonl");
    CHECK(table_count(&table, "denied") > 0 && table_count(&table, "denied") + table_count(&table, "") == 60);
    table_done(&table);
    check_contains("run/predictions.jsonl", "the session token of the environment has expired");
    use_keys("T2");
    CHECK_INT(COORDINATE("retry", "retry", "--engine", "sim", "--decode", "none", "--strict", "run"), 0);
    origin_stop(origin);
}

/* Coordinator and worker each assume the role, again and again, and no image notices. */
TEST(a_role_that_ends_every_few_seconds_is_renewed_during_a_run)
{
    static struct store store = { .keys = 90, .delay_ms = 100 };
    struct origin *origin = origin_start(answer, &store);
    use_store(origin_url(origin));
    write_text("identity", "who");
    setenv("AWS_WEB_IDENTITY_TOKEN_FILE", "identity", 1);
    setenv("AWS_ROLE_ARN", "arn:aws:iam::1:role/r", 1);
    setenv("AWS_REGION", "us-east-1", 1);
    CHECK_INT(RUN("run", "--fetch-concurrency", "2"), 0);
    int tokens = 0;
    for (int i = 1; i < 64; i++)
        tokens += atomic_load(&store.used[i]) > 0;
    CHECK(tokens >= 2 && atomic_load(&store.given) > tokens);
    CHECK_INT(atomic_load(&store.fetched), 90);
    check_lacks("run.err", "hush");
    origin_stop(origin);
}

/* ---- regions ---- */

static void check_moves(bool redirects)
{
    struct store store = { .keys = 50, .region = "eu-west-9", .redirects = redirects };
    struct origin *origin = origin_start(answer, &store);
    use_store(origin_url(origin));
    use_keys(NULL);
    CHECK_INT(RUN(redirects ? "redirect" : "malformed", "--region", "us-east-1", "--fetch-concurrency", "8"), 0);
    CHECK_INT(atomic_load(&store.fetched), 50);
    int refused = atomic_load(&store.refused); /* once in the coordinator, and in the worker by those that were under way at first */
    CHECK(refused >= 2 && refused <= 16 + 8);
    origin_stop(origin);
}

TEST(a_run_goes_on_in_the_region_that_the_store_names)
{
    check_moves(false);
    check_moves(true);
}

TEST(a_run_with_the_wrong_region_finds_the_right_one_on_swift)
{
    CLEANUP(bucket_closep) struct bucket *bucket = bucket_open("swift");
    char source[128], output[128], key[32];
    model_write("model.safetensors", 1000);
    photos_draw("photos", 6);
    for (int i = 0; i < 6; i++) {
        char path[64];
        size_t size;
        snprintf(path, sizeof(path), "photos/%c/%03d.jpg", 'a' + i % 2, i);
        snprintf(key, sizeof(key), "photos/%03d.jpg", i);
        CLEANUP(freep) char *data = test_read_file(path, &size);
        bucket_put(bucket, key, strlen(key), data, size);
    }
    snprintf(source, sizeof(source), "s3://%s/photos/", bucket->name);
    snprintf(output, sizeof(output), "s3://%s/out/", bucket->name);
    CHECK_INT(COORDINATE("run", "run", "--region", "eu-west-9", "--weights", "model.safetensors", "--strict", "--job", "job", "-o", output, source), 0);
    size_t size;
    CLEANUP(freep) char *table = bucket_get(bucket, "out/predictions.jsonl", &size);
    CHECK(table && size);
}

/* ---- clocks ---- */

TEST(a_clock_that_is_wrong_costs_a_warning_and_nothing_else_on_ceph)
{
    CLEANUP(bucket_closep) struct bucket *bucket = bucket_open("rgw");
    char source[128];
    bucket_put_text(bucket, "data/a.jpg", "a");
    bucket_put_text(bucket, "data/b.jpg", "b");
    snprintf(source, sizeof(source), "s3://%s/data/", bucket->name);
    preload("clock", "SLEDDOG_CLOCK", "7200");
    CHECK_INT(COORDINATE("ahead", "run", "--engine", "sim", "--decode", "none", "--strict", "--job", "ahead", source), 0);
    check_contains("ahead.err", "s ahead of that of 127.0.0.1:");
    preload("clock", "SLEDDOG_CLOCK", "-7200");
    CHECK_INT(COORDINATE("behind", "run", "--engine", "sim", "--decode", "none", "--strict", "--job", "behind", source), 0);
    check_contains("behind.err", "s behind that of 127.0.0.1:");
    check_contains("behind.err", "set this machine's clock");
    preload_none();
}

TEST(a_clock_that_cannot_be_corrected_is_told_before_anything_is_done)
{
    static struct store store = { .keys = 20, .wrong_clock = true };
    struct origin *origin = origin_start(answer, &store);
    use_store(origin_url(origin));
    use_keys(NULL);
    CHECK_INT(RUN("skewed", "--region", "us-east-1"), 1);
    check_contains("skewed.err", "differ by more than signatures allow; set this machine's clock");
    CHECK_INT(atomic_load(&store.fetched), 0);
    origin_stop(origin);
}

/* ---- weights ---- */

/* The coordinator takes the hash; the workers have caches of their own, and are told where the store is. */
TEST(weights_out_of_a_store_give_what_the_file_gives)
{
    CLEANUP(bucket_closep) struct bucket *bucket = bucket_open("rgw");
    CLEANUP(freep) char *endpoint = strdup(getenv("AWS_ENDPOINT_URL"));
    struct daemon daemon;
    char address[256], pinned[512], hex[80];
    size_t size;
    model_write("model.safetensors", 1000);
    photos_draw("photos", 8);
    CLEANUP(freep) char *data = test_read_file("model.safetensors", &size);
    bucket_put(bucket, "models/a #1?+.safetensors", 25, data, size);
    snprintf(address, sizeof(address), "s3://%s/models/a #1?+.safetensors", bucket->name);
    unsetenv("AWS_ENDPOINT_URL");
    WORKER(&daemon, "one", "--cache", "cache-of-worker");
    setenv("AWS_ENDPOINT_URL", endpoint, 1);
    write_node("nodes", &daemon);
    CHECK_INT(COORDINATE("file", "run", "--weights", "model.safetensors", "--job", "file", "photos"), 0);
    CHECK_INT(COORDINATE("store", "run", "--nodes", "nodes", "--cache", "cache", "--weights", address, "--job", "store", "photos"), 0);
    check_same_file("file/predictions.jsonl", "store/predictions.jsonl");
    check_contains("store.err", "downloading s3://");
    check_contains("one.err", "downloading s3://");
    check_contains("store.out", address);
    /* Once. And only what is wanted is taken. */
    CHECK_INT(COORDINATE("again", "run", "--nodes", "nodes", "--cache", "cache", "--weights", address, "--job", "again", "photos"), 0);
    check_lacks("again.err", "downloading");
    CLEANUP(freep) char *hash = NULL;
    CHECK_INT(test_shell(&hash, "sha256sum <model.safetensors"), 0);
    snprintf(hex, sizeof(hex), "%.64s", hash);
    snprintf(pinned, sizeof(pinned), "%s#sha256=%s", address, hex);
    CHECK_INT(COORDINATE("pinned", "run", "--local", "1", "--cache", "cache", "--weights", pinned, "--job", "pinned", "photos"), 0);
    snprintf(pinned, sizeof(pinned), "%s#sha256=%064d", address, 1);
    CHECK_INT(COORDINATE("another", "run", "--local", "1", "--cache", "cache", "--weights", pinned, "--job", "another", "photos"), 1);
    check_contains("another.err", "and 000000000000... is wanted; the file there is another");
    snprintf(address, sizeof(address), "s3://%s/models/none.safetensors", bucket->name);
    CHECK_INT(COORDINATE("none", "run", "--local", "1", "--cache", "cache", "--weights", address, "--job", "none", "photos"), 1);
    check_contains("none.err", "has no such object");
    daemon_stop(&daemon);
}
