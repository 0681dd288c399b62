#include "common/s3/sts.h"

#include "common/bytes.h"
#include "common/cleanup.h"
#include "common/s3/error.h"
#include "common/s3/http.h"
#include "common/s3/sigv4.h"
#include "common/s3/skew.h"
#include "common/s3/xml.h"
#include "common/sha256.h"

#include <errno.h>
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define CONNECT_MS 5000
#define TOTAL_MS   20000
#define CONTENT    "application/x-www-form-urlencoded"

static _Atomic time_t known_offset_s; /* of STS's clock, which signatures follow; there is one STS */

/* ---- where ------------------------------------------------------------------------------------------------------------------- */

static const char *find_endpoint(const struct search *search)
{
    const char *const found[] = { getenv("AWS_ENDPOINT_URL_STS"), getenv("AWS_ENDPOINT_URL"),
                                  profiles_get_service(search->profiles, search->config->profile, "sts", "endpoint_url"),
                                  profiles_get(search->profiles, search->config->profile, "endpoint_url") };
    for (size_t i = 0; i < ARRAY_SIZE(found); i++)
        if (found[i] && *found[i])
            return found[i];
    return NULL;
}

/* The URL, always with a path, and its host. */
static int locate(const struct search *search, char *url, size_t size, char *host, size_t host_size, struct why *why)
{
    const char *given = find_endpoint(search);
    char aws[256] = "https://";
    if (!given) {
        s3_aws_host("sts", search->config->region, aws + 8, sizeof(aws) - 8);
        given = aws;
    }
    if (strncasecmp(given, "https://", 8) && strncasecmp(given, "http://", 7))
        return because(why, -EINVAL, "the address of STS (AWS_ENDPOINT_URL_STS, AWS_ENDPOINT_URL) does not begin with https:// or http://");
    const char *name = strstr(given, "://") + 3;
    int length = (int)strcspn(name, "/?#");
    bool has_path = name[length] == '/';
    int n = snprintf(url, size, "%s%s", given, has_path ? "" : "/"), m = snprintf(host, host_size, "%.*s", length, name);
    if (strpbrk(url, "?#@") || n >= (int)size || m >= (int)host_size)
        return because(why, -EINVAL, "the address of STS (AWS_ENDPOINT_URL_STS, AWS_ENDPOINT_URL) is too long, or has a query or password in it");
    return 0;
}

/* ---- the request --------------------------------------------------------------------------------------------------------------- */

static int write_form(struct bytes *out, const struct sts_role *role)
{
    const char *const fields[][2] = { { "Action", role->web_identity_token ? "AssumeRoleWithWebIdentity" : "AssumeRole" },
                                      { "Version", "2011-06-15" },
                                      { "RoleArn", role->arn },
                                      { "RoleSessionName", role->session_name },
                                      { "ExternalId", role->external_id },
                                      { "DurationSeconds", role->duration_s },
                                      { "WebIdentityToken", role->web_identity_token } };
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        if (!fields[i][1])
            continue;
        bytes_printf(out, "%s%s=", i ? "&" : "", fields[i][0]);
        sigv4_encode(out, fields[i][1], strlen(fields[i][1]));
    }
    return bytes_error(out);
}

/* "Authorization: ...", and the other two that go with it. */
struct signature {
    struct bytes authorization;
    char date[SIGV4_TIME + 16], token[16384];
};

static int sign(struct signature *signature, const struct search *search, const struct credentials *as, time_t offset_s, const char *host, const char *path,
                const struct bytes *body)
{
    struct sigv4_key key = { .date = "" };
    struct sigv4_scope scope = { as->id, as->secret, search->config->region, "sts", "" };
    char hash[SHA256_HEX];
    sigv4_time(time(NULL) + offset_s, scope.time);
    const struct sigv4_header headers[] = { { "content-type", CONTENT }, { "host", host }, { "x-amz-date", scope.time },
                                            { "x-amz-security-token", as->token } };
    int r = sha256_memory(body->data, body->size, hash);
    struct sigv4_request request = { "POST", path, "", headers, as->token ? 4 : 3, hash };
    bytes_append_text(&signature->authorization, "Authorization: ");
    if (r == 0)
        r = sigv4_authorization(&signature->authorization, &key, &scope, &request);
    snprintf(signature->date, sizeof(signature->date), "X-Amz-Date: %s", scope.time);
    int length = snprintf(signature->token, sizeof(signature->token), "X-Amz-Security-Token: %s", as->token ? as->token : "");
    return r < 0 ? r : length >= (int)sizeof(signature->token) ? -EMSGSIZE : 0;
}

/* What STS said, and when it was there. */
struct reply {
    long status;
    time_t date;
    struct bytes body;
    char host[256];
};

static void reply_done(struct reply *reply)
{
    bytes_done(&reply->body);
}

/* `offset_s`: of its clock that is assumed. */
static int ask(const struct search *search, const struct sts_role *role, time_t offset_s, struct reply *ret, struct why *why)
{
    char url[1024], host_header[300];
    CLEANUP(bytes_done) struct bytes form;
    CLEANUP(freep) struct signature *signature = calloc(1, sizeof(*signature));
    bytes_init(&form, 4ul * CREDENTIALS_MAX_BYTES);
    int r = signature ? locate(search, url, sizeof(url), ret->host, sizeof(ret->host), why) : because(why, -ENOMEM, "out of memory");
    if (r < 0)
        return r;
    bytes_init(&signature->authorization, 4096);
    snprintf(host_header, sizeof(host_header), "Host: %s", ret->host);
    struct http_call call = { .method = "POST", .url = url, .headers = { "Content-Type: " CONTENT, host_header }, .ca_bundle = search->config->ca_bundle,
                              .connect_ms = CONNECT_MS, .total_ms = TOTAL_MS, .date = &ret->date, .stop = search->stop };
    r = write_form(&form, role);
    if (r == 0 && role->as)
        r = sign(signature, search, role->as, offset_s, ret->host, strchr(strstr(url, "://") + 3, '/'), &form);
    if (r == 0 && role->as) {
        call.headers[2] = signature->date;
        call.headers[3] = signature->authorization.data;
        call.headers[4] = role->as->token ? signature->token : NULL;
    }
    call.body = form.data;
    call.body_size = form.size;
    r = r < 0 ? because(why, r, r == -ENOMEM ? "out of memory" : "a token is too long") : http_ask(&call, &ret->body, &ret->status, why);
    bytes_done(&signature->authorization);
    return r < 0 ? because_in(why, r, "%s", role->source) : 0;
}

/* ---- the answer ------------------------------------------------------------------------------------------------------------------ */

struct answer {
    char *id, *secret, *token;
    double expires_s;
    bool bad_time;
};

static void answer_done(struct answer *answer)
{
    free(answer->id);
    free(answer->secret);
    free(answer->token);
}

static int on_element(void *arg, const char *path, const char *text, size_t size)
{
    struct answer *answer = arg;
    const char *credentials = strstr(path, "Result/Credentials/"), *name = credentials ? credentials + 19 : "";
    char **place = !strcmp(name, "AccessKeyId") ? &answer->id : !strcmp(name, "SecretAccessKey") ? &answer->secret :
                   !strcmp(name, "SessionToken") ? &answer->token : NULL;
    if (!strcmp(name, "Expiration"))
        answer->bad_time = credentials_time(text, &answer->expires_s) < 0;
    if (!place || !size)
        return 0;
    free(*place);
    *place = strndup(text, size);
    return *place ? 0 : -ENOMEM;
}

/* By this machine's clock, which decides when they are renewed. */
static int read_answer(const struct sts_role *role, const struct reply *reply, struct credentials **ret, struct why *why)
{
    CLEANUP(answer_done) struct answer answer = { .expires_s = INFINITY };
    int r = xml_read(reply->body.data ? reply->body.data : "", reply->body.size, on_element, &answer);
    if (r == -ENOMEM)
        return because(why, r, "out of memory");
    if (r < 0 || !answer.id || !answer.secret || !answer.token || answer.bad_time)
        return because(why, -EBADMSG, "%s: the answer of STS has no credentials in it; is the endpoint right?", role->source);
    *ret = credentials_new(answer.id, answer.secret, answer.token, answer.expires_s - (double)skew_of(reply->date), role->source);
    return *ret ? 1 : because(why, -ENOMEM, "out of memory");
}

static int refused(const struct sts_role *role, const struct reply *reply, struct why *why)
{
    struct s3_error error;
    s3_error_parse(&error, reply->status, reply->body.data ? reply->body.data : "", reply->body.size);
    int r = s3_error_errno(&error);
    return because(why, r < 0 ? r : -EIO, "%s: STS refuses %s (status %ld%s%s%s%s); check the role's trust policy and its name", role->source, role->arn,
                   reply->status, *error.code ? ", " : "", error.code, *error.message ? ": " : "", error.message);
}

/* STS has no code of its own for a signature of another time, so a refusal by somebody whose clock differs is taken for one, once. */
static int ask_again(const struct search *search, const struct sts_role *role, struct reply *reply, struct why *why)
{
    time_t offset_s = skew_of(reply->date);
    bytes_clear(&reply->body);
    int r = ask(search, role, offset_s, reply, why);
    if (r == 0 && reply->status == 200) {
        atomic_store(&known_offset_s, offset_s);
        skew_warn(offset_s, reply->host);
    }
    return r;
}

int sts_assume(const struct search *search, const struct sts_role *role, struct credentials **ret, struct why *why)
{
    CLEANUP(reply_done) struct reply reply = { .status = 0 };
    bytes_init(&reply.body, CREDENTIALS_MAX_BYTES);
    time_t assumed_s = atomic_load(&known_offset_s);
    int r = ask(search, role, assumed_s, &reply, why);
    if (r == 0 && role->as && reply.date && (reply.status == 400 || reply.status == 403) && llabs((long long)(skew_of(reply.date) - assumed_s)) >= SKEW_MIN_S)
        r = ask_again(search, role, &reply, why);
    if (r < 0)
        return r;
    return reply.status == 200 ? read_answer(role, &reply, ret, why) : refused(role, &reply, why);
}
