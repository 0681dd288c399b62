#include "common/s3/uri.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#define SCHEME "s3://"

bool s3_uri_is(const char *uri, size_t size)
{
    return size >= strlen(SCHEME) && !memcmp(uri, SCHEME, strlen(SCHEME));
}

static bool is_bucket_letter(char c)
{
    return isascii((unsigned char)c) && (isalnum((unsigned char)c) || strchr("._-", c)) && c;
}

static int parse_bucket(const char *name, size_t size, struct s3_uri *ret, struct why *why)
{
    if (size == 0)
        return because(why, -EINVAL, "s3:///...: the bucket's name is missing; an address is s3://bucket/key");
    if (size > S3_BUCKET_MAX)
        return because(why, -EINVAL, "s3://%.40s...: a bucket's name has at most %d letters", name, S3_BUCKET_MAX);
    for (size_t i = 0; i < size; i++)
        if (!is_bucket_letter(name[i]))
            return because(why, -EINVAL, "s3://%.*s: letter %zu of the bucket's name is none of a-z A-Z 0-9 . _ -", (int)size, name, i + 1);
    if (name[0] == '.') /* "." and ".." would be folders of a path */
        return because(why, -EINVAL, "s3://%.*s: a bucket's name does not begin with a dot", (int)size, name);
    memcpy(ret->bucket, name, size);
    ret->bucket[size] = '\0';
    return 0;
}

int s3_uri_parse(const char *uri, size_t size, struct s3_uri *ret, struct why *why)
{
    if (!s3_uri_is(uri, size))
        return because(why, -EINVAL, "%.*s: an address in a store begins with s3://", size < 200 ? (int)size : 200, uri);
    const char *name = uri + strlen(SCHEME), *end = uri + size;
    const char *slash = memchr(name, '/', (size_t)(end - name));
    struct s3_uri parsed = { .key = slash ? slash + 1 : end };
    parsed.key_size = (size_t)(end - parsed.key);
    int r = parse_bucket(name, (size_t)((slash ? slash : end) - name), &parsed, why);
    if (r < 0)
        return r;
    if (parsed.key_size > S3_KEY_MAX)
        return because(why, -EINVAL, "s3://%s/%.80s...: the key has %zu bytes; no store has one of more than %d", parsed.bucket, parsed.key,
                       parsed.key_size, S3_KEY_MAX);
    *ret = parsed;
    return 0;
}

bool s3_bucket_is_label(const char *bucket)
{
    size_t size = strlen(bucket);
    if (size < 3 || size > 63 || bucket[0] == '-' || bucket[size - 1] == '-')
        return false;
    return strspn(bucket, "abcdefghijklmnopqrstuvwxyz0123456789-") == size;
}
