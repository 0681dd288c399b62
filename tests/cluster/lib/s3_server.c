#include "tests/cluster/lib/s3_server.h"

#include <sys/wait.h>
#include <unistd.h>

/* The value of `key` in "key=value key=value", "" if it is not there. */
static void field(const char *line, const char *key, char *value, size_t size)
{
    char wanted[32];
    snprintf(wanted, sizeof(wanted), "%s=", key);
    value[0] = 0;
    for (const char *at = line; at && *at; at = strchr(at, ' ') ? strchr(at, ' ') + 1 : NULL) {
        if (!strncmp(at, wanted, strlen(wanted))) {
            const char *from = at + strlen(wanted);
            snprintf(value, size, "%.*s", (int)strcspn(from, " \n"), from);
            return;
        }
    }
}

/* Its last line: what stands before it is for people. */
static const char *last_line(char *text)
{
    size_t length = strlen(text);
    while (length && text[length - 1] == '\n')
        text[--length] = 0;
    char *newline = strrchr(text, '\n');
    return newline ? newline + 1 : text;
}

void s3_server_start(struct s3_server *server, const char *name)
{
    if (geteuid() != 0)
        test_skip("%s as an S3 server needs root", name);
    const char *flag = strstr(name, "-sts") ? "--sts" : "";
    char *said = NULL;
    int status = test_shell(&said, "%s/tests/servers/%.*s start %s/servers/%s %s", test_source(), (int)strcspn(name, "-"), name, test_build(),
                            name, flag);
    if (status == 77)
        test_skip("%s", last_line(said));
    if (status)
        test_fail(__FILE__, __LINE__, "%s did not start: %s", name, said);
    const char *line = last_line(said);
    field(line, "endpoint", server->endpoint, sizeof(server->endpoint));
    field(line, "host", server->host, sizeof(server->host));
    field(line, "access", server->access, sizeof(server->access));
    field(line, "secret", server->secret, sizeof(server->secret));
    field(line, "region", server->region, sizeof(server->region));
    free(said);
    CHECK(server->endpoint[0] && server->access[0] && server->secret[0] && server->region[0]);
}

void s3_server_stranger(struct s3_server *server)
{
    bool swift = strchr(server->access, ':');
    snprintf(server->access, sizeof(server->access), "%s", swift ? "other:stranger" : "strangeraccess");
    snprintf(server->secret, sizeof(server->secret), "strangersecret");
}

void s3_server_environment(const struct s3_server *server)
{
    static const char *const others[] = { "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL_S3", "AWS_CA_BUNDLE",
                                          "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
                                          "AWS_CONTAINER_CREDENTIALS_FULL_URI", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY" };
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
        unsetenv(others[i]);
    setenv("AWS_ACCESS_KEY_ID", server->access, 1);
    setenv("AWS_SECRET_ACCESS_KEY", server->secret, 1);
    setenv("AWS_REGION", server->region, 1);
    setenv("AWS_ENDPOINT_URL", server->endpoint, 1);
    setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
    setenv("AWS_CONFIG_FILE", "/dev/null", 1);
    setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null", 1);
}

void s3_bucket_name(char *name, size_t size)
{
    static int count;
    snprintf(name, size, "t-%d-%d", (int)getpid(), count++);
}
