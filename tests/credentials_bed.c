#include "tests/credentials_bed.h"

#include "common/cleanup.h"

void credentials_bed_clear(void)
{
    static const char *const names[] = { "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_REGION",
                                         "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL_STS", "AWS_CA_BUNDLE", "AWS_ROLE_ARN",
                                         "AWS_ROLE_SESSION_NAME", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
                                         "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
                                         "AWS_EC2_METADATA_SERVICE_ENDPOINT", "http_proxy", "all_proxy" };
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        unsetenv(names[i]);
    setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
    setenv("AWS_SHARED_CREDENTIALS_FILE", "credentials", 1);
    setenv("AWS_CONFIG_FILE", "config", 1);
}

void credentials_bed_write(const char *path, const char *text)
{
    test_write_file(path, text, strlen(text));
}

void credentials_bed_closep(struct credentials_bed *opened)
{
    credentials_release(opened->now);
    credentials_close(opened->store);
    s3_config_close(opened->config);
}

struct credentials_bed credentials_bed_open(const char *profile)
{
    struct credentials_bed opened = { .config = NULL };
    opened.r = s3_config_open(&(struct s3_options){ .profile = profile }, &opened.config, &opened.why);
    if (opened.r == 0)
        opened.r = credentials_open(opened.config, &opened.store, &opened.why);
    if (opened.r == 0)
        opened.now = credentials_get(opened.store);
    return opened;
}

void credentials_bed_check_found(const char *profile, const char *id, const char *token, const char *source)
{
    CLEANUP(credentials_bed_closep) struct credentials_bed opened = credentials_bed_open(profile);
    if (opened.r < 0)
        test_fail(__FILE__, __LINE__, "%s", opened.why.text);
    CHECK_STR(opened.now->id, id);
    CHECK_STR(opened.now->secret, "hush");
    CHECK((token == NULL) == (opened.now->token == NULL));
    if (token)
        CHECK_STR(opened.now->token, token);
    CHECK_STR(opened.now->source, source);
}

void credentials_bed_check_failed(const char *profile, int code, const char *part)
{
    CLEANUP(credentials_bed_closep) struct credentials_bed opened = credentials_bed_open(profile);
    CHECK_INT(opened.r, code);
    CHECK_CONTAINS(opened.why.text, part);
    CHECK(!strstr(opened.why.text, "hush"));
}
