#include "common/s3/session.h"

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/s3/request.h"
#include "common/s3/skew.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/random.h>

#define BUCKETS_MAX    256
#define RENEWALS_MAX   20
#define RENEWAL_WAIT_NS 1000000000ull

struct region {
    char bucket[S3_BUCKET_MAX + 1], region[S3_REGION_MAX];
};

struct s3_session {
    struct s3_config *config;
    struct credentials_store *credentials; /* NULL: requests are not signed */
    struct retry_budget budget;
    atomic_llong offset_s;                 /* the store's clock less ours */
    uint64_t wait_ns;                      /* for a store in trouble; set before there are threads */
    atomic_bool answered, waiting;         /* it ever did; and it was told that it does not */
    pthread_mutex_t lock;                  /* of `regions`, held for a look only */
    struct region *regions;                /* of the buckets that are not where the configuration says */
    int region_count;
};

/* ---- life ------------------------------------------------------------------------------------------------------------------ */

static void start_library(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

DEFINE_FREEP(s3_session_close, struct s3_session)

int s3_session_open(const struct s3_options *options, struct s3_session **ret, struct why *why)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, start_library);
    CLEANUP(s3_session_closep) struct s3_session *session = calloc(1, sizeof(*session));
    if (!session)
        return because(why, -ENOMEM, "out of memory");
    pthread_mutex_init(&session->lock, NULL);
    retry_budget_init(&session->budget);
    session->regions = calloc(BUCKETS_MAX, sizeof(*session->regions));
    int r = session->regions ? s3_config_open(options, &session->config, why) : because(why, -ENOMEM, "out of memory");
    if (r == 0 && !session->config->no_sign_request)
        r = credentials_open(session->config, &session->credentials, why);
    if (r < 0)
        return r;
    *ret = take(session);
    return 0;
}

void s3_session_close(struct s3_session *session)
{
    if (!session)
        return;
    credentials_close(session->credentials);
    s3_config_close(session->config);
    pthread_mutex_destroy(&session->lock);
    free(session->regions);
    free(session);
}

const struct s3_config *s3_session_config(const struct s3_session *session)
{
    return session->config;
}

struct retry_budget *s3_session_budget(struct s3_session *session)
{
    return &session->budget;
}

struct credentials *s3_session_credentials(struct s3_session *session)
{
    return session->credentials ? credentials_get(session->credentials) : NULL;
}

/* ---- clocks and regions ------------------------------------------------------------------------------------------------------- */

time_t s3_session_offset(const struct s3_session *session)
{
    return (time_t)atomic_load(&session->offset_s);
}

void s3_session_set_offset(struct s3_session *session, time_t offset_s)
{
    atomic_store(&session->offset_s, offset_s);
}

static struct region *find_region(struct s3_session *session, const char *bucket)
{
    for (int i = 0; i < session->region_count; i++)
        if (!strcmp(session->regions[i].bucket, bucket))
            return &session->regions[i];
    return NULL;
}

void s3_session_region(struct s3_session *session, const char *bucket, char region[S3_REGION_MAX])
{
    pthread_mutex_lock(&session->lock);
    const struct region *found = find_region(session, bucket);
    snprintf(region, S3_REGION_MAX, "%s", found ? found->region : session->config->region);
    pthread_mutex_unlock(&session->lock);
}

static void remember_region(struct s3_session *session, const char *bucket, const char *region)
{
    pthread_mutex_lock(&session->lock);
    struct region *place = find_region(session, bucket);
    if (!place && session->region_count < BUCKETS_MAX)
        place = &session->regions[session->region_count++];
    if (place) {
        snprintf(place->bucket, sizeof(place->bucket), "%s", bucket);
        snprintf(place->region, sizeof(place->region), "%s", region);
    }
    pthread_mutex_unlock(&session->lock);
}

/* ---- learning from refusals --------------------------------------------------------------------------------------------------- */

static bool learn_region(struct s3_session *session, struct s3_try *attempt, const struct s3_request *request, const struct s3_error *error)
{
    if (attempt->moved || !*error->region || !strcmp(error->region, request->region))
        return false;
    attempt->moved = true;
    remember_region(session, request->call->bucket, error->region);
    return true;
}

static bool learn_clock(struct s3_session *session, struct s3_try *attempt, const struct s3_request *request, const struct s3_error *error)
{
    long long offset = (long long)error->date - (long long)time(NULL);
    if (attempt->clocked || !error->date || llabs(offset - (long long)request->offset_s) < SKEW_MIN_S)
        return false;
    attempt->clocked = true;
    long long before = atomic_exchange(&session->offset_s, offset);
    if (llabs(offset - before) >= SKEW_MIN_S)
        skew_warn((time_t)offset, request->host);
    return true;
}

/* Renewing happens on another thread: until it is done, the same is tried again each second. */
static bool learn_credentials(struct s3_session *session, struct s3_try *attempt, const struct s3_request *request, uint64_t *ret_delay_ns)
{
    if (!session->credentials || !request->credentials || attempt->renewals++ >= RENEWALS_MAX ||
        !credentials_renew(session->credentials, request->credentials))
        return false;
    struct credentials *now = credentials_get(session->credentials);
    *ret_delay_ns = now == request->credentials ? RENEWAL_WAIT_NS : 0;
    credentials_release(now);
    return true;
}

/* In [0, 1). */
static double random_number(void)
{
    uint32_t bits = 0;
    if (getrandom(&bits, sizeof(bits), GRND_NONBLOCK) != sizeof(bits))
        bits = (uint32_t)clock();
    return (double)bits / 4294967296.0;
}

bool s3_session_again(struct s3_session *session, struct s3_try *attempt, const struct s3_request *request, const struct s3_error *error,
                      uint64_t *ret_delay_ns)
{
    *ret_delay_ns = 0;
    switch (error->fault) {
    case S3_REGION:
        return learn_region(session, attempt, request, error);
    case S3_SKEW:
        return learn_clock(session, attempt, request, error);
    case S3_EXPIRED:
        return learn_credentials(session, attempt, request, ret_delay_ns);
    default:
        return retry_again(&session->budget, &attempt->retry, s3_error_retry(error), session->config->max_attempts, random_number(), ret_delay_ns);
    }
}

void s3_session_succeeded(struct s3_session *session, struct s3_try *attempt)
{
    retry_succeeded(&session->budget, &attempt->retry);
    *attempt = (struct s3_try){ .moved = false };
    if (!atomic_load_explicit(&session->answered, memory_order_relaxed))
        atomic_store(&session->answered, true);
    if (atomic_load_explicit(&session->waiting, memory_order_relaxed) && atomic_exchange(&session->waiting, false))
        log_info("the store answers again");
}

/* ---- a store that is in trouble ------------------------------------------------------------------------------------------------ */

void s3_session_set_wait(struct s3_session *session, uint64_t wait_ns)
{
    session->wait_ns = wait_ns;
}

/* One that never answered is more likely a wrong address. */
bool s3_session_waits(struct s3_session *session, const struct s3_error *error, uint64_t failing_ns)
{
    return s3_error_retry(error) != RETRY_NEVER && atomic_load(&session->answered) && clock_now_ns() - failing_ns < session->wait_ns;
}

void s3_session_tell_waiting(struct s3_session *session, const struct why *why)
{
    if (!atomic_exchange(&session->waiting, true))
        log_warning("%s; the store is waited for, up to %llu s (--store-timeout)", why->text, (unsigned long long)(session->wait_ns / NS_PER_S));
}

/* ---- words ------------------------------------------------------------------------------------------------------------------------ */

int s3_session_because(struct s3_session *session, const struct s3_request *request, const struct s3_error *error, struct why *why)
{
    char object[512];
    struct why trouble = { "" };
    s3_call_name(request->call, object, sizeof(object));
    if (session->credentials)
        credentials_trouble(session->credentials, &trouble);
    struct s3_subject subject = { .object = object, .bucket = request->call->bucket, .host = request->host, .region = request->region,
                                  .who = request->credentials ? request->credentials->source : NULL, .trouble = trouble.text };
    return s3_error_because(error, &subject, why);
}
