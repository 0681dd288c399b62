#include "common/s3/sts.h"

#include "common/bytes.h"
#include "common/cleanup.h"
#include "common/s3/error.h"
#include "common/s3/http.h"
#include "common/s3/sigv4.h"
#include "common/s3/xml.h"
#include "common/sha256.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define CONNECT_MS 5000
#define TOTAL_MS   20000
#define CONTENT    "application/x-www-form-urlencoded"

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

static int sign(struct signature *signature, const struct search *search, const struct credentials *as, const char *host, const char *path,
                const struct bytes *body)
{
    struct sigv4_key key = { .date = "" };
    struct sigv4_scope scope = { as->id, as->secret, search->config->region, "sts", "" };
    char hash[SHA256_HEX];
    sigv4_time(time(NULL), scope.time);
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

static int ask(const struct search *search, const struct sts_role *role, struct bytes *answer, long *ret_status, struct why *why)
{
    char url[1024], host[256], host_header[300];
    CLEANUP(bytes_done) struct bytes form;
    CLEANUP(freep) struct signature *signature = calloc(1, sizeof(*signature));
    bytes_init(&form, 4ul * CREDENTIALS_MAX_BYTES);
    int r = signature ? locate(search, url, sizeof(url), host, sizeof(host), why) : because(why, -ENOMEM, "out of memory");
    if (r < 0)
        return r;
    bytes_init(&signature->authorization, 4096);
    snprintf(host_header, sizeof(host_header), "Host: %s", host);
    struct http_call call = { .method = "POST", .url = url, .headers = { "Content-Type: " CONTENT, host_header }, .ca_bundle = search->config->ca_bundle,
                              .connect_ms = CONNECT_MS, .total_ms = TOTAL_MS, .stop = search->stop };
    r = write_form(&form, role);
    if (r == 0 && role->as)
        r = sign(signature, search, role->as, host, strchr(strstr(url, "://") + 3, '/'), &form);
    if (r == 0 && role->as) {
        call.headers[2] = signature->date;
        call.headers[3] = signature->authorization.data;
        call.headers[4] = role->as->token ? signature->token : NULL;
    }
    call.body = form.data;
    call.body_size = form.size;
    r = r < 0 ? because(why, r, r == -ENOMEM ? "out of memory" : "a token is too long") : http_ask(&call, answer, ret_status, why);
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

static int read_answer(const struct sts_role *role, const struct bytes *body, struct credentials **ret, struct why *why)
{
    CLEANUP(answer_done) struct answer answer = { .expires_s = INFINITY };
    int r = xml_read(body->data ? body->data : "", body->size, on_element, &answer);
    if (r == -ENOMEM)
        return because(why, r, "out of memory");
    if (r < 0 || !answer.id || !answer.secret || !answer.token || answer.bad_time)
        return because(why, -EBADMSG, "%s: the answer of STS has no credentials in it; is the endpoint right?", role->source);
    *ret = credentials_new(answer.id, answer.secret, answer.token, answer.expires_s, role->source);
    return *ret ? 1 : because(why, -ENOMEM, "out of memory");
}

static int refused(const struct sts_role *role, long status, const struct bytes *body, struct why *why)
{
    struct s3_error error;
    s3_error_parse(&error, status, body->data ? body->data : "", body->size);
    int r = s3_error_errno(&error);
    return because(why, r < 0 ? r : -EIO, "%s: STS refuses %s (status %ld%s%s%s%s); check the role's trust policy and its name", role->source, role->arn,
                   status, *error.code ? ", " : "", error.code, *error.message ? ": " : "", error.message);
}

int sts_assume(const struct search *search, const struct sts_role *role, struct credentials **ret, struct why *why)
{
    long status = 0;
    CLEANUP(bytes_done) struct bytes body;
    bytes_init(&body, CREDENTIALS_MAX_BYTES);
    int r = ask(search, role, &body, &status, why);
    if (r < 0)
        return r;
    return status == 200 ? read_answer(role, &body, ret, why) : refused(role, status, &body, why);
}
