#include "common/s3/provider.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

int provider_environment(const struct search *search, struct credentials **ret, struct why *why)
{
    const char *id = getenv("AWS_ACCESS_KEY_ID"), *secret = getenv("AWS_SECRET_ACCESS_KEY"), *token = getenv("AWS_SESSION_TOKEN");
    (void)search;
    if (!id || !*id)
        return because(why, 0, "AWS_ACCESS_KEY_ID is not set");
    if (!secret || !*secret)
        return because(why, -ENOKEY, "AWS_ACCESS_KEY_ID is set in the environment, and AWS_SECRET_ACCESS_KEY is not");
    *ret = credentials_new(id, secret, token && *token ? token : NULL, INFINITY, "the environment");
    return *ret ? 1 : because(why, -ENOMEM, "out of memory");
}
