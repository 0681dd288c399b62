/* test_torture_s3.c: common/s3 with every single allocation refused. */
#include "common/s3/client.h"
#include "common/s3/provider.h"

#include "common/cleanup.h"
#include "tests/test.h"
#include "tests/torture.h"

#define PAGE "<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated><Contents><Key>a+b</Key><Size>1</Size></Contents></ListBucketResult>"

static void set_environment(const char *endpoint)
{
    static const char config[] = "[default]\ncredential_process = true\nregion = eu-west-1\n[profile p]\nrole_arn = arn\nsource_profile = base\n";
    static const char credentials[] = "[default]\naws_access_key_id = A\naws_secret_access_key = s\n[base]\naws_access_key_id = B\naws_secret_access_key = s\n";
    static const char *const names[] = { "AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_REGION", "AWS_ENDPOINT_URL_S3", "AWS_WEB_IDENTITY_TOKEN_FILE", "http_proxy" };
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        unsetenv(names[i]);
    test_write_file("config", config, strlen(config));
    test_write_file("credentials", credentials, strlen(credentials));
    setenv("AWS_CONFIG_FILE", "config", 1);
    setenv("AWS_SHARED_CREDENTIALS_FILE", "credentials", 1);
    setenv("AWS_ENDPOINT_URL", endpoint, 1);
    setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
}

static int open_and_build(struct why *why)
{
    struct s3_session *session;
    struct s3_request request;
    struct sigv4_key key = { .date = "" };
    struct s3_call call = { .method = "PUT", .bucket = "b", .key = "a b", .key_size = 3, .if_match = "e", .ranged = true, .body = "x", .body_size = 1 };
    int r = s3_session_open(&(struct s3_options){ 0 }, &session, why);
    if (r < 0)
        return r;
    r = s3_request_build(&request, session, &key, &call, why);
    if (r == 0)
        s3_request_done(&request);
    s3_session_close(session);
    return r;
}

static int ignore(void *arg, const struct s3_item *item)
{
    (void)arg, (void)item;
    return 0;
}

static int read_page(struct why *why)
{
    struct s3_list *list;
    char token[S3_TOKEN_MAX];
    int r = s3_list_open(&list);
    if (r == 0) {
        r = s3_list_feed(list, PAGE, strlen(PAGE));
        if (r == 0)
            r = s3_list_end(list, ignore, NULL, token);
        s3_list_close(list);
    }
    return r < 0 ? because(why, r, "out of memory") : 0;
}

static int read_json(struct why *why)
{
    static const char json[] = "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\",\"Token\":\"t\"}";
    struct credentials *credentials = NULL;
    int r = credentials_from_json(json, strlen(json), "Token", "json", &credentials, why);
    credentials_release(credentials);
    return r < 0 ? r : 0;
}

TEST_WITHIN(120, requests_pages_and_credentials_survive_refused_memory)
{
    set_environment("http://127.0.0.1:1");
    torture(open_and_build);
    torture(read_page);
    torture(read_json);
}
