/* sigv4.c: the four steps, each a function with the specification's name. Only the signing key is kept: it is the same for a day. */
#include "common/s3/sigv4.h"

#include "common/sha256.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define PARAMETERS_MAX 16
#define HASH_SIZE      32

void sigv4_time(time_t seconds, char text[SIGV4_TIME])
{
    struct tm tm;
    if (!gmtime_r(&seconds, &tm) || strftime(text, SIGV4_TIME, "%Y%m%dT%H%M%SZ", &tm) != SIGV4_TIME - 1)
        strcpy(text, "19700101T000000Z");
}

/* ---- encoding --------------------------------------------------------------------------------------------------------- */

static bool is_unreserved(unsigned char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
}

static int encode(struct bytes *out, const char *data, size_t size, bool keep_slash)
{
    static const char digits[] = "0123456789ABCDEF";
    char *to = bytes_room(out, 3 * size);
    if (!to)
        return bytes_error(out);
    size_t n = 0;
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)data[i];
        if (is_unreserved(c) || (keep_slash && c == '/')) {
            to[n++] = (char)c;
            continue;
        }
        to[n++] = '%';
        to[n++] = digits[c >> 4];
        to[n++] = digits[c & 15];
    }
    bytes_grew(out, n);
    return 0;
}

int sigv4_encode(struct bytes *out, const char *data, size_t size)
{
    return encode(out, data, size, false);
}

int sigv4_encode_path(struct bytes *out, const char *data, size_t size)
{
    return encode(out, data, size, true);
}

static int compare_parameters(const void *a, const void *b)
{
    const struct sigv4_parameter *left = a, *right = b;
    return strcmp(left->name, right->name);
}

int sigv4_query(struct bytes *out, const struct sigv4_parameter *parameters, int count)
{
    struct sigv4_parameter sorted[PARAMETERS_MAX];
    if (count > PARAMETERS_MAX)
        return -EINVAL;
    if (count > 0)
        memcpy(sorted, parameters, (size_t)count * sizeof(*sorted));
    qsort(sorted, (size_t)count, sizeof(*sorted), compare_parameters);
    for (int i = 0; i < count; i++) {
        if (i > 0)
            bytes_append_char(out, '&');
        sigv4_encode(out, sorted[i].name, strlen(sorted[i].name));
        bytes_append_char(out, '=');
        sigv4_encode(out, sorted[i].value, sorted[i].size);
    }
    return bytes_error(out);
}

/* ---- step 1: the canonical request -------------------------------------------------------------------------------------- */

static void signed_headers(struct bytes *out, const struct sigv4_request *request)
{
    for (int i = 0; i < request->header_count; i++)
        bytes_printf(out, "%s%s", i ? ";" : "", request->headers[i].name);
}

int sigv4_canonical_request(struct bytes *out, const struct sigv4_request *request)
{
    bytes_printf(out, "%s\n%s\n%s\n", request->method, request->path, request->query);
    for (int i = 0; i < request->header_count; i++)
        bytes_printf(out, "%s:%s\n", request->headers[i].name, request->headers[i].value);
    bytes_append_char(out, '\n');
    signed_headers(out, request);
    return bytes_printf(out, "\n%s", request->payload_hash);
}

/* ---- step 2: the string to sign ----------------------------------------------------------------------------------------- */

static int append_scope(struct bytes *out, const struct sigv4_scope *scope)
{
    return bytes_printf(out, "%.8s/%s/%s/aws4_request", scope->time, scope->region, scope->service);
}

int sigv4_string_to_sign(struct bytes *out, const struct sigv4_scope *scope, const char *canonical, size_t size)
{
    char hash[SHA256_HEX];
    int r = sha256_memory(canonical, size, hash);
    if (r < 0)
        return r;
    bytes_printf(out, "AWS4-HMAC-SHA256\n%s\n", scope->time);
    append_scope(out, scope);
    return bytes_printf(out, "\n%s", hash);
}

/* ---- step 3: the signing key, of a day ------------------------------------------------------------------------------------ */

static int hmac(const void *key, size_t key_size, const char *text, size_t size, unsigned char out[HASH_SIZE])
{
    return HMAC(EVP_sha256(), key, (int)key_size, (const unsigned char *)text, size, out, NULL) ? 0 : -ENOMEM;
}

static int derive(struct sigv4_key *key)
{
    char first[sizeof(key->secret) + 4];
    unsigned char of_date[HASH_SIZE], of_region[HASH_SIZE], of_service[HASH_SIZE];
    int length = snprintf(first, sizeof(first), "AWS4%s", key->secret);
    int r = hmac(first, (size_t)length, key->date, strlen(key->date), of_date);
    if (r == 0)
        r = hmac(of_date, HASH_SIZE, key->region, strlen(key->region), of_region);
    if (r == 0)
        r = hmac(of_region, HASH_SIZE, key->service, strlen(key->service), of_service);
    if (r == 0)
        r = hmac(of_service, HASH_SIZE, "aws4_request", strlen("aws4_request"), key->key);
    return r;
}

static bool is_for(const struct sigv4_key *key, const struct sigv4_scope *scope)
{
    return !strncmp(key->date, scope->time, 8) && !strcmp(key->secret, scope->secret) && !strcmp(key->region, scope->region) &&
           !strcmp(key->service, scope->service);
}

static int renew(struct sigv4_key *key, const struct sigv4_scope *scope)
{
    if (strlen(scope->secret) >= sizeof(key->secret) || strlen(scope->region) >= sizeof(key->region) ||
        strlen(scope->service) >= sizeof(key->service))
        return -EINVAL;
    strcpy(key->secret, scope->secret);
    strcpy(key->region, scope->region);
    strcpy(key->service, scope->service);
    snprintf(key->date, sizeof(key->date), "%.8s", scope->time);
    int r = derive(key);
    if (r < 0)
        *key->date = '\0'; /* not to be used */
    return r;
}

/* ---- step 4: the signature ---------------------------------------------------------------------------------------------- */

static int sign(struct sigv4_key *key, const struct sigv4_scope *scope, const struct bytes *text, char hex[SHA256_HEX])
{
    unsigned char signature[HASH_SIZE];
    int r = is_for(key, scope) ? 0 : renew(key, scope);
    if (r == 0)
        r = hmac(key->key, HASH_SIZE, text->data, text->size, signature);
    for (size_t i = 0; r == 0 && i < HASH_SIZE; i++)
        snprintf(hex + 2 * i, 3, "%02x", signature[i]);
    return r;
}

int sigv4_authorization(struct bytes *out, struct sigv4_key *key, const struct sigv4_scope *scope, const struct sigv4_request *request)
{
    char signature[SHA256_HEX];
    struct bytes canonical, text;
    bytes_init(&canonical, 1 << 20);
    bytes_init(&text, 1 << 12);
    int r = sigv4_canonical_request(&canonical, request);
    if (r == 0)
        r = sigv4_string_to_sign(&text, scope, canonical.data, canonical.size);
    if (r == 0)
        r = sign(key, scope, &text, signature);
    bytes_done(&canonical);
    bytes_done(&text);
    if (r < 0)
        return r;
    bytes_printf(out, "AWS4-HMAC-SHA256 Credential=%s/", scope->id);
    append_scope(out, scope);
    bytes_append_text(out, ", SignedHeaders=");
    signed_headers(out, request);
    return bytes_printf(out, ", Signature=%s", signature);
}
