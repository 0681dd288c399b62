#include "common/cache_address.h"

#include "common/cache.h"
#include "common/redact.h"
#include "common/s3/uri.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#define PIN "#sha256="

static bool is_object(const char *uri)
{
    return s3_uri_is(uri, strlen(uri));
}

bool cache_is_url(const char *uri)
{
    return !strncmp(uri, "http://", 7) || !strncmp(uri, "https://", 8) || is_object(uri);
}

static bool is_pin(const char *hash)
{
    const char *digits = hash + strlen(PIN);
    return !strncmp(hash, PIN, strlen(PIN)) && strlen(digits) == 64 && strspn(digits, "0123456789abcdefABCDEF") == 64;
}

/* Where the pin begins, or the end. In a key of an object '#' is a letter like others. */
static const char *find_pin(const char *uri)
{
    const char *end = uri + strlen(uri), *last = strrchr(uri, '#');
    if (is_object(uri))
        return last && is_pin(last) ? last : end;
    return uri + strcspn(uri, "#");
}

/* As it may be shown: without its query. */
static void show(const char *url, char shown[CACHE_URL_MAX])
{
    uri_show(shown, CACHE_URL_MAX, url, strlen(url), "the address");
}

static int parse_pin(const char *uri, char sha256[SHA256_HEX], struct why *why)
{
    const char *hash = find_pin(uri);
    char shown[CACHE_URL_MAX];
    *sha256 = '\0';
    if (!*hash)
        return 0;
    show(uri, shown);
    if (!is_pin(hash))
        return because(why, -EINVAL, "%s: what follows # must be sha256= and 64 hex digits", shown);
    const char *digits = hash + strlen(PIN);
    for (int i = 0; i <= 64; i++)
        sha256[i] = (char)tolower((unsigned char)digits[i]);
    return 0;
}

static int check_object(const char *uri, struct why *why)
{
    struct s3_uri object;
    int r = s3_uri_parse(uri, (size_t)(find_pin(uri) - uri), &object, why);
    return r == 0 && !object.key_size ? because(why, -EINVAL, "%s: a bucket, not a file in it", uri) : r;
}

int cache_check_url(const char *uri, struct why *why)
{
    char sha256[SHA256_HEX];
    if (strlen(uri) >= CACHE_URL_MAX) {
        char shown[CACHE_URL_MAX];
        show(uri, shown);
        return because(why, -EINVAL, "%.200s...: the address is longer than %d bytes", shown, CACHE_URL_MAX - 1);
    }
    if (is_object(uri))
        return check_object(uri, why);
    for (const char *c = uri; *c; c++)
        if ((unsigned char)*c <= ' ' || *c == 0x7f)
            return because(why, -EINVAL, "the address has a blank or a control character in it; write it as %%%02X", (unsigned char)*c);
    return parse_pin(uri, sha256, why);
}

int cache_address_parse(const char *uri, struct cache_address *ret, struct why *why)
{
    int r = cache_check_url(uri, why);
    if (r == 0)
        r = parse_pin(uri, ret->sha256, why);
    if (r < 0)
        return r;
    snprintf(ret->url, sizeof(ret->url), "%.*s", (int)(find_pin(uri) - uri), uri);
    show(ret->url, ret->shown);
    return 0;
}
