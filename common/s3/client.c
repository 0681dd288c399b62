/* client.c: one exchange, tried again as the session says, and the pages of a listing. objects.c has what is one exchange with an object, upload.c what is several. */
#include "common/s3/exchange.h"

#include "common/cleanup.h"
#include "common/clock.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#define CONNECT_MS  10000
#define STALL_S     60
#define NAP_NS      (50 * NS_PER_MS) /* between two looks at `stopped` */
#define REST_NS     (500 * NS_PER_MS) /* after a round of attempts; twice as much after the second, ... */
#define RESTS_MAX   10
#define ROUNDS_MUTE 2                 /* rounds that may fail before that is told: a bad proxy is no store that is down */

struct s3_client {
    struct s3_session *session;
    CURL *curl;
    struct sigv4_key key;
    bool (*stopped)(void *arg);
    void *arg;
    long connect_ms, stall_s;
    char detail[CURL_ERROR_SIZE];
};

/* One attempt. */
struct attempt {
    struct s3_client *client;
    struct exchange *exchange;
    struct bytes refusal;   /* the body that came with a status that is no success */
    int sink_error;
};

/* ---- life ------------------------------------------------------------------------------------------------------------------- */

int s3_client_open(struct s3_session *session, bool (*stopped)(void *arg), void *arg, struct s3_client **ret, struct why *why)
{
    struct s3_client *client = calloc(1, sizeof(*client));
    CURL *curl = client ? curl_easy_init() : NULL;
    if (!curl) {
        free(client);
        return because(why, -ENOMEM, "out of memory");
    }
    client->session = session;
    client->curl = curl;
    client->stopped = stopped;
    client->arg = arg;
    client->connect_ms = CONNECT_MS;
    client->stall_s = STALL_S;
    *ret = client;
    return 0;
}

void s3_client_close(struct s3_client *client)
{
    if (!client)
        return;
    curl_easy_cleanup(client->curl);
    explicit_bzero(&client->key, sizeof(client->key));
    free(client);
}

void s3_client_patience(struct s3_client *client, long connect_ms, long stall_s)
{
    client->connect_ms = connect_ms;
    client->stall_s = stall_s;
}

static bool is_stopped(const struct attempt *attempt)
{
    const struct s3_client *client = attempt->client;
    return client->stopped && !attempt->exchange->last_wish && client->stopped(client->arg);
}

/* ---- one attempt ---------------------------------------------------------------------------------------------------------------- */

static size_t on_data(char *data, size_t one, size_t size, void *arg)
{
    struct attempt *attempt = arg;
    long status = 0;
    (void)one;
    curl_easy_getinfo(attempt->client->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status < 200 || status >= 300) {
        size_t room = S3_ERROR_BODY_MAX - attempt->refusal.size;
        bytes_append(&attempt->refusal, data, size < room ? size : room);
        return size;
    }
    struct exchange *exchange = attempt->exchange;
    attempt->sink_error = exchange->receive ? exchange->receive(exchange->arg, data, size) : 0;
    return attempt->sink_error < 0 ? 0 : size;
}

static int on_progress(void *arg, curl_off_t total, curl_off_t now, curl_off_t up_total, curl_off_t up_now)
{
    (void)total, (void)now, (void)up_total, (void)up_now;
    return is_stopped(arg);
}

static CURLcode perform(struct attempt *attempt, const struct s3_request *request, bool fresh)
{
    struct s3_client *client = attempt->client;
    CURL *curl = client->curl;
    curl_easy_reset(curl);
    s3_request_apply(request, curl);
    *client->detail = '\0';
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, client->detail);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, client->connect_ms);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, client->stall_s);
    curl_easy_setopt(curl, CURLOPT_FRESH_CONNECT, (long)fresh);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, attempt);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, attempt);
    return curl_easy_perform(curl);
}

static int begin(struct exchange *exchange, struct why *why)
{
    int r = exchange->begin ? exchange->begin(exchange->arg) : 0;
    return r < 0 ? because(why, r, "out of memory") : 0;
}

/* ---- again, until the session says no ------------------------------------------------------------------------------------------- */

static void pause_for(struct attempt *attempt, uint64_t delay_ns)
{
    for (uint64_t end_ns = clock_now_ns() + delay_ns, now_ns; (now_ns = clock_now_ns()) < end_ns && !is_stopped(attempt);) {
        uint64_t nap_ns = end_ns - now_ns < NAP_NS ? end_ns - now_ns : NAP_NS;
        nanosleep(&(struct timespec){ 0, (long)nap_ns }, NULL);
    }
}

/* Another round of attempts, when the store is worth it. */
static bool begin_round(struct attempt *attempt, const struct s3_request *request, struct s3_try *try_, uint64_t *ret_delay_ns)
{
    struct exchange *exchange = attempt->exchange;
    struct s3_session *session = attempt->client->session;
    struct why why;
    if (!s3_session_waits(session, &exchange->error, exchange->failing_ns))
        return false;
    if (++exchange->rounds == ROUNDS_MUTE) {
        s3_session_because(session, request, &exchange->error, &why);
        s3_session_tell_waiting(session, &why);
    }
    try_->retry = (struct retry){ 0 };
    *ret_delay_ns = REST_NS * (uint64_t)(exchange->rounds < RESTS_MAX ? exchange->rounds : RESTS_MAX);
    return true;
}

/* Returns 1 to be tried again. */
static int judge(struct attempt *attempt, const struct s3_request *request, CURLcode code, struct s3_try *try_, struct why *why)
{
    struct s3_client *client = attempt->client;
    struct s3_error *error = &attempt->exchange->error;
    char object[512];
    uint64_t delay_ns;
    s3_call_name(request->call, object, sizeof(object));
    if (attempt->sink_error == -EMSGSIZE)
        return because(why, -EFBIG, "%s: larger than what is taken", object);
    if (attempt->sink_error == -ENOMEM)
        return because(why, -ENOMEM, "%s: out of memory", object);
    if (attempt->sink_error < 0)
        return because(why, attempt->sink_error, "%s: what %s answers is not what was asked for; is it an S3 store?", object, request->host);
    s3_error_read(error, client->curl, code, client->detail, attempt->refusal.data, attempt->refusal.size);
    if (error->fault == S3_OK && attempt->exchange->check)
        attempt->exchange->check(attempt->exchange->arg, error);
    if (error->fault == S3_OK) {
        s3_session_succeeded(client->session, try_);
        return 0;
    }
    if (!attempt->exchange->failing_ns)
        attempt->exchange->failing_ns = clock_now_ns();
    if (is_stopped(attempt) ||
        (!s3_session_again(client->session, try_, request, error, &delay_ns) && !begin_round(attempt, request, try_, &delay_ns)))
        return s3_session_because(client->session, request, error, why);
    pause_for(attempt, delay_ns);
    return is_stopped(attempt) ? because(why, -ECANCELED, "%s: stopped", object) : 1;
}

static int attempt_once(struct s3_client *client, struct exchange *exchange, struct s3_try *try_, struct why *why)
{
    struct attempt attempt = { .client = client, .exchange = exchange };
    struct s3_request request;
    int r = begin(exchange, why);
    if (r == 0)
        r = s3_request_build(&request, client->session, &client->key, &exchange->call, why);
    if (r < 0)
        return r;
    bytes_init(&attempt.refusal, S3_ERROR_BODY_MAX);
    CURLcode code = perform(&attempt, &request, exchange->attempts++ > 0);
    r = judge(&attempt, &request, code, try_, why);
    bytes_done(&attempt.refusal);
    curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, NULL);
    s3_request_done(&request);
    return r;
}

int s3_client_exchange(struct s3_client *client, struct exchange *exchange, struct why *why)
{
    struct s3_try try_ = { .moved = false };
    int r;
    do
        r = attempt_once(client, exchange, &try_, why);
    while (r > 0);
    return r;
}

CURL *s3_client_handle(const struct s3_client *client)
{
    return client->curl;
}

void s3_client_etag(struct s3_client *client, char etag[S3_ETAG_MAX])
{
    struct curl_header *header;
    *etag = '\0';
    if (curl_easy_header(client->curl, "etag", 0, CURLH_HEADER, -1, &header) == CURLHE_OK)
        s3_etag_read(etag, header->value, strlen(header->value));
}

/* ---- a page of a listing ---------------------------------------------------------------------------------------------------------- */

static int begin_list(void *arg)
{
    struct s3_list **list = arg;
    s3_list_close(*list);
    *list = NULL;
    return s3_list_open(list);
}

static int take_list(void *arg, const char *data, size_t size)
{
    return s3_list_feed(*(struct s3_list **)arg, data, size);
}

/* Items of a page that was to begin after a key. A store that does not know how (ListObjects, version 1) would send the same page for ever. */
struct after {
    char key[S3_KEY_MAX + 8];
    size_t size;
    s3_on_item *on_item;
    void *arg;
};

static void note_after(struct after *after, const struct s3_page_call *page)
{
    bool token = page->token && *page->token;
    if (token && !s3_list_token(page->token, after->key, &after->size))
        after->size = 0; /* the store's own: nothing to compare with */
    if (!token && page->start_after_size && page->start_after_size <= S3_KEY_MAX) {
        memcpy(after->key, page->start_after, page->start_after_size);
        after->size = page->start_after_size;
    }
}

static int check_after(void *arg, const struct s3_item *item)
{
    const struct after *after = arg;
    char key[S3_KEY_MAX + 8];
    if (!after->size)
        return after->on_item(after->arg, item);
    memcpy(key, item->key, item->key_size);
    strcpy(key + item->key_size, item->is_prefix ? S3_PREFIX_END : "");
    size_t size = item->key_size + (item->is_prefix ? strlen(S3_PREFIX_END) : 0), common = size < after->size ? size : after->size;
    int order = memcmp(key, after->key, common);
    if (order < 0 || (order == 0 && size <= after->size))
        return -EOPNOTSUPP;
    return after->on_item(after->arg, item);
}

static int list_failed(int r, const struct s3_page_call *page, struct why *why)
{
    if (r == -EBADMSG)
        return because(why, r, "s3://%s: what the store answers is no listing, or not a whole one; is it an S3 store?", page->bucket);
    if (r == -EOPNOTSUPP)
        return because(why, r, "s3://%s: the store does not go on where the page before ended; it must know ListObjectsV2", page->bucket);
    return because(why, r, "s3://%s: %s", page->bucket, strerror(-r));
}

int s3_client_list(struct s3_client *client, struct s3_page_call *page, s3_on_item *on_item, void *arg, char token[S3_TOKEN_MAX], struct why *why)
{
    struct s3_list *list = NULL;
    struct exchange exchange = { .begin = begin_list, .receive = take_list, .arg = &list };
    struct after after = { .on_item = on_item, .arg = arg };
    note_after(&after, page);
    s3_call_list(&exchange.call, page);
    int r = s3_client_exchange(client, &exchange, why);
    if (r == 0) {
        char asked[S3_TOKEN_MAX];
        snprintf(asked, sizeof(asked), "%s", page->token ? page->token : "");
        r = list ? s3_list_end(list, check_after, &after, token) : -EBADMSG;
        if (r == 0 && *token && !strcmp(token, asked))
            r = -EOPNOTSUPP;
        if (r < 0)
            list_failed(r, page, why);
    }
    s3_list_close(list);
    return r;
}
