#include "common/s3/profile.h"

#include "common/cleanup.h"
#include "tests/test.h"

#include <sys/stat.h>

DEFINE_FREEP(profiles_free, struct profiles)

static struct profiles *read_texts(const char *credentials, const char *config)
{
    struct why why = { "" };
    struct profiles *profiles = profiles_new();
    CHECK(profiles);
    if (profiles_add(profiles, "credentials", false, credentials, strlen(credentials), &why) < 0 ||
        profiles_add(profiles, "config", true, config, strlen(config), &why) < 0)
        test_fail(__FILE__, __LINE__, "%s", why.text);
    return profiles;
}

TEST(both_files_are_read_as_the_aws_command_line_does)
{
    CLEANUP(profiles_freep) struct profiles *profiles =
        read_texts("\xef\xbb\xbf[default]\r\naws_access_key_id = AKID\r\naws_secret_access_key=a/b+c=#;x\r\n\n# comment\n ; comment\n"
                   "[work]\nregion = first\n[a b]\nx = 1\nx = 2\n[profile odd]\ny = 3\n",
                   "[default]\nregion = eu-west-1\n\n[profile work]\nREGION = second\noutput =\n[profile \"a b\"]\nz = 4\n[stray]\nw = 5\n"
                   "[sso-session s]\nregion = third\n");
    CHECK_STR(profiles_get(profiles, "default", "aws_access_key_id"), "AKID");
    CHECK_STR(profiles_get(profiles, "default", "aws_secret_access_key"), "a/b+c=#;x");
    CHECK_STR(profiles_get(profiles, "default", "region"), "eu-west-1");
    CHECK_STR(profiles_get(profiles, "work", "region"), "first");
    CHECK_STR(profiles_get_in(profiles, true, "work", "region"), "second");
    CHECK(!profiles_get(profiles, "work", "output"));
    CHECK_STR(profiles_get(profiles, "a b", "x"), "2");
    CHECK_STR(profiles_get(profiles, "a b", "z"), "4");
    CHECK_STR(profiles_get(profiles, "profile odd", "y"), "3");
    CHECK(profiles_has(profiles, "work") && profiles_has(profiles, "a b") && profiles_has(profiles, "default"));
    CHECK(!profiles_has(profiles, "stray") && !profiles_has(profiles, "s") && !profiles_has(profiles, "odd"));
    CHECK(!profiles_get(profiles, "stray", "w") && !profiles_get(profiles, "none", "region"));
}

TEST(nested_settings_and_services_are_found)
{
    CLEANUP(profiles_freep) struct profiles *profiles =
        read_texts("", "[profile p]\nservices = local\nregion = r\n  continued = no\ns3 =\n  addressing_style = path\n\tmax_queue=1\nother = 1\n"
                       "[services local]\ns3 =\n  endpoint_url = http://localhost:9000\nsts =\n  endpoint_url = http://localhost:9001\n"
                       "[profile q]\nservices = gone\n");
    CHECK_STR(profiles_get(profiles, "p", "s3.addressing_style"), "path");
    CHECK_STR(profiles_get(profiles, "p", "s3.max_queue"), "1");
    CHECK_STR(profiles_get(profiles, "p", "region"), "r");
    CHECK_STR(profiles_get(profiles, "p", "other"), "1");
    CHECK(!profiles_get(profiles, "p", "continued") && !profiles_get(profiles, "p", "addressing_style"));
    CHECK_STR(profiles_get_service(profiles, "p", "s3", "endpoint_url"), "http://localhost:9000");
    CHECK_STR(profiles_get_service(profiles, "p", "sts", "endpoint_url"), "http://localhost:9001");
    CHECK(!profiles_get_service(profiles, "q", "s3", "endpoint_url"));
    CHECK(!profiles_get_service(profiles, "none", "s3", "endpoint_url"));
}

static void check_refused(const char *text, size_t size, const char *part)
{
    struct why why = { "" };
    CLEANUP(profiles_freep) struct profiles *profiles = profiles_new();
    CHECK_INT(profiles_add(profiles, "the-file", false, text, size, &why), -EINVAL);
    CHECK_CONTAINS(why.text, part);
    CHECK_CONTAINS(why.text, "the-file: ");
    CHECK(!strstr(why.text, "hush"));
}

TEST(what_cannot_be_read_is_told_with_file_and_line_and_without_its_content)
{
    check_refused("\n[default\nx=1", 13, "line 2: a section is written [name]");
    check_refused("[a]\nhush\n", 9, "line 2: neither [section] nor name = value");
    check_refused("hush = 1\n", 9, "line 1: a setting before the first [section]");
    check_refused("[a]\n\n=hush", 10, "line 3: the name before = is missing");
    check_refused("[a]\n\0", 5, "not a text file");
}

TEST(the_files_are_where_the_environment_says)
{
    CLEANUP(profiles_freep) struct profiles *none = NULL;
    CLEANUP(profiles_freep) struct profiles *home = NULL;
    CLEANUP(profiles_freep) struct profiles *given = NULL;
    struct why why = { "" };
    unsetenv("AWS_SHARED_CREDENTIALS_FILE");
    unsetenv("AWS_CONFIG_FILE");
    setenv("HOME", ".", 1);
    CHECK_INT(profiles_read(&none, &why), 0);
    CHECK(!profiles_has(none, "default"));
    CHECK_STR(profiles_where(none), "./.aws/credentials and ./.aws/config");
    mkdir(".aws", 0700);
    test_write_file(".aws/credentials", "[default]\nx=home\n", 17);
    CHECK_INT(profiles_read(&home, &why), 0);
    CHECK_STR(profiles_get(home, "default", "x"), "home");
    test_write_file("mine", "[profile p]\nx=mine\n", 19);
    setenv("AWS_CONFIG_FILE", "~/mine", 1);
    CHECK_INT(profiles_read(&given, &why), 0);
    CHECK_STR(profiles_get(given, "p", "x"), "mine");
    setenv("AWS_CONFIG_FILE", ".aws", 1);
    struct profiles *broken = NULL;
    CHECK(profiles_read(&broken, &why) < 0);
    CHECK_CONTAINS(why.text, ".aws: ");
}
