/* provider_imds.c: the role of an EC2 machine, from its metadata service, version 2: a token first, then the role's name, then its credentials.
 *
 * On any other machine nobody answers at 169.254.169.254: one second, and the search is over. Source: "Use the Instance Metadata Service",
 * EC2 User Guide. AWS_EC2_METADATA_DISABLED, AWS_EC2_METADATA_SERVICE_ENDPOINT. */
#include "common/s3/provider.h"

#include "common/bytes.h"
#include "common/cleanup.h"
#include "common/s3/http.h"

#include <errno.h>
#include <string.h>

#define ADDRESS    "http://169.254.169.254"
#define ROLES      "/latest/meta-data/iam/security-credentials/"
#define CONNECT_MS 1000
#define TOTAL_MS   3000
#define ATTEMPTS   3   /* of a service that was there */
#define SOURCE     "the machine's role (EC2 instance metadata)"

struct imds {
    char base[512];
    char token[2048]; /* "X-aws-ec2-metadata-token: ..." */
    struct bytes answer;
    const atomic_bool *stop;
};

static int ask(struct imds *imds, const char *method, const char *path, const char *name, const char *header, long *ret_status, struct why *why)
{
    char url[1024];
    snprintf(url, sizeof(url), "%s%s%s", imds->base, path, name);
    bytes_clear(&imds->answer);
    struct http_call call = { .method = method, .url = url, .headers = { header }, .direct = true, .connect_ms = CONNECT_MS, .total_ms = TOTAL_MS,
                              .stop = imds->stop };
    return http_ask(&call, &imds->answer, ret_status, why);
}

/* Throttles and hiccups are answered by asking again. */
static int ask_again(struct imds *imds, const char *name, struct why *why)
{
    long status = 0;
    for (int i = 0; i < ATTEMPTS; i++) {
        int r = ask(imds, "GET", ROLES, name, imds->token, &status, why);
        if (r < 0 && i == ATTEMPTS - 1)
            return because_in(why, r, SOURCE);
        if (r == 0 && status == 404)
            return because(why, 0, "this machine has no role");
        if (r == 0 && status == 200 && imds->answer.size)
            return 1;
    }
    return because(why, -EACCES, SOURCE ": the service answered with status %ld", status);
}

/* 0 also when there is no such service here. */
static int open_session(struct imds *imds, struct why *why)
{
    long status = 0;
    int r = ask(imds, "PUT", "/latest/api/token", "", "X-aws-ec2-metadata-token-ttl-seconds: 21600", &status, NULL);
    if (r < 0)
        return because(why, 0, "no metadata service answers at %s", imds->base);
    const char *token = imds->answer.data ? imds->answer.data : "";
    if (status != 200 || !*token || strlen(token) > 1024 || strpbrk(token, "\r\n"))
        return because(why, 0, "%s gives no session token (status %ld)", imds->base, status);
    snprintf(imds->token, sizeof(imds->token), "X-aws-ec2-metadata-token: %.1024s", token);
    return 1;
}

static int find_role(struct imds *imds, char *role, size_t size, struct why *why)
{
    int r = ask_again(imds, "", why);
    if (r <= 0)
        return r;
    snprintf(role, size, "%.*s", (int)strcspn(imds->answer.data, "\r\n"), imds->answer.data);
    if (strspn(role, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+=,.@-_") != strlen(role))
        return because(why, -EBADMSG, SOURCE ": what it answers is no name of a role");
    return 1;
}

int provider_imds(const struct search *search, struct credentials **ret, struct why *why)
{
    const char *given = getenv("AWS_EC2_METADATA_SERVICE_ENDPOINT");
    struct imds imds = { .stop = search->stop };
    char role[256];
    if (search->config->metadata_disabled)
        return because(why, 0, "AWS_EC2_METADATA_DISABLED is set");
    size_t length = (size_t)snprintf(imds.base, sizeof(imds.base), "%.500s", given && *given ? given : ADDRESS);
    while (length && imds.base[length - 1] == '/')
        imds.base[--length] = '\0';
    bytes_init(&imds.answer, CREDENTIALS_MAX_BYTES);
    int r = open_session(&imds, why);
    if (r > 0)
        r = find_role(&imds, role, sizeof(role), why);
    if (r > 0)
        r = ask_again(&imds, role, why);
    if (r > 0)
        r = credentials_from_json(imds.answer.data, imds.answer.size, "Token", SOURCE, ret, why);
    bytes_done(&imds.answer);
    return r;
}
