#include "common/s3/config.h"

#include "common/cleanup.h"
#include "tests/test.h"

DEFINE_FREEP(s3_config_close, struct s3_config)

static const char *const variables[] = { "AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL",
                                         "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "AWS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE", "AWS_MAX_ATTEMPTS",
                                         "AWS_EC2_METADATA_DISABLED" };

/* An environment with nothing but these two files. */
static void set_files(const char *config)
{
    for (size_t i = 0; i < ARRAY_SIZE(variables); i++)
        unsetenv(variables[i]);
    test_write_file("credentials", "", 0);
    test_write_file("config", config, strlen(config));
    setenv("AWS_SHARED_CREDENTIALS_FILE", "credentials", 1);
    setenv("AWS_CONFIG_FILE", "config", 1);
}

static struct s3_config *open_config(const struct s3_options *options)
{
    struct s3_config *config;
    struct why why = { "" };
    if (s3_config_open(options, &config, &why) < 0)
        test_fail(__FILE__, __LINE__, "%s", why.text);
    return config;
}

static void check_refused(const struct s3_options *options, const char *part)
{
    struct s3_config *config;
    struct why why = { "" };
    CHECK_INT(s3_config_open(options, &config, &why), -EINVAL);
    CHECK_CONTAINS(why.text, part);
    CHECK(!strstr(why.text, "hush"));
}

#define CHECK_SETTING(options, member, expected)                                      \
    do {                                                                              \
        CLEANUP(s3_config_closep) struct s3_config *config_ = open_config(options);   \
        CHECK_STR(config_->member, expected);                                         \
    } while (0)

static const struct s3_options none;

TEST(without_any_setting_it_is_aws)
{
    set_files("");
    CLEANUP(s3_config_closep) struct s3_config *config = open_config(&none);
    CHECK(!config->endpoint && config->secure && !config->ca_bundle && !config->no_sign_request && !config->profile_given);
    CHECK_STR(config->region, "us-east-1");
    CHECK_STR(config->profile, "default");
    CHECK_INT(config->style, S3_STYLE_AUTO);
    CHECK_INT(config->max_attempts, 3);
}

TEST(the_endpoint_follows_its_order)
{
    struct s3_options option = { .endpoint_url = "http://option:1" };
    set_files("[default]\nendpoint_url = http://profile/\n[profile p]\nendpoint_url = http://profile\nservices = s\n[services s]\ns3 =\n  endpoint_url = http://service\n");
    CHECK_SETTING(&none, endpoint, "http://profile");
    CHECK_SETTING((&(struct s3_options){ .profile = "p" }), endpoint, "http://service");
    setenv("AWS_ENDPOINT_URL", "https://general:8443/", 1);
    CHECK_SETTING(&none, endpoint, "https://general:8443");
    setenv("AWS_ENDPOINT_URL_S3", "http://[::1]:9000/a/b//", 1);
    CLEANUP(s3_config_closep) struct s3_config *config = open_config(&none);
    CHECK_STR(config->endpoint, "http://[::1]:9000/a/b");
    CHECK_STR(config->host, "[::1]:9000");
    CHECK_STR(config->path, "/a/b");
    CHECK(!config->secure);
    CHECK_SETTING(&option, endpoint, "http://option:1");
    setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true", 1);
    CHECK_SETTING(&option, host, "option:1");
    CLEANUP(s3_config_closep) struct s3_config *aws = open_config(&none);
    CHECK(!aws->endpoint);
}

TEST(region_and_profile_follow_their_order)
{
    struct s3_options option = { .region = "option" }, profile = { .profile = "p" };
    set_files("[default]\nregion = one\n[profile p]\nregion = two\n");
    CHECK_SETTING(&none, region, "one");
    CHECK_SETTING(&profile, region, "two");
    setenv("AWS_PROFILE", "p", 1);
    CHECK_SETTING(&none, region, "two");
    setenv("AWS_DEFAULT_REGION", "three", 1);
    CHECK_SETTING(&none, region, "three");
    setenv("AWS_REGION", "four", 1);
    CHECK_SETTING(&profile, region, "four");
    CHECK_SETTING(&option, region, "option");
    CLEANUP(s3_config_closep) struct s3_config *config = open_config(&profile);
    CHECK(config->profile_given);
}

TEST(other_settings_come_from_environment_and_profile)
{
    set_files("[default]\nmax_attempts = 7\nca_bundle = config\ns3 =\n  addressing_style = virtual\n");
    setenv("AWS_EC2_METADATA_DISABLED", "True", 1);
    CLEANUP(s3_config_closep) struct s3_config *config = open_config(&(struct s3_options){ .no_sign_request = true });
    CHECK_INT(config->max_attempts, 7);
    CHECK_STR(config->ca_bundle, "config");
    CHECK_INT(config->style, S3_STYLE_VIRTUAL);
    CHECK(config->no_sign_request && config->metadata_disabled);
    setenv("AWS_MAX_ATTEMPTS", "5", 1);
    setenv("AWS_CA_BUNDLE", "credentials", 1);
    CLEANUP(s3_config_closep) struct s3_config *other = open_config(&(struct s3_options){ .addressing_style = "path" });
    CHECK_INT(other->max_attempts, 5);
    CHECK_STR(other->ca_bundle, "credentials");
    CHECK_INT(other->style, S3_STYLE_PATH);
}

TEST(a_setting_that_cannot_be_is_refused_with_its_place)
{
    set_files("[profile p]\ns3 =\n  addressing_style = odd\n");
    check_refused(&(struct s3_options){ .profile = "q" }, "--profile: there is no profile \"q\" in credentials and config");
    check_refused(&(struct s3_options){ .profile = "p" }, "\"odd\" is none of auto, virtual, path");
    check_refused(&(struct s3_options){ .region = "eu west" }, "--region: \"eu west\" is no region");
    check_refused(&(struct s3_options){ .region = "evil.example.org/" }, "is no region");
    check_refused(&(struct s3_options){ .endpoint_url = "localhost:9000" }, "--endpoint-url: an endpoint begins with https://");
    check_refused(&(struct s3_options){ .endpoint_url = "http://me:hush@host" }, "no password");
    check_refused(&(struct s3_options){ .endpoint_url = "http://host/?hush" }, "no query");
    check_refused(&(struct s3_options){ .endpoint_url = "http:///path" }, "has no host name");
    check_refused(&(struct s3_options){ .endpoint_url = "http://ho st/path" }, "has no host name");
    check_refused(&(struct s3_options){ .endpoint_url = "http://host/a%20b" }, "letters that need encoding");
    setenv("AWS_MAX_ATTEMPTS", "none", 1);
    check_refused(&none, "AWS_MAX_ATTEMPTS: \"none\" is no number");
    unsetenv("AWS_MAX_ATTEMPTS");
    setenv("AWS_CA_BUNDLE", "missing.pem", 1);
    struct s3_config *config;
    struct why why;
    CHECK_INT(s3_config_open(&none, &config, &why), -ENOENT);
    CHECK_CONTAINS(why.text, "AWS_CA_BUNDLE: missing.pem: No such file");
}

TEST(hosts_of_aws_have_their_partition_s_domain)
{
    char text[128];
    s3_aws_host("s3", "eu-west-1", text, sizeof(text));
    CHECK_STR(text, "s3.eu-west-1.amazonaws.com");
    s3_aws_host("sts", "cn-north-1", text, sizeof(text));
    CHECK_STR(text, "sts.cn-north-1.amazonaws.com.cn");
    s3_aws_host("s3", "us-isob-east-1", text, sizeof(text));
    CHECK_STR(text, "s3.us-isob-east-1.sc2s.sgov.gov");
}

TEST(a_worker_takes_what_it_has_none_of_from_the_coordinator_and_nothing_secret)
{
    set_files("[default]\nendpoint_url = http://store:9000\nregion = north\n");
    CLEANUP(s3_config_closep) struct s3_config *config = open_config(&(struct s3_options){ .no_sign_request = true, .profile = "default" });
    struct s3_options shared, own = { .region = "mine", .profile = "p" };
    s3_config_share(config, &shared);
    CHECK(!shared.profile && !shared.ca_bundle);
    s3_options_fill(&own, &shared);
    CHECK_STR(own.endpoint_url, "http://store:9000");
    CHECK_STR(own.region, "mine");
    CHECK_STR(own.addressing_style, "auto");
    CHECK_STR(own.profile, "p");
    CHECK(own.no_sign_request && !own.ca_bundle);
}
