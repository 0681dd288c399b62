/* config.h: where the store is and how it is spoken to, from options, environment and profile, in the order that AWS CLI users know.
 *
 *   endpoint    --endpoint-url, AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, endpoint_url of the profile (services section first), AWS itself
 *   region      --region, AWS_REGION, AWS_DEFAULT_REGION, region of the profile, us-east-1; a store that names another is believed
 *   profile     --profile, AWS_PROFILE, AWS_DEFAULT_PROFILE, "default"
 *   CA          --ca-bundle, AWS_CA_BUNDLE, ca_bundle of the profile, SSL_CERT_FILE, CURL_CA_BUNDLE, the system's
 *   addressing  --addressing-style, s3.addressing_style of the profile; auto: the bucket in the host name on AWS, in the path on other endpoints
 *               and for names that cannot be in a host name
 *   attempts    AWS_MAX_ATTEMPTS, max_attempts of the profile, 3
 *
 * Threads:   a config is constant.
 * Ownership: s3_config_open() to s3_config_close(); it copies the options.
 * Errors:    -EINVAL with a sentence that names the setting and where it came from. */
#pragma once

#include "common/options.h"

struct profiles;

/* What a person, or the coordinator's hello, may set; NULL and false: not set. Nothing in here is secret: the coordinator may hand its own on
 * to a worker, which takes them where it has none itself (s3_options_fill()). */
struct s3_options {
    const char *endpoint_url, *region, *addressing_style;
    const char *profile, *ca_bundle; /* names of this machine: never sent */
    bool no_sign_request;
};

/* Rows for a struct option_row table whose target has a member `member` of type struct s3_options. */
#define S3_ROWS(type, member)                                                                                              \
    { 0, "endpoint-url", OPTION_TEXT, offsetof(type, member.endpoint_url), "URL",                                          \
      "S3 store that is not AWS, such as https://ceph.example.org", 0, 0, NULL },                                          \
    { 0, "region", OPTION_TEXT, offsetof(type, member.region), "NAME", "region of the buckets", 0, 0, NULL },              \
    { 0, "profile", OPTION_TEXT, offsetof(type, member.profile), "NAME",                                                   \
      "whose credentials, of ~/.aws/credentials and ~/.aws/config", 0, 0, NULL },                                          \
    { 0, "no-sign-request", OPTION_FLAG, offsetof(type, member.no_sign_request), NULL,                                     \
      "use no credentials: for public buckets", 0, 0, NULL },                                                              \
    { 0, "ca-bundle", OPTION_TEXT, offsetof(type, member.ca_bundle), "FILE",                                               \
      "certificates of the authorities to trust, PEM", 0, 0, NULL },                                                       \
    { 0, "addressing-style", OPTION_CHOICE, offsetof(type, member.addressing_style), "STYLE",                              \
      "where the bucket's name goes: into the host name or the path", 0, 0, "auto|virtual|path" }

#define S3_REGION_MAX 64 /* bytes of a region's name with its NUL */

enum s3_style { S3_STYLE_AUTO, S3_STYLE_VIRTUAL, S3_STYLE_PATH };

struct s3_config {
    char *endpoint;       /* as it was given, with no slash at its end; NULL: AWS */
    bool secure;          /* https */
    char *host;           /* of `endpoint`, with its port */
    char *path;           /* of `endpoint`: "" or "/prefix" */
    char *region;
    char *profile;        /* never NULL */
    bool profile_given;   /* by --profile: then the environment's keys are not used */
    char *ca_bundle;      /* NULL: the system's */
    enum s3_style style;
    bool no_sign_request;
    int max_attempts;
    bool metadata_disabled; /* AWS_EC2_METADATA_DISABLED */
    struct profiles *profiles;
};

/* Fields of `options` that are not set are taken from `more`. `profile` and `ca_bundle` are left alone. */
void s3_options_fill(struct s3_options *options, const struct s3_options *more);

/* Whether what was given can be meant, by itself: what files and the environment say is not looked at. Sentences as below. */
int s3_options_check(const struct s3_options *options, struct why *why);

int s3_config_open(const struct s3_options *options, struct s3_config **ret, struct why *why);
void s3_config_close(struct s3_config *config); /* accepts NULL */

/* The name of a host of AWS itself, "s3.eu-west-1.amazonaws.com", and whether a region's name is one: letters, digits and dashes. */
void s3_aws_host(const char *service, const char *region, char *text, size_t size);
bool s3_region_is_valid(const char *region);

/* What a worker must know to find the same store: endpoint, region, style, unsigned. Points into `config`. */
void s3_config_share(const struct s3_config *config, struct s3_options *ret);
