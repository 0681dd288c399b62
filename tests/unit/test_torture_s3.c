/* test_torture_s3.c: common/s3 with every single allocation refused. */
#include "common/s3/client.h"
#include "common/s3/provider.h"

#include "common/cleanup.h"
#include "tests/origin.h"
#include "tests/test.h"
#include "tests/torture.h"

#define PAGE "<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated><Contents><Key>a+b</Key><Size>1</Size></Contents></ListBucketResult>"

static void set_environment(const char *endpoint)
{
    static const char config[] = "[default]\ncredential_process = true\nregion = eu-west-1\n[profile p]\nrole_arn = arn\nsource_profile = base\n"
                                 "[profile process]\ncredential_process = echo '{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\"}'\n[profile empty]\n";
    static const char credentials[] = "[default]\naws_access_key_id = A\naws_secret_access_key = s\n[base]\naws_access_key_id = B\naws_secret_access_key = s\n";
    static const char *const names[] = { "AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_REGION", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL_STS", "AWS_WEB_IDENTITY_TOKEN_FILE", "http_proxy" };
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

/* ---- with a store, which is another process: nothing is refused there ---------------------------------------------------------- */

#define KEYS "\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\",\"Token\":\"t\",\"Expiration\":\"2100-01-01T00:00:00Z\""
#define STS  "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>A</AccessKeyId><SecretAccessKey>s</SecretAccessKey>" \
             "<SessionToken>t</SessionToken></Credentials></AssumeRoleResult></AssumeRoleResponse>"

static void answer(void *arg, int fd, const struct origin_request *request)
{
    (void)arg;
    const char *text = !strcmp(request->method, "PUT") ? "session" : !strcmp(request->method, "POST") ? STS : strstr(request->target, "list-type") ? PAGE :
                       strstr(request->target, "/creds") ? "{" KEYS "}" : "content";
    origin_answer(fd, 200, "ETag: \"e\"\r\n", text, strcmp(request->method, "HEAD") ? strlen(text) : 0);
}

/* It ends with the test. */
static void serve(char url[64])
{
    int ends[2];
    CHECK_INT(pipe(ends), 0);
    fflush(NULL);
    if (fork() == 0) {
        struct origin *origin = origin_start(answer, NULL);
        CHECK(write(ends[1], origin_url(origin), 64) == 64);
        for (;;)
            pause();
    }
    CHECK(read(ends[0], url, 64) == 64);
    close(ends[0]);
    close(ends[1]);
}

static int use_client(struct why *why)
{
    struct s3_session *session = NULL;
    struct s3_client *client = NULL;
    struct s3_uri uri = { .bucket = "b", .key = "k", .key_size = 1 };
    struct s3_page_call page = { .bucket = "b" };
    struct s3_head head;
    char token[S3_TOKEN_MAX];
    CLEANUP(bytes_done) struct bytes out;
    bytes_init(&out, 100);
    int r = s3_session_open(&(struct s3_options){ 0 }, &session, why);
    if (r == 0)
        r = s3_client_open(session, NULL, NULL, &client, why);
    if (r == 0)
        r = s3_client_list(client, &page, ignore, NULL, token, why);
    if (r == 0)
        r = s3_client_get(client, &uri, &out, why);
    if (r == 0)
        r = s3_client_head(client, &uri, &head, why);
    struct s3_upload *upload = NULL;
    if (r == 0)
        r = s3_upload_open(client, &uri, "text/plain", &upload, why);
    if (upload) {
        s3_upload_write(upload, "x", 1, NULL);
        r = s3_upload_finish(upload, why);
    }
    s3_client_close(client);
    s3_session_close(session);
    return r;
}

static int find_credentials(const char *profile, struct why *why)
{
    struct s3_config *config;
    struct credentials_store *store = NULL;
    int r = s3_config_open(&(struct s3_options){ .profile = profile }, &config, why);
    if (r < 0)
        return r;
    r = credentials_open(config, &store, why);
    credentials_close(store);
    s3_config_close(config);
    return r;
}

static int assume_role(struct why *why)
{
    return find_credentials("p", why);
}

static int ask_process(struct why *why)
{
    return find_credentials("process", why);
}

static int ask_container(struct why *why)
{
    return find_credentials("empty", why);
}

TEST(clients_and_sources_survive_refused_memory)
{
    char url[64], creds[128];
    serve(url);
    set_environment(url);
    torture(use_client);
    torture(assume_role);
    torture(ask_process);
    snprintf(creds, sizeof(creds), "%s/creds", url);
    setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", creds, 1);
    torture(ask_container);
}

TEST(requests_pages_and_credentials_survive_refused_memory)
{
    set_environment("http://127.0.0.1:1");
    torture(open_and_build);
    torture(read_page);
    torture(read_json);
}
