/* provider_container.c: the credentials service of ECS tasks and EKS pods.
 *
 * AWS_CONTAINER_CREDENTIALS_RELATIVE_URI (at 169.254.170.2) or AWS_CONTAINER_CREDENTIALS_FULL_URI; with the header Authorization from
 * AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE or AWS_CONTAINER_AUTHORIZATION_TOKEN. Source: AWS SDKs and Tools Reference Guide, "Container credential provider": plain
 * http is spoken only with this machine and the two addresses below. */
#include "common/s3/provider.h"

#include "common/bytes.h"
#include "common/cleanup.h"
#include "common/s3/http.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#define CONNECT_MS 1000
#define TOTAL_MS   5000
#define SOURCE     "the container's role"

static const char *get(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

static bool may_be_asked(const char *url)
{
    static const char *const hosts[] = { "localhost", "[::1]", "169.254.170.2", "169.254.170.23", "[fd00:ec2::23]" };
    char host[256];
    bool secure = false;
    if (http_host(url, host, sizeof(host), &secure) < 0)
        return false;
    bool known = secure || (!strncmp(host, "127.", 4) && strspn(host, "0123456789.") == strlen(host));
    for (size_t i = 0; i < ARRAY_SIZE(hosts); i++)
        known = known || !strcasecmp(host, hosts[i]);
    return known;
}

static int locate(char *url, size_t size, struct why *why)
{
    const char *relative = get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"), *full = get("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    if (!relative && !full)
        return because(why, 0, "no container role (AWS_CONTAINER_CREDENTIALS_FULL_URI is not set)");
    int length = relative ? snprintf(url, size, "http://169.254.170.2%s%s", *relative == '/' ? "" : "/", relative) : snprintf(url, size, "%s", full);
    if (length >= (int)size)
        return because(why, -EINVAL, "AWS_CONTAINER_CREDENTIALS_FULL_URI: longer than %zu bytes", size - 1);
    if (!may_be_asked(url))
        return because(why, -EINVAL, "AWS_CONTAINER_CREDENTIALS_FULL_URI: only https://, or http:// on this machine, may be asked for credentials");
    return 1;
}

/* "Authorization: ...", or "" */
static int authorize(struct bytes *header, struct why *why)
{
    const char *path = get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"), *token = get("AWS_CONTAINER_AUTHORIZATION_TOKEN");
    if (!path && !token)
        return bytes_append(header, "", 0) < 0 ? because(why, -ENOMEM, "out of memory") : 0;
    bytes_append_text(header, "Authorization: ");
    int r = path ? bytes_append_file(header, path, why) : bytes_append_text(header, token);
    if (r < 0)
        return r == -EMSGSIZE || r == -ENOMEM ? because(why, r, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: larger than tokens are")
                                               : because_in(why, r, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    while (header->size && strchr("\r\n", header->data[header->size - 1]))
        header->data[--header->size] = '\0';
    if (strpbrk(header->data, "\r\n"))
        return because(why, -EINVAL, "AWS_CONTAINER_AUTHORIZATION_TOKEN: more than one line");
    return 0;
}

int provider_container(const struct search *search, struct credentials **ret, struct why *why)
{
    char url[2048];
    int r = locate(url, sizeof(url), why);
    if (r <= 0)
        return r;
    long status = 0;
    CLEANUP(bytes_done) struct bytes header;
    CLEANUP(bytes_done) struct bytes answer;
    bytes_init(&header, CREDENTIALS_MAX_BYTES);
    bytes_init(&answer, CREDENTIALS_MAX_BYTES);
    r = authorize(&header, why);
    if (r < 0)
        return r;
    struct http_call call = { .method = "GET", .url = url, .headers = { "Accept: application/json", *header.data ? header.data : NULL }, .direct = true,
                              .ca_bundle = search->config->ca_bundle, .connect_ms = CONNECT_MS, .total_ms = TOTAL_MS, .stop = search->stop };
    r = http_ask(&call, &answer, &status, why);
    if (r < 0)
        return because_in(why, r, SOURCE);
    if (status != 200)
        return because(why, -EACCES, SOURCE ": the service answered with status %ld", status);
    return credentials_from_json(answer.data ? answer.data : "", answer.size, "Token", SOURCE, ret, why);
}
