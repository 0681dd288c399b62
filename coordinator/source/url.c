/* url.c: one image by its http:// or https:// address; and what lists need to know of such addresses, and of s3:// ones. */
#include "coordinator/source/kind.h"

#include "common/cleanup.h"
#include "common/redact.h"
#include "common/s3/uri.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Where the last component of an address begins. */
static size_t base_of(const char *uri, size_t size)
{
    size_t end = uri[0] == 's' || uri[0] == 'S' ? size : strcspn(uri, "?#");
    const char *slash = memrchr(uri, '/', end);
    return slash ? (size_t)(slash - uri) + 1 : 0;
}

static bool is_plain(const char *text)
{
    return !strncasecmp(text, "http://", 7) || !strncasecmp(text, "https://", 8);
}

/* Sentences do not repeat an address with a query. */
static int check_plain(const char *uri, struct why *why)
{
    const char *host = strstr(uri, "://") + 3;
    if (!*host || strchr("/?#:", *host))
        return because(why, -EINVAL, "%.*s...: an address without a host", (int)(host - uri), uri);
    for (const char *c = uri; *c; c++)
        if ((unsigned char)*c <= ' ' || *c == 0x7f)
            return because(why, -EINVAL, "%.*s...: an address with a blank or a control character in it; write it as %%%02X", (int)(host - uri), uri, (unsigned char)*c);
    return 0;
}

int source_remote(const char *text, struct rec_item *ret, struct why *why)
{
    size_t size = strlen(text), scheme = uri_scheme(text);
    struct s3_uri s3;
    int r;
    if (!scheme)
        return 0;
    if (is_plain(text))
        r = check_plain(text, why);
    else if (!s3_uri_is(text, size))
        return because(why, -EINVAL, "%.500s: %.*s:// is not read; mount it or copy the images, and give the folder", text, (int)scheme, text);
    else {
        r = s3_uri_parse(text, size, &s3, why);
        if (r == 0 && !s3.key_size)
            r = because(why, -EINVAL, "%.500s: a whole bucket, not one image", text);
    }
    if (r == 0 && size >= LIMIT_URI)
        r = because(why, -ENAMETOOLONG, "an address of more than %u bytes", LIMIT_URI - 1);
    if (r < 0)
        return r;
    *ret = source_item(text, size, base_of(text, size));
    return 1;
}

struct url {
    bool given;
    char text[];
};

static int open_url(const char *arg, struct source_context *context, void **ret, struct why *why)
{
    struct rec_item item;
    (void)context;
    int r = source_remote(arg, &item, why);
    if (r <= 0)
        return r < 0 ? r : -EINVAL; /* is_plain() has seen a scheme */
    struct url *url = calloc(1, sizeof(*url) + item.uri.size + 1);
    if (!url)
        return -ENOMEM;
    memcpy(url->text, arg, item.uri.size);
    *ret = url;
    return 0;
}

static int next(void *state, struct rec_item *ret, struct why *why)
{
    struct url *url = state;
    if (url->given)
        return 0;
    url->given = true;
    return source_remote(url->text, ret, why);
}

const struct source_kind source_url = { is_plain, open_url, next, free, NULL, false };
