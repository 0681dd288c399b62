#include "coordinator/objectstore.h"

#include "common/clock.h"
#include "common/s3/uri.h"

#include <errno.h>
#include <string.h>

static bool is_object(const char *text)
{
    return s3_uri_is(text, strlen(text));
}

/* Before credentials are looked for: without an address they are no use. */
static int check_addresses(const struct spec *spec, struct why *why)
{
    struct s3_uri uri;
    int r = 0;
    for (int i = 0; i < spec->source_count && r == 0; i++) {
        const char *text = spec->sources[i] + (spec->sources[i][0] == '@');
        r = is_object(text) ? s3_uri_parse(text, strlen(text), &uri, why) : 0;
    }
    return r;
}

bool objectstore_is_needed(const struct spec *spec)
{
    bool needed = is_object(spec->output) || is_object(spec->weights);
    for (int i = 0; i < spec->source_count; i++)
        needed |= is_object(spec->sources[i]) || (spec->sources[i][0] == '@' && is_object(spec->sources[i] + 1));
    return needed;
}

static const char *or_null(const char *text)
{
    return *text ? text : NULL;
}

static struct s3_options described(const struct spec *spec)
{
    return (struct s3_options){ .endpoint_url = or_null(spec->endpoint_url), .region = or_null(spec->region),
                                .addressing_style = or_null(spec->addressing_style), .profile = or_null(spec->profile),
                                .ca_bundle = or_null(spec->ca_bundle), .no_sign_request = spec->no_sign_request };
}

static int keep(const struct s3_options *from, struct spec *spec, struct why *why)
{
    spec->endpoint_url = strdup(from->endpoint_url ? from->endpoint_url : "");
    spec->region = strdup(from->region ? from->region : "");
    spec->addressing_style = strdup(from->addressing_style ? from->addressing_style : "");
    spec->profile = strdup(from->profile ? from->profile : "");
    spec->ca_bundle = strdup(from->ca_bundle ? from->ca_bundle : "");
    spec->no_sign_request = from->no_sign_request;
    bool all = spec->endpoint_url && spec->region && spec->addressing_style && spec->profile && spec->ca_bundle;
    return all ? 0 : because(why, -ENOMEM, "out of memory");
}

int objectstore_describe(const struct s3_options *options, struct spec *spec, struct why *why)
{
    struct s3_config *config = NULL;
    struct s3_options known = *options;
    int r = s3_config_open(options, &config, why);
    if (r == 0)
        s3_config_share(config, &known);
    else if (r == -ENOMEM || objectstore_is_needed(spec))
        return r;
    known.profile = options->profile;
    known.ca_bundle = options->ca_bundle;
    r = keep(&known, spec, why);
    s3_config_close(config);
    return r;
}

int objectstore_open(const struct spec *spec, const struct tuning *tuning, struct s3_session **ret, struct why *why)
{
    *ret = NULL;
    if (!objectstore_is_needed(spec))
        return 0;
    int r = check_addresses(spec, why);
    if (r == 0)
        r = objectstore_session(spec, &tuning->s3, ret, why);
    if (r == 0)
        s3_session_set_wait(*ret, (uint64_t)tuning->store_timeout * NS_PER_S);
    return r;
}

struct s3_options objectstore_options(const struct spec *spec, const struct s3_options *options)
{
    struct s3_options all = *options, before = described(spec);
    s3_options_fill(&all, &before);
    if (!all.profile)
        all.profile = before.profile;
    if (!all.ca_bundle)
        all.ca_bundle = before.ca_bundle;
    return all;
}

int objectstore_session(const struct spec *spec, const struct s3_options *options, struct s3_session **ret, struct why *why)
{
    struct s3_options all = objectstore_options(spec, options);
    return s3_session_open(&all, ret, why);
}
