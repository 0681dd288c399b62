/* Where credentials come from, against services of this test's own that follow the public interfaces. */
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/s3/provider.h"
#include "tests/cluster/lib/process.h"
#include "tests/credentials_bed.h"
#include "tests/origin.h"

#include <signal.h>
#include <sys/socket.h>
#include <time.h>

/* ---- without a service ------------------------------------------------------------------------------------------------------------- */

TEST(the_environment_goes_before_profiles_unless_one_is_named)
{
    credentials_bed_clear();
    credentials_bed_write("credentials", "[default]\naws_access_key_id=FILE\naws_secret_access_key=hush\n"
                                         "[other]\naws_access_key_id=OTHER\naws_secret_access_key=hush\naws_session_token=file-token\n");
    credentials_bed_write("config", "[default]\naws_access_key_id=CONFIG\naws_secret_access_key=hush\n"
                                    "[profile third]\naws_access_key_id=THIRD\naws_secret_access_key=hush\n");
    credentials_bed_check_found(NULL, "FILE", NULL, "profile default of the credentials file");
    setenv("AWS_PROFILE", "other", 1);
    credentials_bed_check_found(NULL, "OTHER", "file-token", "profile other of the credentials file");
    setenv("AWS_ACCESS_KEY_ID", "ENV", 1);
    credentials_bed_check_failed(NULL, -ENOKEY, "AWS_SECRET_ACCESS_KEY is not");
    setenv("AWS_SECRET_ACCESS_KEY", "hush", 1);
    credentials_bed_check_found(NULL, "ENV", NULL, "the environment");
    setenv("AWS_SESSION_TOKEN", "env-token", 1);
    credentials_bed_check_found(NULL, "ENV", "env-token", "the environment");
    credentials_bed_check_found("third", "THIRD", NULL, "profile third of the config file");
    credentials_bed_check_found("other", "OTHER", "file-token", "profile other of the credentials file");
}

TEST(who_has_none_hears_what_was_tried)
{
    credentials_bed_clear();
    credentials_bed_check_failed(NULL, -ENOKEY, "no S3 credentials were found: AWS_ACCESS_KEY_ID is not set, no role_arn, AWS_WEB_IDENTITY_TOKEN_FILE is "
                                                "not set, profile default has no key in the credentials file, no credential_process, profile default has "
                                                "no key in the config file, no container role (AWS_CONTAINER_CREDENTIALS_FULL_URI is not set), "
                                                "AWS_EC2_METADATA_DISABLED is set; name a profile with --profile, or give --no-sign-request for a public "
                                                "bucket");
}

TEST(half_a_key_and_a_broken_one_are_told)
{
    credentials_bed_clear();
    credentials_bed_write("credentials", "[default]\naws_access_key_id=FILE\n[blank]\naws_access_key_id=A B\naws_secret_access_key=hush\n");
    credentials_bed_check_failed(NULL, -ENOKEY, "has an aws_access_key_id and no aws_secret_access_key");
    credentials_bed_check_failed("blank", -EINVAL, "profile blank of the credentials file: a key with a blank");
}

TEST(whoever_signs_in_with_sso_hears_the_way)
{
    credentials_bed_clear();
    credentials_bed_write("config", "[profile work]\nsso_session = corp\nsso_account_id = 1\n[sso-session corp]\nsso_start_url = https://example.org\n");
    credentials_bed_check_failed("work", -ENOKEY, "profile work signs in with SSO, which is not built in; add a profile with credential_process = aws configure "
                                                  "export-credentials --profile work --format process");
}

/* ---- processes ------------------------------------------------------------------------------------------------------------------------ */

TEST(a_process_may_hand_them_over)
{
    credentials_bed_clear();
    credentials_bed_write("config", "[default]\ncredential_process = echo '{\"Version\":1,\"AccessKeyId\":\"PROC\",\"SecretAccessKey\":\"hush\","
                                    "\"SessionToken\":\"t\",\"Expiration\":\"2100-01-01T00:00:00Z\"}'\n");
    credentials_bed_check_found(NULL, "PROC", "t", "credential_process of profile default");
    CLEANUP(credentials_bed_closep) struct credentials_bed opened = credentials_bed_open(NULL);
    CHECK(opened.now->expires_s == 4102444800.0);
}

/* Its errors are for people, however many; what it leaves behind has its pipes open and goes on. */
TEST(a_process_may_talk_much_and_leave_others_behind)
{
    credentials_bed_clear();
    credentials_bed_write("config", "[default]\ncredential_process = yes chatter | head -c 200000 >&2; sleep 50 & echo $! >left; "
                                    "echo '{\"Version\":1,\"AccessKeyId\":\"PROC\",\"SecretAccessKey\":\"hush\"}'\n");
    double begin_s = clock_wall_s();
    credentials_bed_check_found(NULL, "PROC", NULL, "credential_process of profile default");
    CHECK(clock_wall_s() - begin_s < 45);
    CHECK_INT(test_shell(NULL, "kill $(cat left)"), 0);
}

TEST(a_process_that_fails_is_told_with_its_first_words)
{
    credentials_bed_clear();
    credentials_bed_write("config", "[profile fails]\ncredential_process = printf 'sign\\tin first\\n' >&2; echo more >&2; exit 3\n"
                                    "[profile empty]\ncredential_process = true\n[profile odd]\ncredential_process = echo '[1]'\n"
                                    "[profile half]\ncredential_process = echo '{\"AccessKeyId\":\"A\"}'\n"
                                    "[profile time]\ncredential_process = echo '{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"hush\",\"Expiration\":\"soon\"}'\n"
                                    "[profile killed]\ncredential_process = kill -9 $$\n[profile flood]\ncredential_process = yes\n");
    credentials_bed_check_failed("fails", -EACCES, "credential_process of profile fails: the command ended with status 3: sign?in first; run it by hand");
    credentials_bed_check_failed("empty", -EBADMSG, "the answer is no JSON object");
    credentials_bed_check_failed("odd", -EBADMSG, "the answer is no JSON object");
    credentials_bed_check_failed("half", -EBADMSG, "no AccessKeyId and SecretAccessKey");
    credentials_bed_check_failed("time", -EBADMSG, "the Expiration in the answer is no time");
    credentials_bed_check_failed("killed", -EACCES, "status 137");
    credentials_bed_check_failed("flood", -EFBIG, "writes far more than credentials");
}

static bool is_running(const char *pid_file)
{
    return test_shell(NULL, "grep -v '^[0-9]* (.*) Z' /proc/$(cat %s)/stat", pid_file) == 0;
}

TEST(a_process_that_is_ended_takes_its_children_with_it)
{
    credentials_bed_clear();
    credentials_bed_write("config", "[default]\ncredential_process = sleep 500 & echo $! >child; exec yes\n");
    credentials_bed_check_failed(NULL, -EFBIG, "writes far more than credentials");
    WAIT_FOR(!is_running("child"));
}

TEST(a_process_may_be_ended_by_signals_whatever_is_blocked_here)
{
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    credentials_bed_clear();
    credentials_bed_write("config", "[default]\ncredential_process = kill -TERM $$; echo '{}'\n");
    credentials_bed_check_failed(NULL, -EACCES, "status 143");
}

TEST(times_are_read_as_the_services_write_them)
{
    double s;
    CHECK(credentials_time("2015-08-30T12:36:00Z", &s) == 0 && s == 1440938160.0);
    CHECK(credentials_time("2015-08-30T12:36:00.123Z", &s) == 0 && s == 1440938160.0);
    CHECK(credentials_time("2015-08-30T12:36:00", &s) == 0 && s == 1440938160.0);
    CHECK(credentials_time("2015-08-30T14:36:00+02:00", &s) == 0 && s == 1440938160.0);
    CHECK(credentials_time("2015-08-30T12:06:00-00:30", &s) == 0 && s == 1440938160.0);
    CHECK_INT(credentials_time("", &s), -EINVAL);
    CHECK_INT(credentials_time("2015-08-30", &s), -EINVAL);
    CHECK_INT(credentials_time("2015-08-30T12:36:00x", &s), -EINVAL);
    CHECK_INT(credentials_time("2015-08-30T12:36:00+x", &s), -EINVAL);
}

/* ---- the machine's role ---------------------------------------------------------------------------------------------------------------- */

#define JSON(id) "{\"Code\":\"Success\",\"AccessKeyId\":\"" id "\",\"SecretAccessKey\":\"hush\",\"Token\":\"tok/en==\",\"Expiration\":\"2100-01-01T00:00:00Z\"}"

/* IMDSv2, as "Use the Instance Metadata Service" describes it. `arg`: what goes wrong. */
static void be_imds(void *arg, int fd, const struct origin_request *request)
{
    const char *wrong = arg;
    char text[64];
    static char longest[1025];
    static const char roles[] = "/latest/meta-data/iam/security-credentials/";
    if (!strcmp(request->target, "/latest/api/token")) {
        CHECK_STR(request->method, "PUT");
        CHECK(origin_header(request, "X-aws-ec2-metadata-token-ttl-seconds", text, sizeof(text)) && atoi(text) == 21600);
        bool long_one = !strcmp(wrong, "long token"), lines = !strcmp(wrong, "lines");
        memset(longest, 'x', sizeof(longest));
        const char *token = long_one ? longest : lines ? "session==\r\nHost: elsewhere" : "session==";
        origin_answer(fd, !strcmp(wrong, "no token") ? 403 : 200, "", token, long_one ? sizeof(longest) : !strcmp(wrong, "empty token") ? 0 : strlen(token));
        return;
    }
    CHECK_STR(request->method, "GET");
    CHECK(origin_header(request, "X-aws-ec2-metadata-token", text, sizeof(text)));
    CHECK_STR(text, "session==");
    if (!strcmp(wrong, "no role"))
        origin_answer(fd, 404, "", "", 0);
    else if (!strcmp(wrong, "broken") || (!strcmp(wrong, "hiccup") && request->number % 2))
        origin_answer(fd, 500, "", "", 0);
    else if (!strcmp(request->target, roles))
        origin_answer(fd, 200, "", !strcmp(wrong, "odd role") ? "../x" : "my-role", !strcmp(wrong, "odd role") ? 4 : 7);
    else if (!strcmp(wrong, "failed"))
        origin_answer(fd, 200, "", "{\"Code\":\"Failed\"}", 17);
    else {
        CHECK_STR(request->target, "/latest/meta-data/iam/security-credentials/my-role");
        origin_answer(fd, 200, "", JSON("IMDS"), strlen(JSON("IMDS")));
    }
}

static struct origin *start_imds(const char *wrong)
{
    struct origin *origin = origin_start(be_imds, (void *)wrong);
    credentials_bed_clear();
    setenv("AWS_EC2_METADATA_DISABLED", "false", 1);
    setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", origin_url(origin), 1);
    return origin;
}

TEST(a_machine_of_ec2_asks_its_metadata_service)
{
    struct origin *origin = start_imds("nothing");
    credentials_bed_check_found(NULL, "IMDS", "tok/en==", "the machine's role (EC2 instance metadata)");
    CHECK_INT(origin_count(origin), 3);
    setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
    credentials_bed_check_failed(NULL, -ENOKEY, "AWS_EC2_METADATA_DISABLED is set");
    CHECK_INT(origin_count(origin), 3);
    origin_stop(origin);
    origin = start_imds("hiccup");
    credentials_bed_check_found(NULL, "IMDS", "tok/en==", "the machine's role (EC2 instance metadata)");
    origin_stop(origin);
}

TEST(a_metadata_service_that_does_not_help_is_told)
{
    static const struct {
        const char *wrong;
        int code;
        const char *part;
    } cases[] = { { "no token", -ENOKEY, "gives no session token (status 403)" }, { "lines", -ENOKEY, "gives no session token (status 200)" },
                  { "long token", -ENOKEY, "gives no session token" }, { "empty token", -ENOKEY, "gives no session token" }, { "no role", -ENOKEY, "this machine has no role" },
                  { "broken", -EACCES, "the service answered with status 500" }, { "odd role", -EBADMSG, "no name of a role" },
                  { "failed", -EACCES, "the machine's role (EC2 instance metadata): Failed" } };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct origin *origin = start_imds(cases[i].wrong);
        credentials_bed_check_failed(NULL, cases[i].code, cases[i].part);
        origin_stop(origin);
    }
}

TEST(where_nobody_answers_the_search_is_soon_over)
{
    credentials_bed_clear();
    setenv("AWS_EC2_METADATA_DISABLED", "false", 1);
    setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1/", 1);
    credentials_bed_check_failed(NULL, -ENOKEY, "no metadata service answers at http://127.0.0.1:1; name a profile");
    setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://192.0.2.1", 1); /* TEST-NET-1: packets get lost */
    uint64_t start_ns = clock_now_ns();
    credentials_bed_check_failed(NULL, -ENOKEY, "no metadata service answers");
    CHECK(clock_now_ns() - start_ns < 20 * NS_PER_S);
}

/* ---- the container's role ------------------------------------------------------------------------------------------------------------------ */

static void be_container(void *arg, int fd, const struct origin_request *request)
{
    char text[64] = "";
    (void)arg;
    CHECK_STR(request->method, "GET");
    if (strcmp(request->target, "/v2/creds?id=1")) {
        origin_answer(fd, 404, "", "", 0);
        return;
    }
    CHECK(origin_header(request, "Authorization", text, sizeof(text)));
    CHECK_STR(text, "Bearer abc");
    origin_answer(fd, 200, "", JSON("TASK"), strlen(JSON("TASK")));
}

TEST(a_container_asks_its_service)
{
    struct origin *origin = origin_start(be_container, NULL);
    char url[128];
    credentials_bed_clear();
    snprintf(url, sizeof(url), "%s/v2/creds?id=1", origin_url(origin));
    setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", url, 1);
    setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "Bearer abc", 1);
    credentials_bed_check_found(NULL, "TASK", "tok/en==", "the container's role");
    setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "wrong", 1);
    credentials_bed_write("token", "Bearer abc\n");
    setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "token", 1);
    credentials_bed_check_found(NULL, "TASK", "tok/en==", "the container's role");
    credentials_bed_write("token", "Bearer\r\nabc\n");
    credentials_bed_check_failed(NULL, -EINVAL, "more than one line");
    setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "missing", 1);
    credentials_bed_check_failed(NULL, -ENOENT, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: missing: No such file");
    unsetenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", origin_url(origin), 1);
    credentials_bed_check_failed(NULL, -EACCES, "the container's role: the service answered with status 404");
    origin_stop(origin);
    credentials_bed_check_failed(NULL, -EIO, "the container's role: http://127.0.0.1:");
}

/* `arg`: "huge", "cut", "slow" or "html" */
static void be_hostile(void *arg, int fd, const struct origin_request *request)
{
    static char chunk[65536];
    const char *kind = arg, *head = "HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n";
    (void)request;
    if (!strcmp(kind, "html")) {
        origin_answer(fd, 200, "", "<html>", 6);
        return;
    }
    origin_send(fd, head, strlen(head));
    for (int i = 0; i < 10 && !strcmp(kind, "huge"); i++)
        origin_send(fd, chunk, sizeof(chunk));
    if (strcmp(kind, "slow"))
        shutdown(fd, SHUT_RDWR);
}

TEST(a_service_that_answers_nonsense_is_told_and_not_waited_for)
{
    static const struct {
        const char *kind;
        int code;
        const char *part;
    } cases[] = { { "huge", -EFBIG, "much larger than credentials are" }, { "cut", -EIO, "the container's role: http://127.0.0.1:" },
                  { "slow", -EIO, "timed out" }, { "html", -EBADMSG, "no JSON object" } };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct origin *origin = origin_start(be_hostile, (void *)cases[i].kind);
        credentials_bed_clear();
        setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", origin_url(origin), 1);
        uint64_t start_ns = clock_now_ns();
        credentials_bed_check_failed(NULL, cases[i].code, cases[i].part);
        CHECK(clock_now_ns() - start_ns < 30 * NS_PER_S);
        origin_stop(origin);
    }
}

TEST(a_token_is_sent_in_clear_to_this_machine_only)
{
    static const char *const refused[] = { "http://example.org/x", "http://127.0.0.1.example.org/", "http://localhost.example.org/", "http://me@127.0.0.1/",
                                           "http://169.254.170.24/", "ftp://127.0.0.1/", "http://[::2]/", "http://example.org:127.0.0.1/" };
    credentials_bed_clear();
    for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
        setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", refused[i], 1);
        credentials_bed_check_failed(NULL, -EINVAL, "only https://, or http:// on this machine");
    }
    static const char *const taken[] = { "http://localhost:1/x", "http://127.1.2.3:1", "http://[::1]:1/", "https://127.0.0.1:1/" };
    for (size_t i = 0; i < ARRAY_SIZE(taken); i++) {
        setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", taken[i], 1);
        credentials_bed_check_failed(NULL, -EIO, "the container's role: http");
    }
}

/* ---- renewal ---------------------------------------------------------------------------------------------------------------------------------- */

/* A process that hands over what the file `now` says, and counts its calls in `calls`. */
static void use_process(void)
{
    credentials_bed_clear();
    credentials_bed_write("config", "[default]\ncredential_process = echo >> calls; cat now\n");
}

static void hand_out(const char *id, double life_s)
{
    char text[512], date[64];
    time_t end = (time_t)(clock_wall_s() + life_s);
    struct tm tm;
    strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&end, &tm));
    snprintf(text, sizeof(text), "{\"AccessKeyId\":\"%s\",\"SecretAccessKey\":\"hush\",\"SessionToken\":\"t\",\"Expiration\":\"%s\"}", id, date);
    credentials_bed_write("next", text);
    CHECK_INT(rename("next", "now"), 0);
}

/* Waits until the store has `id`. */
static void wait_for(struct credentials_store *store, const char *id)
{
    for (;;) {
        struct credentials *now = credentials_get(store);
        bool there = !strcmp(now->id, id);
        credentials_release(now);
        if (there)
            return;
        nanosleep(&(struct timespec){ 0, 20 * NS_PER_MS }, NULL);
    }
}

TEST(what_ends_is_renewed_before_and_snapshots_stay)
{
    use_process();
    hand_out("FIRST", 8);
    CLEANUP(credentials_bed_closep) struct credentials_bed opened = credentials_bed_open(NULL);
    CHECK_INT(opened.r, 0);
    hand_out("SECOND", 3600);
    wait_for(opened.store, "SECOND");
    CHECK(clock_wall_s() < opened.now->expires_s);
    CHECK_STR(opened.now->id, "FIRST");
}

TEST(a_renewal_that_fails_is_told_and_tried_again)
{
    use_process();
    hand_out("FIRST", 4);
    CLEANUP(credentials_bed_closep) struct credentials_bed opened = credentials_bed_open(NULL);
    struct why why = { "" };
    CHECK_INT(opened.r, 0);
    unlink("now");
    while (!*why.text) {
        credentials_trouble(opened.store, &why);
        nanosleep(&(struct timespec){ 0, 20 * NS_PER_MS }, NULL);
    }
    CHECK_CONTAINS(why.text, "credential_process of profile default: the command ended with status 1");
    struct credentials *now = credentials_get(opened.store);
    CHECK_STR(now->id, "FIRST");
    credentials_release(now);
    hand_out("SECOND", 3600);
    wait_for(opened.store, "SECOND");
    credentials_trouble(opened.store, &why);
    CHECK_STR(why.text, "");
}

TEST(what_the_store_refuses_is_renewed_at_once)
{
    credentials_bed_clear();
    credentials_bed_write("credentials", "[default]\naws_access_key_id=FIRST\naws_secret_access_key=hush\n");
    CLEANUP(credentials_bed_closep) struct credentials_bed opened = credentials_bed_open(NULL);
    CHECK_INT(opened.r, 0);
    credentials_bed_write("credentials", "[default]\naws_access_key_id=SECOND\naws_secret_access_key=hush\n");
    CHECK(credentials_renew(opened.store, opened.now));
    wait_for(opened.store, "SECOND");
    CHECK(credentials_renew(opened.store, opened.now));
    struct credentials *second = credentials_get(opened.store);
    CHECK(credentials_renew(opened.store, second));
    while (credentials_renew(opened.store, second)) /* until it is known that the file says the same */
        nanosleep(&(struct timespec){ 0, 20 * NS_PER_MS }, NULL);
    credentials_release(second);
}

TEST(a_new_token_for_the_same_keys_is_something_new)
{
    credentials_bed_clear();
    credentials_bed_write("credentials", "[default]\naws_access_key_id=SAME\naws_secret_access_key=hush\naws_session_token=first\n");
    CLEANUP(credentials_bed_closep) struct credentials_bed opened = credentials_bed_open(NULL);
    CHECK_INT(opened.r, 0);
    credentials_bed_write("credentials", "[default]\naws_access_key_id=SAME\naws_secret_access_key=hush\naws_session_token=second\n");
    struct credentials *now = NULL;
    do {
        credentials_release(now);
        CHECK(credentials_renew(opened.store, opened.now));
        nanosleep(&(struct timespec){ 0, 20 * NS_PER_MS }, NULL);
        now = credentials_get(opened.store);
    } while (now == opened.now);
    CHECK_STR(now->id, "SAME");
    CHECK_STR(now->token, "second");
    credentials_release(now);
}

TEST(a_renewal_in_progress_does_not_hold_up_the_end)
{
    use_process();
    credentials_bed_write("config", "[default]\ncredential_process = echo >> calls; test -e wait && sleep 50; cat now\n");
    hand_out("FIRST", 3600);
    CLEANUP(credentials_bed_closep) struct credentials_bed opened = credentials_bed_open(NULL);
    CHECK_INT(opened.r, 0);
    credentials_bed_write("wait", "");
    CHECK(credentials_renew(opened.store, opened.now));
    for (size_t size = 0; size < 2;) {
        nanosleep(&(struct timespec){ 0, 20 * NS_PER_MS }, NULL);
        free(test_read_file("calls", &size));
    }
    uint64_t start_ns = clock_now_ns();
    credentials_close(opened.store);
    opened.store = NULL;
    CHECK(clock_now_ns() - start_ns < 20 * NS_PER_S);
}

TEST(the_environment_cannot_be_renewed)
{
    credentials_bed_clear();
    setenv("AWS_ACCESS_KEY_ID", "ENV", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "hush", 1);
    CLEANUP(credentials_bed_closep) struct credentials_bed opened = credentials_bed_open(NULL);
    CHECK_INT(opened.r, 0);
    CHECK(!credentials_renew(opened.store, opened.now));
}
