#include "common/s3/http.h"

#include "common/cleanup.h"
#include "common/redact.h"
#include "common/s3/skew.h"

#include <curl/curl.h>
#include <errno.h>
#include <string.h>

DEFINE_FREEP(curl_easy_cleanup, CURL)
DEFINE_FREEP(curl_slist_free_all, struct curl_slist)
DEFINE_FREEP(curl_url_cleanup, CURLU)

/* ---- addresses --------------------------------------------------------------------------------------------------------------- */

static int copy_part(CURLU *parts, CURLUPart what, char *text, size_t size)
{
    char *part = NULL;
    *text = '\0';
    if (curl_url_get(parts, what, &part, 0) != CURLUE_OK)
        return -ENOENT;
    int length = snprintf(text, size, "%s", part);
    curl_free(part);
    return length < (int)size ? 0 : -EINVAL;
}

int http_host(const char *url, char *host, size_t size, bool *ret_secure)
{
    CLEANUP(curl_url_cleanupp) CURLU *parts = curl_url();
    char scheme[16], user[16];
    if (!parts || curl_url_set(parts, CURLUPART_URL, url, 0) != CURLUE_OK || copy_part(parts, CURLUPART_SCHEME, scheme, sizeof(scheme)) < 0 ||
        copy_part(parts, CURLUPART_USER, user, sizeof(user)) != -ENOENT || copy_part(parts, CURLUPART_HOST, host, size) < 0)
        return -EINVAL;
    *ret_secure = !strcmp(scheme, "https");
    return *ret_secure || !strcmp(scheme, "http") ? 0 : -EINVAL;
}

/* ---- one request ------------------------------------------------------------------------------------------------------------- */

static size_t on_data(char *data, size_t one, size_t size, void *answer)
{
    (void)one;
    return bytes_append(answer, data, size) == 0 ? size : 0;
}

static int on_progress(void *arg, curl_off_t total, curl_off_t now, curl_off_t up_total, curl_off_t up_now)
{
    const struct http_call *call = arg;
    (void)total, (void)now, (void)up_total, (void)up_now;
    return call->stop && atomic_load(call->stop);
}

static void set_options(CURL *curl, const struct http_call *call, struct bytes *answer)
{
    curl_easy_setopt(curl, CURLOPT_URL, call->url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, call->connect_ms);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, call->total_ms);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "sleddog/" SLEDDOG_VERSION);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, call);
    if (call->body) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body_size);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, call->body);
    }
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, call->method);
    if (call->ca_bundle)
        curl_easy_setopt(curl, CURLOPT_CAINFO, call->ca_bundle);
    if (call->direct)
        curl_easy_setopt(curl, CURLOPT_PROXY, "");
}

static int failed(const struct http_call *call, CURLcode code, const char *detail, const struct bytes *answer, struct why *why)
{
    CLEANUP(bytes_done) struct bytes name;
    bytes_init(&name, 4096);
    uri_redact(&name, call->url, strlen(call->url));
    const char *shown = name.data ? name.data : "the service";
    if (code == CURLE_OUT_OF_MEMORY || bytes_error(answer) == -ENOMEM)
        return because(why, -ENOMEM, "out of memory");
    if (bytes_error(answer) == -EMSGSIZE)
        return because(why, -EFBIG, "%s: the answer is much larger than credentials are; is it the right address?", shown);
    return because(why, -EIO, "%s: %s", shown, *detail ? detail : curl_easy_strerror(code));
}

int http_ask(const struct http_call *call, struct bytes *answer, long *ret_status, struct why *why)
{
    char detail[CURL_ERROR_SIZE] = "";
    CLEANUP(curl_easy_cleanupp) CURL *curl = curl_easy_init();
    CLEANUP(curl_slist_free_allp) struct curl_slist *headers = NULL;
    for (int i = 0; curl && i < HTTP_HEADERS_MAX && call->headers[i]; i++) {
        struct curl_slist *more = curl_slist_append(headers, call->headers[i]);
        if (!more)
            return because(why, -ENOMEM, "out of memory");
        headers = more;
    }
    if (!curl)
        return because(why, -ENOMEM, "out of memory");
    set_options(curl, call, answer);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, detail);
    CURLcode code = curl_easy_perform(curl);
    if (code != CURLE_OK)
        return failed(call, code, detail, answer, why);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, ret_status);
    if (call->date)
        *call->date = skew_date(curl);
    return 0;
}
