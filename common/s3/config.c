#include "common/s3/config.h"

#include "common/cleanup.h"
#include "common/s3/profile.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#define REGION_DEFAULT "us-east-1"

DEFINE_FREEP(s3_config_close, struct s3_config)

/* A setting and the name of the place where it was found, for messages. */
struct found {
    const char *value, *place;
};

static struct found from_environment(const char *const names[])
{
    for (; *names; names++) {
        const char *value = getenv(*names);
        if (value && *value)
            return (struct found){ value, *names };
    }
    return (struct found){ NULL, NULL };
}

/* The order of nearly everything: option, environment, profile. */
static struct found look_up(const char *option, const char *option_name, const char *const names[], const struct s3_config *config, const char *key)
{
    if (option && *option)
        return (struct found){ option, option_name };
    struct found found = from_environment(names);
    if (!found.value && config)
        found = (struct found){ profiles_get(config->profiles, config->profile, key), key };
    return found;
}

static int keep(char **place, const char *text, struct why *why)
{
    *place = strdup(text);
    return *place ? 0 : because(why, -ENOMEM, "out of memory");
}

static bool is_true(const char *text)
{
    return text && !strcasecmp(text, "true");
}

/* ---- one setting each ---------------------------------------------------------------------------------------------------- */

static int set_profile(struct s3_config *config, const struct s3_options *options, struct why *why)
{
    static const char *const names[] = { "AWS_PROFILE", "AWS_DEFAULT_PROFILE", NULL };
    struct found found = look_up(options->profile, "--profile", names, NULL, NULL);
    config->profile_given = options->profile && *options->profile;
    if (found.value && strcmp(found.value, "default") && !profiles_has(config->profiles, found.value))
        return because(why, -EINVAL, "%s: there is no profile \"%s\" in %s", found.place, found.value, profiles_where(config->profiles));
    return keep(&config->profile, found.value ? found.value : "default", why);
}

bool s3_region_is_valid(const char *region)
{
    size_t size = strlen(region);
    return size > 0 && size < S3_REGION_MAX && strspn(region, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") == size;
}

static int check_region(const char *region, const char *place, struct why *why)
{
    return s3_region_is_valid(region) ? 0 : because(why, -EINVAL, "%s: \"%.80s\" is no region; they look like eu-west-1", place, region);
}

static int set_region(struct s3_config *config, const struct s3_options *options, struct why *why)
{
    static const char *const names[] = { "AWS_REGION", "AWS_DEFAULT_REGION", NULL };
    struct found found = look_up(options->region, "--region", names, config, "region");
    int r = found.value ? check_region(found.value, found.place, why) : 0;
    return r < 0 ? r : keep(&config->region, found.value ? found.value : REGION_DEFAULT, why);
}

static struct found find_endpoint(const struct s3_config *config, const struct s3_options *options)
{
    static const char *const names[] = { "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", NULL };
    if (options->endpoint_url && *options->endpoint_url)
        return (struct found){ options->endpoint_url, "--endpoint-url" };
    if (is_true(getenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")))
        return (struct found){ NULL, NULL };
    struct found found = from_environment(names);
    if (!found.value)
        found = (struct found){ profiles_get_service(config->profiles, config->profile, "s3", "endpoint_url"), "endpoint_url" };
    if (!found.value)
        found.value = profiles_get(config->profiles, config->profile, "endpoint_url");
    return found;
}

#define UNRESERVED "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"

static bool is_made_of(const char *text, size_t size, const char *letters)
{
    return strspn(text, letters) >= size;
}

/* The place is named, the text is not repeated where it may hold a password. */
static int take_apart(struct s3_config *config, const char *url, const char *place, struct why *why)
{
    config->secure = !strncasecmp(url, "https://", 8);
    if (!config->secure && strncasecmp(url, "http://", 7))
        return because(why, -EINVAL, "%s: an endpoint begins with https:// or http://, such as https://ceph.example.org", place);
    const char *host = url + (config->secure ? 8 : 7), *path = host + strcspn(host, "/?#");
    if (memchr(host, '@', (size_t)(path - host)) || strpbrk(host, "?#"))
        return because(why, -EINVAL, "%s: an endpoint has no password and no query; credentials come from a profile or the environment", place);
    size_t length = strlen(path);
    while (length && path[length - 1] == '/')
        length--;
    if (!is_made_of(host, (size_t)(path - host), UNRESERVED ":[]") || host == path)
        return because(why, -EINVAL, "%s: \"%.80s\" has no host name", place, url);
    if (!is_made_of(path, length, UNRESERVED "/"))
        return because(why, -EINVAL, "%s: \"%.200s\" has a path with letters that need encoding", place, url);
    config->host = strndup(host, (size_t)(path - host));
    config->path = strndup(path, length);
    config->endpoint = strndup(url, (size_t)(path - url) + length);
    return config->host && config->path && config->endpoint ? 0 : because(why, -ENOMEM, "out of memory");
}

static int set_endpoint(struct s3_config *config, const struct s3_options *options, struct why *why)
{
    struct found found = find_endpoint(config, options);
    config->secure = true;
    return found.value ? take_apart(config, found.value, found.place, why) : 0;
}

static int set_ca_bundle(struct s3_config *config, const struct s3_options *options, struct why *why)
{
    static const char *const names[] = { "AWS_CA_BUNDLE", NULL }, *const others[] = { "SSL_CERT_FILE", "CURL_CA_BUNDLE", NULL };
    struct found found = look_up(options->ca_bundle, "--ca-bundle", names, config, "ca_bundle");
    if (!found.value)
        found = from_environment(others);
    if (!found.value)
        return 0;
    if (access(found.value, R_OK) < 0)
        return because(why, -errno, "%s: %s: %s", found.place, found.value, strerror(errno));
    return keep(&config->ca_bundle, found.value, why);
}

static int set_style(struct s3_config *config, const struct s3_options *options, struct why *why)
{
    const char *style = options->addressing_style ? options->addressing_style : profiles_get(config->profiles, config->profile, "s3.addressing_style");
    if (!style || !strcmp(style, "auto"))
        config->style = S3_STYLE_AUTO;
    else if (!strcmp(style, "virtual"))
        config->style = S3_STYLE_VIRTUAL;
    else if (!strcmp(style, "path"))
        config->style = S3_STYLE_PATH;
    else
        return because(why, -EINVAL, "addressing_style of profile %s: \"%.40s\" is none of auto, virtual, path", config->profile, style);
    return 0;
}

static int set_attempts(struct s3_config *config, struct why *why)
{
    static const char *const names[] = { "AWS_MAX_ATTEMPTS", NULL };
    struct found found = look_up(NULL, NULL, names, config, "max_attempts");
    char *end;
    long attempts = found.value ? strtol(found.value, &end, 10) : 3;
    if (found.value && (end == found.value || *end || attempts < 1 || attempts > 100))
        return because(why, -EINVAL, "%s: \"%.40s\" is no number from 1 to 100", found.place, found.value);
    config->max_attempts = (int)attempts;
    return 0;
}

int s3_options_check(const struct s3_options *options, struct why *why)
{
    CLEANUP(s3_config_closep) struct s3_config *parts = calloc(1, sizeof(*parts));
    if (!parts)
        return because(why, -ENOMEM, "out of memory");
    int r = options->region && *options->region ? check_region(options->region, "--region", why) : 0;
    return r == 0 && options->endpoint_url && *options->endpoint_url ? take_apart(parts, options->endpoint_url, "--endpoint-url", why) : r;
}

/* ---- all of them --------------------------------------------------------------------------------------------------------- */

int s3_config_open(const struct s3_options *options, struct s3_config **ret, struct why *why)
{
    CLEANUP(s3_config_closep) struct s3_config *config = calloc(1, sizeof(*config));
    if (!config)
        return because(why, -ENOMEM, "out of memory");
    config->no_sign_request = options->no_sign_request;
    config->metadata_disabled = is_true(getenv("AWS_EC2_METADATA_DISABLED"));
    int r = profiles_read(&config->profiles, why);
    if (r == 0)
        r = set_profile(config, options, why);
    if (r == 0)
        r = set_region(config, options, why);
    if (r == 0)
        r = set_endpoint(config, options, why);
    if (r == 0)
        r = set_ca_bundle(config, options, why);
    if (r == 0)
        r = set_style(config, options, why);
    if (r == 0)
        r = set_attempts(config, why);
    if (r < 0)
        return r;
    *ret = take(config);
    return 0;
}

void s3_config_close(struct s3_config *config)
{
    if (!config)
        return;
    char *const texts[] = { config->endpoint, config->host, config->path, config->region, config->profile, config->ca_bundle };
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        free(texts[i]);
    profiles_free(config->profiles);
    free(config);
}

void s3_aws_host(const char *service, const char *region, char *text, size_t size)
{
    static const struct {
        const char *prefix, *domain;
    } partitions[] = { { "cn-", "amazonaws.com.cn" }, { "us-iso-", "c2s.ic.gov" }, { "us-isob-", "sc2s.sgov.gov" }, { "", "amazonaws.com" } };
    int i = 0;
    while (strncmp(region, partitions[i].prefix, strlen(partitions[i].prefix)))
        i++;
    snprintf(text, size, "%s.%s.%s", service, region, partitions[i].domain);
}

/* ---- between the coordinator and its workers ------------------------------------------------------------------------------- */

void s3_options_fill(struct s3_options *options, const struct s3_options *more)
{
    if (!options->endpoint_url)
        options->endpoint_url = more->endpoint_url;
    if (!options->region)
        options->region = more->region;
    if (!options->addressing_style)
        options->addressing_style = more->addressing_style;
    options->no_sign_request = options->no_sign_request || more->no_sign_request;
}

void s3_config_share(const struct s3_config *config, struct s3_options *ret)
{
    static const char *const styles[] = { "auto", "virtual", "path" };
    *ret = (struct s3_options){ .endpoint_url = config->endpoint, .region = config->region, .addressing_style = styles[config->style],
                                .no_sign_request = config->no_sign_request };
}
