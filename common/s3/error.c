/* error.c: three tables: what the codes of S3 mean, what the states of HTTP mean where there is no code, and what libcurl's mean where there is
 * no state. The sentences are in error_words.c. */
#include "common/s3/error.h"

#include "common/cleanup.h"
#include "common/s3/config.h"
#include "common/s3/skew.h"
#include "common/s3/xml.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

/* ---- codes: AWS, "Error responses" of the S3 API reference, and what Ceph and Swift use of them ----------------------------- */

static const struct {
    const char *code;
    enum s3_fault fault;
} codes[] = {
    { "NoSuchKey", S3_NOT_FOUND },
    { "NoSuchVersion", S3_NOT_FOUND },
    { "NoSuchUpload", S3_OTHER },
    { "NoSuchBucket", S3_NO_BUCKET },
    { "AccessDenied", S3_DENIED },
    { "AllAccessDisabled", S3_DENIED },
    { "AccountProblem", S3_DENIED },
    { "UserSuspended", S3_DENIED },
    { "ExpiredToken", S3_EXPIRED },
    { "ExpiredTokenException", S3_EXPIRED },
    { "TokenRefreshRequired", S3_EXPIRED },
    { "InvalidAccessKeyId", S3_BAD_ID },
    { "InvalidToken", S3_BAD_ID },
    { "SignatureDoesNotMatch", S3_BAD_SECRET },
    { "RequestTimeTooSkewed", S3_SKEW },
    { "PermanentRedirect", S3_REGION },
    { "TemporaryRedirect", S3_REGION },
    { "IncorrectEndpoint", S3_REGION },
    { "IllegalLocationConstraintException", S3_REGION },
    { "PreconditionFailed", S3_CHANGED },
    { "InvalidRange", S3_RANGE },
    { "InvalidObjectState", S3_ARCHIVED },
    { "SlowDown", S3_THROTTLED },
    { "Throttling", S3_THROTTLED },
    { "ThrottlingException", S3_THROTTLED },
    { "ThrottledException", S3_THROTTLED },
    { "RequestThrottled", S3_THROTTLED },
    { "RequestThrottledException", S3_THROTTLED },
    { "RequestLimitExceeded", S3_THROTTLED },
    { "BandwidthLimitExceeded", S3_THROTTLED },
    { "TooManyRequests", S3_THROTTLED },
    { "TooManyRequestsException", S3_THROTTLED },
    { "PriorRequestNotComplete", S3_THROTTLED },
    { "InternalError", S3_SERVER },
    { "ServiceUnavailable", S3_SERVER },
    { "RequestTimeout", S3_TIMEOUT },
    { "RequestTimeoutException", S3_TIMEOUT },
};

static enum s3_fault fault_of_code(const char *code)
{
    for (size_t i = 0; i < ARRAY_SIZE(codes); i++)
        if (!strcmp(code, codes[i].code))
            return codes[i].fault;
    return S3_OK; /* says nothing */
}

static enum s3_fault fault_of_status(long status)
{
    switch (status) {
    case 301:
    case 307:
    case 308:
        return S3_REGION;
    case 401:
    case 403:
        return S3_DENIED;
    case 404:
    case 410:
        return S3_NOT_FOUND;
    case 408:
        return S3_TIMEOUT;
    case 412:
        return S3_CHANGED;
    case 416:
        return S3_RANGE;
    case 429:
        return S3_THROTTLED;
    case 500:
    case 502:
    case 503:
    case 504:
        return S3_SERVER;
    default:
        return status >= 200 && status < 300 ? S3_OK : S3_OTHER;
    }
}

static enum s3_fault fault_of_curl(CURLcode code)
{
    switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
        return S3_TIMEOUT;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
        return S3_CERTIFICATE;
    case CURLE_ABORTED_BY_CALLBACK:
    case CURLE_WRITE_ERROR:
        return S3_STOPPED;
    case CURLE_OUT_OF_MEMORY:
        return S3_NO_MEMORY;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_PARTIAL_FILE:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
        return S3_CONNECTION;
    default:
        return S3_OTHER;
    }
}

/* ---- reading ------------------------------------------------------------------------------------------------------------- */

static void copy_printable(char *to, size_t room, const char *from, size_t size)
{
    size_t n = 0;
    for (; n < size && n < room - 1; n++)
        to[n] = (char)((unsigned char)from[n] < ' ' || from[n] == 0x7f ? '?' : from[n]);
    to[n] = '\0';
}

/* <Error>, or <ErrorResponse><Error> of STS. */
static int on_element(void *arg, const char *path, const char *text, size_t size)
{
    struct s3_error *error = arg;
    const char *name = !strncmp(path, "ErrorResponse/Error/", 20) ? path + 20 : !strncmp(path, "Error/", 6) ? path + 6 : "";
    if (!strcmp(name, "Code"))
        copy_printable(error->code, sizeof(error->code), text, size);
    else if (!strcmp(name, "Message"))
        copy_printable(error->message, sizeof(error->message), text, size);
    else if (!strcmp(name, "Region"))
        copy_printable(error->region, sizeof(error->region), text, size);
    return 0;
}

static void classify(struct s3_error *error)
{
    error->fault = fault_of_code(error->code);
    if (error->fault == S3_OK)
        error->fault = fault_of_status(error->status);
    if (!s3_region_is_valid(error->region))
        *error->region = '\0';
    bool named_in_400 = error->status == 400 && *error->region && (!*error->code || !strcmp(error->code, "AuthorizationHeaderMalformed"));
    if (named_in_400)
        error->fault = S3_REGION;
}

void s3_error_parse(struct s3_error *ret, long status, const char *body, size_t size)
{
    *ret = (struct s3_error){ .status = status };
    xml_read(body, size < S3_ERROR_BODY_MAX ? size : S3_ERROR_BODY_MAX, on_element, ret); /* what was read before a mistake counts */
    classify(ret);
}

static void read_headers(struct s3_error *error, CURL *curl)
{
    struct curl_header *header;
    if (!*error->region && curl_easy_header(curl, "x-amz-bucket-region", 0, CURLH_HEADER, -1, &header) == CURLHE_OK)
        copy_printable(error->region, sizeof(error->region), header->value, strlen(header->value));
    error->date = skew_date(curl);
}

void s3_error_read(struct s3_error *ret, CURL *curl, CURLcode code, const char *detail, const char *body, size_t size)
{
    long status = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    *ret = (struct s3_error){ .status = status, .curl = code };
    if (code != CURLE_OK) {
        const char *text = detail && *detail ? detail : curl_easy_strerror(code);
        copy_printable(ret->message, sizeof(ret->message), text, strlen(text));
        ret->fault = fault_of_curl(code);
        return;
    }
    if (status >= 200 && status < 300)
        return;
    s3_error_parse(ret, status, body ? body : "", body ? size : 0);
    read_headers(ret, curl);
    classify(ret);
}

/* ---- consequences ---------------------------------------------------------------------------------------------------------- */

enum retry_kind s3_error_retry(const struct s3_error *error)
{
    switch (error->fault) {
    case S3_TIMEOUT:
        return RETRY_TIMEOUT;
    case S3_THROTTLED:
    case S3_SERVER:
    case S3_CONNECTION:
        return RETRY_LATER;
    default:
        return RETRY_NEVER;
    }
}

int s3_error_errno(const struct s3_error *error)
{
    switch (error->fault) {
    case S3_OK:
        return 0;
    case S3_NOT_FOUND:
    case S3_NO_BUCKET:
        return -ENOENT;
    case S3_DENIED:
    case S3_SKEW:
    case S3_ARCHIVED:
        return -EACCES;
    case S3_EXPIRED:
        return -EKEYEXPIRED;
    case S3_BAD_ID:
    case S3_BAD_SECRET:
        return -EKEYREJECTED;
    case S3_REGION:
        return -EREMOTE;
    case S3_CHANGED:
        return -ESTALE;
    case S3_RANGE:
        return -ERANGE;
    case S3_THROTTLED:
        return -EBUSY;
    case S3_TIMEOUT:
        return -ETIMEDOUT;
    case S3_CERTIFICATE:
        return -EPROTO;
    case S3_STOPPED:
        return -ECANCELED;
    case S3_NO_MEMORY:
        return -ENOMEM;
    default:
        return -EIO;
    }
}
