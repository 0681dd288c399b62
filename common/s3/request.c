/* request.c: what is signed is what is sent: host, path and query are written once, in their canonical form, and used for both. */
#include "common/s3/request.h"

#include "common/cleanup.h"
#include "common/sha256.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define PATH_MAX_BYTES    16384
#define QUERY_MAX_BYTES   65536
#define HEADER_MAX_BYTES  65536

/* The parts of a request while it is built. */
struct parts {
    struct bytes path, query, header;
    char payload_hash[SHA256_HEX], time[SIGV4_TIME];
};

static void parts_done(struct parts *parts)
{
    bytes_done(&parts->path);
    bytes_done(&parts->query);
    bytes_done(&parts->header);
}

/* ---- where ------------------------------------------------------------------------------------------------------------------- */

static bool in_host_name(const struct s3_config *config, const char *bucket)
{
    if (config->style == S3_STYLE_AUTO)
        return !config->endpoint && s3_bucket_is_label(bucket);
    return config->style == S3_STYLE_VIRTUAL && s3_bucket_is_label(bucket);
}

/* A default port is not part of a Host header, and so not of what is signed. */
static void drop_default_port(char *host, bool secure)
{
    const char *port = secure ? ":443" : ":80";
    size_t size = strlen(host), length = strlen(port);
    if (size > length && !strcmp(host + size - length, port))
        host[size - length] = '\0';
}

static int write_place(struct s3_request *request, struct bytes *path)
{
    const struct s3_config *config = request->config;
    const struct s3_call *call = request->call;
    bool in_host = in_host_name(config, call->bucket);
    char host[256];
    if (config->endpoint)
        snprintf(host, sizeof(host), "%s", config->host);
    else
        s3_aws_host("s3", request->region, host, sizeof(host));
    snprintf(request->host, sizeof(request->host), "%s%s%s", in_host ? call->bucket : "", in_host ? "." : "", host);
    drop_default_port(request->host, config->secure);
    bytes_append_text(path, config->endpoint ? config->path : "");
    if (!in_host)
        bytes_printf(path, "/%s", call->bucket);
    if (in_host || call->key_size)
        bytes_append_char(path, '/');
    return sigv4_encode_path(path, call->key, call->key_size);
}

static int write_url(struct s3_request *request, const struct parts *parts)
{
    const char *query = parts->query.size ? parts->query.data : "";
    int length = asprintf(&request->url, "%s://%s%s%s%s", request->config->secure ? "https" : "http", request->host, parts->path.data,
                          *query ? "?" : "", query);
    if (length < 0)
        request->url = NULL;
    return length < 0 ? -ENOMEM : 0;
}

/* ---- headers ------------------------------------------------------------------------------------------------------------------- */

static int add_header(struct s3_request *request, struct bytes *scratch, const char *name, const char *value)
{
    bytes_clear(scratch);
    int r = bytes_printf(scratch, "%s:%s%s", name, *value ? " " : "", value);
    struct curl_slist *headers = r == 0 ? curl_slist_append(request->headers, scratch->data) : NULL;
    if (!headers)
        return r < 0 ? r : -ENOMEM;
    request->headers = headers;
    return 0;
}

static int add_conditions(struct s3_request *request, struct bytes *scratch)
{
    const struct s3_call *call = request->call;
    char text[128];
    int r = add_header(request, scratch, "Host", request->host);
    if (r == 0 && call->ranged) {
        snprintf(text, sizeof(text), "bytes=%" PRIu64 "-%" PRIu64, call->first, call->last);
        r = add_header(request, scratch, "Range", text);
    }
    if (r == 0 && call->if_match) {
        snprintf(text, sizeof(text), call->if_match[0] == '"' ? "%.120s" : "\"%.120s\"", call->if_match);
        r = add_header(request, scratch, "If-Match", text);
    }
    if (r == 0) /* an empty one keeps libcurl from adding its own */
        r = add_header(request, scratch, "Content-Type", call->content_type ? call->content_type : "");
    if (r == 0)
        r = add_header(request, scratch, "Expect", "");
    return r;
}

static int add_signature(struct s3_request *request, struct parts *parts, struct sigv4_key *key)
{
    const struct credentials *who = request->credentials;
    struct sigv4_scope scope = { who->id, who->secret, request->region, "s3", "" };
    strcpy(scope.time, parts->time);
    const struct sigv4_header headers[] = { { "host", request->host },
                                            { "x-amz-content-sha256", parts->payload_hash },
                                            { "x-amz-date", parts->time },
                                            { "x-amz-security-token", who->token } };
    struct sigv4_request what = { request->call->method, parts->path.data, parts->query.size ? parts->query.data : "", headers,
                                  who->token ? 4 : 3, parts->payload_hash };
    CLEANUP(bytes_done) struct bytes authorization;
    bytes_init(&authorization, HEADER_MAX_BYTES);
    int r = sigv4_authorization(&authorization, key, &scope, &what);
    if (r == 0)
        r = add_header(request, &parts->header, "Authorization", authorization.data);
    for (int i = 1; r == 0 && i < what.header_count; i++)
        r = add_header(request, &parts->header, headers[i].name, headers[i].value);
    return r;
}

/* ---- all of it ------------------------------------------------------------------------------------------------------------------ */

static int check(const struct s3_call *call, struct why *why)
{
    struct s3_uri uri;
    char text[S3_BUCKET_MAX + 16];
    if (call->key_size > S3_KEY_MAX || strlen(call->bucket) > S3_BUCKET_MAX)
        return because(why, -EINVAL, "s3://%.80s: the key or the bucket's name is longer than any store allows", call->bucket);
    snprintf(text, sizeof(text), "s3://%s", call->bucket);
    int r = s3_uri_parse(text, strlen(text), &uri, why);
    if (r == 0 && strlen(uri.bucket) != strlen(call->bucket))
        r = because(why, -EINVAL, "%s: not the name of a bucket", text);
    for (const char *c = call->if_match; r == 0 && c && *c; c++)
        if ((unsigned char)*c < ' ')
            r = because(why, -EINVAL, "%s: an ETag with a control character", text);
    return r;
}

static int build(struct s3_request *request, struct parts *parts, struct sigv4_key *key)
{
    const struct s3_call *call = request->call;
    int r = write_place(request, &parts->path);
    if (r == 0)
        r = sigv4_query(&parts->query, call->parameters, call->parameter_count);
    if (r == 0)
        r = write_url(request, parts);
    if (r == 0)
        r = add_conditions(request, &parts->header);
    if (r < 0 || !request->credentials)
        return r;
    strcpy(parts->payload_hash, SIGV4_EMPTY_HASH);
    if (call->body_size)
        r = sha256_memory(call->body, call->body_size, parts->payload_hash);
    sigv4_time(time(NULL) + request->offset_s, parts->time);
    return r < 0 ? r : add_signature(request, parts, key);
}

int s3_request_build(struct s3_request *ret, struct s3_session *session, struct sigv4_key *key, const struct s3_call *call, struct why *why)
{
    *ret = (struct s3_request){ .call = call };
    int r = check(call, why);
    if (r < 0)
        return r;
    ret->config = s3_session_config(session);
    ret->credentials = s3_session_credentials(session);
    ret->offset_s = s3_session_offset(session);
    s3_session_region(session, call->bucket, ret->region);
    CLEANUP(parts_done) struct parts parts = { .time = "" };
    bytes_init(&parts.path, PATH_MAX_BYTES);
    bytes_init(&parts.query, QUERY_MAX_BYTES);
    bytes_init(&parts.header, HEADER_MAX_BYTES);
    r = build(ret, &parts, key);
    if (r == 0)
        return 0;
    s3_request_done(ret);
    return because(why, r, r == -ENOMEM ? "out of memory" : "s3://%s: the request or its credentials are too long to be sent", call->bucket);
}

void s3_request_done(struct s3_request *request)
{
    free(request->url);
    curl_slist_free_all(request->headers);
    credentials_release(request->credentials);
    request->url = NULL;
    request->headers = NULL;
    request->credentials = NULL;
}

static void apply_method(const struct s3_call *call, CURL *curl)
{
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, NULL);
    curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L);
    if (!strcmp(call->method, "HEAD")) {
        curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
        return;
    }
    if (!strcmp(call->method, "PUT") || !strcmp(call->method, "POST")) {
        curl_easy_setopt(curl, CURLOPT_POST, 1L);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, call->body_size ? call->body : "");
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body_size);
    }
    if (strcmp(call->method, "GET") && strcmp(call->method, "POST"))
        curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, call->method);
}

void s3_request_apply(const struct s3_request *request, CURL *curl)
{
    apply_method(request->call, curl);
    curl_easy_setopt(curl, CURLOPT_URL, request->url);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, request->headers);
    curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "sleddog/" SLEDDOG_VERSION);
    if (request->config->ca_bundle)
        curl_easy_setopt(curl, CURLOPT_CAINFO, request->config->ca_bundle);
}

/* ---- calls ------------------------------------------------------------------------------------------------------------------------ */

static void add_parameter(struct s3_call *call, const char *name, const char *value, size_t size)
{
    call->parameters[call->parameter_count++] = (struct sigv4_parameter){ name, value, size };
}

bool s3_answer_has_end(CURL *curl)
{
    struct curl_header *header;
    curl_off_t length = -1;
    curl_easy_getinfo(curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    return length >= 0 || (curl_easy_header(curl, "Transfer-Encoding", 0, CURLH_HEADER, -1, &header) == CURLHE_OK && strcasestr(header->value, "chunked"));
}

void s3_call_list(struct s3_call *ret, struct s3_page_call *page)
{
    *ret = (struct s3_call){ .method = "GET", .bucket = page->bucket, .key = "" };
    add_parameter(ret, "list-type", "2", 1);
    add_parameter(ret, "encoding-type", "url", 3);
    add_parameter(ret, "prefix", page->prefix_size ? page->prefix : "", page->prefix_size);
    if (page->delimiter)
        add_parameter(ret, "delimiter", page->delimiter, strlen(page->delimiter));
    size_t after_size;
    if (page->token && s3_list_token(page->token, page->after_text, &after_size))
        add_parameter(ret, "start-after", page->after_text, after_size);
    else if (page->token && *page->token)
        add_parameter(ret, "continuation-token", page->token, strlen(page->token));
    else if (page->start_after_size)
        add_parameter(ret, "start-after", page->start_after, page->start_after_size);
    if (page->limit > 0) {
        snprintf(page->limit_text, sizeof(page->limit_text), "%d", page->limit);
        add_parameter(ret, "max-keys", page->limit_text, strlen(page->limit_text));
    }
}

void s3_call_name(const struct s3_call *call, char *text, size_t size)
{
    size_t n = (size_t)snprintf(text, size, "s3://%s/", call->bucket);
    if (n + 4 >= size)
        return;
    const char *key = call->key;
    size_t length = call->key_size;
    for (int i = 0; !length && i < call->parameter_count; i++)
        if (!strcmp(call->parameters[i].name, "prefix")) { /* a listing */
            key = call->parameters[i].value;
            length = call->parameters[i].size;
        }
    for (size_t i = 0; i < length && n < size - 4; i++)
        text[n++] = (char)((unsigned char)key[i] < ' ' || key[i] == 0x7f ? '?' : key[i]);
    strcpy(text + n, length && n == size - 4 ? "..." : "");
}
