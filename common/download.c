#include "common/download.h"

#include "common/cleanup.h"
#include "common/redact.h"
#include "common/write.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#define REDIRECTS_MAX  10
#define CONNECT_S      30
#define STANDSTILL_S   60

DEFINE_FREEP(curl_easy_cleanup, CURL)

struct transfer {
    const char *url;
    char shown[1024];              /* in sentences: without its query */
    int fd;
    uint64_t size, max;
    int error;                     /* of the file system */
    char detail[CURL_ERROR_SIZE];
};

static atomic_bool stopped;

void download_stop(void)
{
    atomic_store(&stopped, true);
}

bool download_is_stopped(void)
{
    return atomic_load(&stopped);
}

static void start_library(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

static size_t on_data(char *data, size_t one, size_t size, void *arg)
{
    struct transfer *transfer = arg;
    (void)one;
    if (size > transfer->max - transfer->size) {
        transfer->error = -EFBIG;
        return 0;
    }
    transfer->error = write_all(transfer->fd, data, size);
    if (transfer->error)
        return 0;
    transfer->size += size;
    return size;
}

static int on_progress(void *arg, curl_off_t total, curl_off_t now, curl_off_t up_total, curl_off_t up_now)
{
    (void)arg, (void)total, (void)now, (void)up_total, (void)up_now;
    return atomic_load(&stopped);
}

static const char *authorities(void)
{
    const char *file = getenv("SSL_CERT_FILE");
    return file && *file ? file : getenv("CURL_CA_BUNDLE");
}

static void set_options(CURL *curl, struct transfer *transfer)
{
    bool secure = !strncmp(transfer->url, "https://", 8);
    curl_easy_setopt(curl, CURLOPT_URL, transfer->url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, secure ? "https" : "http,https");
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(curl, CURLOPT_MAXREDIRS, (long)REDIRECTS_MAX);
    curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_S);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)STANDSTILL_S);
    curl_easy_setopt(curl, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)transfer->max);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "sleddog/" SLEDDOG_VERSION);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, transfer);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, transfer->detail);
    if (authorities())
        curl_easy_setopt(curl, CURLOPT_CAINFO, authorities());
}

static int refused_by_server(CURL *curl, const struct transfer *transfer, struct why *why)
{
    long status = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    if (status == 404 || status == 410)
        return because(why, -ENOENT, "%s: the server has no such file (status %ld); is the address right?", transfer->shown, status);
    if (status == 401 || status == 403)
        return because(why, -EACCES, "%s: the server refuses it (status %ld); if it is not public, download it yourself and give the file",
                       transfer->shown, status);
    return because(why, -EIO, "%s: the server answered with status %ld; try again later", transfer->shown, status);
}

static int failed(CURL *curl, CURLcode code, const struct transfer *transfer, struct why *why)
{
    const char *detail = *transfer->detail ? transfer->detail : curl_easy_strerror(code);
    if (transfer->error == -EFBIG || code == CURLE_FILESIZE_EXCEEDED)
        return because(why, -EFBIG, "%s: larger than the %llu bytes that are taken", transfer->shown, (unsigned long long)transfer->max);
    if (transfer->error)
        return because(why, transfer->error, "%s: cannot write what comes: %s", transfer->shown, strerror(-transfer->error));
    switch (code) {
    case CURLE_HTTP_RETURNED_ERROR:
        return refused_by_server(curl, transfer, why);
    case CURLE_ABORTED_BY_CALLBACK:
        return because(why, -ECANCELED, "%s: the download was stopped", transfer->shown);
    case CURLE_PARTIAL_FILE:
        return because(why, -EIO, "%s: the connection ended before the whole file had come; try again", transfer->shown);
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
        return because(why, -EIO, "%s: the server's certificate is not trusted (%s); if its authority is your own, name the file with its "
                       "certificate in SSL_CERT_FILE", transfer->shown, detail);
    case CURLE_UNSUPPORTED_PROTOCOL:
        return because(why, -EIO, "%s: the server redirects to an address that is not followed (%s)", transfer->shown,
                       !strncmp(transfer->url, "https://", 8) ? "only https:// is" : "only http:// and https:// are");
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
        return because(why, -EIO, "%s: %s; is there a network here? A file that you bring yourself does as well", transfer->shown, detail);
    case CURLE_OUT_OF_MEMORY:
        return because(why, -ENOMEM, "%s: out of memory", transfer->shown);
    default:
        return because(why, -EIO, "%s: the download failed: %s", transfer->shown, detail);
    }
}

/* A page comes where a file was meant: a login, a portal, an address for browsers. */
static int check_type(CURL *curl, const struct transfer *transfer, struct why *why)
{
    const char *type = NULL;
    curl_easy_getinfo(curl, CURLINFO_CONTENT_TYPE, &type);
    if (!type || strncasecmp(type, "text/html", 9))
        return 0;
    return because(why, -EIO, "%s: the server sent a web page, not a file; is it the address of the file itself (on Hugging Face with "
                   "/resolve/, not /blob/)?", transfer->shown);
}

int download(const char *url, int fd, uint64_t max, struct why *why)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, start_library);
    struct transfer transfer = { .url = url, .fd = fd, .max = max };
    uri_show(transfer.shown, sizeof(transfer.shown), url, strlen(url), "the address");
    CLEANUP(curl_easy_cleanupp) CURL *curl = curl_easy_init();
    if (!curl)
        return because(why, -ENOMEM, "%s: out of memory", transfer.shown);
    set_options(curl, &transfer);
    CURLcode code = curl_easy_perform(curl);
    return code ? failed(curl, code, &transfer, why) : check_type(curl, &transfer, why);
}
