#include "worker/s3_place.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void s3_place_from_hello(struct s3_place *ret, const struct msg_hello *hello)
{
    memset(ret, 0, sizeof(*ret));
    snprintf(ret->endpoint_url, sizeof(ret->endpoint_url), "%s", hello->endpoint_url);
    snprintf(ret->region, sizeof(ret->region), "%s", hello->region);
    snprintf(ret->addressing_style, sizeof(ret->addressing_style), "%s", hello->addressing_style);
    ret->no_sign_request = hello->no_sign_request;
}

bool s3_place_equal(const struct s3_place *a, const struct s3_place *b)
{
    return !strcmp(a->endpoint_url, b->endpoint_url) && !strcmp(a->region, b->region) && !strcmp(a->addressing_style, b->addressing_style) &&
           a->no_sign_request == b->no_sign_request;
}

static bool is_set(const char *name)
{
    const char *value = getenv(name);
    return value && *value;
}

void s3_place_fill(const struct s3_place *place, struct s3_options *options)
{
    struct s3_options more = { .no_sign_request = place->no_sign_request };
    if (*place->endpoint_url && !is_set("AWS_ENDPOINT_URL_S3") && !is_set("AWS_ENDPOINT_URL"))
        more.endpoint_url = place->endpoint_url;
    if (*place->region && !is_set("AWS_REGION") && !is_set("AWS_DEFAULT_REGION"))
        more.region = place->region;
    if (*place->addressing_style)
        more.addressing_style = place->addressing_style;
    s3_options_fill(options, &more);
}
