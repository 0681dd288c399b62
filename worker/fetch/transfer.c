#include "worker/fetch/transfer.h"

#include "common/cleanup.h"
#include "worker/task.h"

#include <errno.h>
#include <string.h>

#define REDIRECTS_MAX 5
#define RECEIVE_SIZE  (16l << 10) /* bytes that are copied on while they are still in the nearest cache */
#define FIRST_SIZE    ((size_t)64 << 10) /* of a body of unknown size */

/* ---- the body ---- */

/* Makes the reservation at least `size`; false when that cannot be had now. */
static bool reserve(struct transfer *transfer, size_t size)
{
    if (size <= transfer->reserved)
        return true;
    transfer->wanted = size;
    if (size > transfer->limits->file_bytes) {
        transfer->stop = TRANSFER_TOO_LARGE;
        return false;
    }
    if (!budget_try(transfer->budget, size - transfer->reserved)) {
        transfer->stop = TRANSFER_LARGER;
        return false;
    }
    transfer->reserved = size;
    return true;
}

/* Moves to a block of another size. */
static bool resize(struct transfer *transfer, size_t capacity)
{
    char *data = blocks_take(transfer->limits->blocks, capacity);
    if (!data) {
        transfer->stop = TRANSFER_NO_MEMORY;
        return false;
    }
    if (transfer->size)
        memcpy(data, transfer->data, transfer->size);
    blocks_give(transfer->limits->blocks, transfer->data, transfer->capacity);
    transfer->data = data;
    transfer->capacity = capacity;
    return true;
}

/* An ETag without its quotes. */
static bool same_etag(const char *a, const char *b)
{
    size_t size = strcspn(a + strspn(a, "\""), "\"");
    a += strspn(a, "\"");
    b += strspn(b, "\"");
    return size == strcspn(b, "\"") && !memcmp(a, b, size);
}

static bool is_as_listed(struct transfer *transfer, curl_off_t length)
{
    const struct rec_item *item = transfer->get->task->item;
    struct curl_header *etag;
    if (item->size && length >= 0 && (uint64_t)length != item->size)
        return false;
    if (!item->etag || !*item->etag || curl_easy_header(transfer->curl, "ETag", 0, CURLH_HEADER, -1, &etag))
        return true;
    return same_etag(etag->value, item->etag);
}

/* What the headers promise is looked at before anything is taken in. */
static bool begin_body(struct transfer *transfer)
{
    curl_off_t length = -1;
    curl_easy_getinfo(transfer->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    if (!is_as_listed(transfer, length)) {
        transfer->stop = TRANSFER_CHANGED;
        return false;
    }
    if (length < 0)
        return resize(transfer, transfer->reserved < FIRST_SIZE ? transfer->reserved : FIRST_SIZE);
    if (!reserve(transfer, (uint64_t)length < SIZE_MAX ? (size_t)length : SIZE_MAX))
        return false;
    if ((size_t)length < transfer->reserved) {
        budget_give(transfer->budget, transfer->reserved - (size_t)length);
        transfer->reserved = (size_t)length;
    }
    return resize(transfer, (size_t)length);
}

static bool is_success(struct transfer *transfer)
{
    long status = 0;
    curl_easy_getinfo(transfer->curl, CURLINFO_RESPONSE_CODE, &status);
    return status == 200 || status == 203;
}

/* Twice as much, within the reservation if that does. */
static bool grow(struct transfer *transfer, size_t needed)
{
    size_t twice = 2 * transfer->capacity, most = transfer->limits->file_bytes;
    size_t target = twice > needed ? twice : needed;
    if (needed <= transfer->reserved && target > transfer->reserved)
        target = transfer->reserved;
    if (needed <= most && target > most)
        target = most;
    return reserve(transfer, target) && resize(transfer, target);
}

static size_t on_data(char *data, size_t one, size_t size, void *arg)
{
    struct transfer *transfer = arg;
    (void)one;
    if (!transfer->begun) {
        transfer->begun = true;
        transfer->is_body = is_success(transfer);
        if (transfer->is_body && !begin_body(transfer))
            return 0;
    }
    if (!transfer->is_body) {
        if (transfer->refusal.size + size <= S3_ERROR_BODY_MAX) /* the rest explains nothing more */
            bytes_append(&transfer->refusal, data, size);
        return size;
    }
    if (size > transfer->capacity - transfer->size && !grow(transfer, transfer->size + size))
        return 0;
    memcpy(transfer->data + transfer->size, data, size);
    transfer->size += size;
    return size;
}

/* ---- the handle ---- */

static void dress(struct transfer *transfer, bool for_s3)
{
    CURL *curl = transfer->curl;
    curl_easy_reset(curl);
    curl_easy_setopt(curl, CURLOPT_PRIVATE, transfer);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, transfer);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, transfer->detail);
    curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, RECEIVE_SIZE);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, transfer->limits->connect_ms);
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "sleddog/" SLEDDOG_VERSION);
    transfer->dressed_for_s3 = for_s3;
    if (for_s3)
        return;
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    transfer->secure = false;
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(curl, CURLOPT_MAXREDIRS, (long)REDIRECTS_MAX);
    if (transfer->limits->ca_bundle)
        curl_easy_setopt(curl, CURLOPT_CAINFO, transfer->limits->ca_bundle);
}

int transfer_new(const struct transfer_limits *limits, struct budget *budget, struct transfer **ret)
{
    struct transfer *transfer = calloc(1, sizeof(*transfer));
    if (!transfer)
        return -ENOMEM;
    transfer->limits = limits;
    transfer->budget = budget;
    bytes_init(&transfer->refusal, S3_ERROR_BODY_MAX);
    transfer->curl = curl_easy_init();
    if (!transfer->curl) {
        free(transfer);
        return -ENOMEM;
    }
    dress(transfer, false);
    *ret = transfer;
    return 0;
}

void transfer_free(struct transfer *transfer)
{
    if (!transfer)
        return;
    transfer_clear(transfer);
    curl_easy_cleanup(transfer->curl);
    bytes_done(&transfer->refusal);
    free(transfer);
}

/* A password in the address is for its own host: libcurl sends it nowhere else. */
static int prepare_plain(struct transfer *transfer, const struct rec_item *item)
{
    bool secure = !strncasecmp(item->uri.data, "https:", 6);
    if (secure != transfer->secure)
        curl_easy_setopt(transfer->curl, CURLOPT_REDIR_PROTOCOLS_STR, secure ? "https" : "http,https");
    transfer->secure = secure;
    return curl_easy_setopt(transfer->curl, CURLOPT_URL, item->uri.data) ? -ENOMEM : 0;
}

static int prepare_s3(struct transfer *transfer, const struct rec_item *item, struct s3_session *session, struct sigv4_key *key, struct why *why)
{
    int r = s3_uri_parse(item->uri.data, item->uri.size, &transfer->uri, why);
    if (r < 0)
        return r;
    if (!transfer->uri.key_size)
        return because(why, -EINVAL, "a bucket, not an object");
    transfer->call = (struct s3_call){ .method = "GET", .bucket = transfer->uri.bucket, .key = transfer->uri.key,
                                       .key_size = transfer->uri.key_size, .if_match = item->etag && *item->etag ? item->etag : NULL };
    r = s3_request_build(&transfer->request, session, key, &transfer->call, why);
    if (r == 0)
        s3_request_apply(&transfer->request, transfer->curl);
    return r;
}

int transfer_prepare(struct transfer *transfer, struct get *get, size_t reserved, bool fresh, struct s3_session *session, struct sigv4_key *key,
                     struct why *why)
{
    const struct rec_item *item = get->task->item;
    bool for_s3 = s3_uri_is(item->uri.data, item->uri.size);
    transfer->get = get;
    transfer->reserved = reserved;
    if (transfer->dressed_for_s3 != for_s3)
        dress(transfer, for_s3);
    curl_easy_setopt(transfer->curl, CURLOPT_FRESH_CONNECT, fresh ? 1L : 0L);
    int r = for_s3 ? prepare_s3(transfer, item, session, key, why) : prepare_plain(transfer, item);
    return r == -ENOMEM ? because(why, r, "the worker is out of memory") : r;
}

/* ---- the end ---- */

/* A whole body has the length that was announced, or its end was marked; what was listed is another measure. */
static enum transfer_end measure(struct transfer *transfer, struct s3_error *ret)
{
    uint64_t listed = transfer->get->task->item->size;
    if (!transfer->begun && !begin_body(transfer)) /* no bytes came: an empty one */
        return transfer->stop;
    if (listed && listed == transfer->size)
        return TRANSFER_WHOLE;
    if (s3_answer_has_end(transfer->curl))
        return listed ? TRANSFER_CHANGED : TRANSFER_WHOLE;
    if (!listed)
        return TRANSFER_UNMEASURED;
    *ret = (struct s3_error){ .fault = S3_CONNECTION, .status = 200, .curl = CURLE_PARTIAL_FILE, .message = "the connection ended before the whole body had come" };
    return transfer->size < listed ? TRANSFER_REFUSED : TRANSFER_CHANGED;
}

enum transfer_end transfer_end(struct transfer *transfer, CURLcode code, struct s3_error *ret)
{
    if (transfer->stop)
        return transfer->stop;
    if (code == CURLE_OK && is_success(transfer))
        return measure(transfer, ret);
    s3_error_read(ret, transfer->curl, code, transfer->detail, transfer->refusal.data, transfer->refusal.size);
    return TRANSFER_REFUSED;
}

char *transfer_take(struct transfer *transfer, size_t *ret_size)
{
    if (blocks_size(transfer->capacity) != blocks_size(transfer->size) && !resize(transfer, transfer->size))
        return NULL;
    if (transfer->reserved > transfer->size)
        budget_give(transfer->budget, transfer->reserved - transfer->size);
    transfer->reserved = 0;
    *ret_size = transfer->size;
    return take(transfer->data);
}

void transfer_clear(struct transfer *transfer)
{
    if (transfer->reserved)
        budget_give(transfer->budget, transfer->reserved);
    blocks_give(transfer->limits->blocks, take(transfer->data), transfer->capacity);
    s3_request_done(&transfer->request);
    bytes_clear(&transfer->refusal);
    transfer->get = NULL;
    transfer->begun = transfer->is_body = false;
    transfer->stop = TRANSFER_WHOLE;
    transfer->wanted = transfer->reserved = transfer->size = transfer->capacity = 0;
    transfer->looked_size = 0;
    transfer->detail[0] = '\0';
}
