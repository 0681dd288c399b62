/* Roles that STS gives credentials for, against an STS of this test's own that follows its API reference. */
#include "common/cleanup.h"
#include "tests/credentials_bed.h"
#include "tests/origin.h"

#include <math.h>
#include <time.h>

#define STS(action, id) "<" action "Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><" action "Result><Credentials><AccessKeyId>" id \
                        "</AccessKeyId><SecretAccessKey>hush</SecretAccessKey><SessionToken>sts&amp;token</SessionToken><Expiration>2100-01-01T00:00:00Z" \
                        "</Expiration></Credentials></" action "Result></" action "Response>"

/* STS, as its API reference describes it. */
static void be_sts(void *arg, int fd, const struct origin_request *request)
{
    char text[512] = "";
    static const char web[] = STS("AssumeRoleWithWebIdentity", "WEB"), role[] = STS("AssumeRole", "ROLE"), chained[] = STS("AssumeRole", "CHAINED");
    static const char refusal[] = "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>not you</Message></Error></ErrorResponse>";
    CHECK_STR(request->method, "POST");
    CHECK_STR(request->target, "/");
    CHECK(origin_header(request, "Content-Type", text, sizeof(text)));
    CHECK_STR(text, "application/x-www-form-urlencoded");
    CHECK_CONTAINS(request->body, "&Version=2011-06-15&");
    bool is_signed = origin_header(request, "Authorization", text, sizeof(text));
    if (arg) {
        origin_answer(fd, 200, "", arg, strlen(arg));
    } else if (strstr(request->body, "refused")) {
        origin_answer(fd, 403, "", refusal, strlen(refusal));
    } else if (strstr(request->body, "Action=AssumeRoleWithWebIdentity&")) {
        CHECK(!is_signed);
        CHECK_CONTAINS(request->body, "&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fw&RoleSessionName=");
        CHECK_CONTAINS(request->body, "&WebIdentityToken=ey.J%2Bx");
        origin_answer(fd, 200, "", web, strlen(web));
    } else if (strstr(text, "Credential=ROLE/")) {
        CHECK_CONTAINS(text, "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token");
        origin_answer(fd, 200, "", chained, strlen(chained));
    } else {
        CHECK_CONTAINS(text, "Credential=BASE/");
        CHECK_CONTAINS(text, "/eu-north-1/sts/aws4_request, SignedHeaders=content-type;host;x-amz-date, ");
        CHECK_CONTAINS(request->body, "Action=AssumeRole&");
        CHECK_CONTAINS(request->body, "&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr&RoleSessionName=me&ExternalId=x%2Fy&DurationSeconds=900");
        origin_answer(fd, 200, "", role, strlen(role));
    }
}

static struct origin *start_sts(const char *answer)
{
    struct origin *origin = origin_start(be_sts, (void *)answer);
    credentials_bed_clear();
    setenv("AWS_ENDPOINT_URL_STS", origin_url(origin), 1);
    setenv("AWS_REGION", "eu-north-1", 1);
    credentials_bed_write("credentials", "[base]\naws_access_key_id=BASE\naws_secret_access_key=hush\n");
    return origin;
}

#define ROLE_R "role_arn = arn:aws:iam::1:role/r\nrole_session_name = me\nexternal_id = x/y\nduration_seconds = 900\n"

TEST(a_role_is_assumed_with_the_profile_that_it_names)
{
    struct origin *origin = start_sts(NULL);
    credentials_bed_write("config", "[profile r]\n" ROLE_R "source_profile = base\n[profile chain]\nrole_arn = arn:c\nsource_profile = r\n"
                                    "[profile env]\n" ROLE_R "credential_source = Environment\n"
                                    "[profile self]\n" ROLE_R "source_profile = self\naws_access_key_id = BASE\naws_secret_access_key = hush\n");
    credentials_bed_check_found("r", "ROLE", "sts&token", "the role of profile r");
    credentials_bed_check_found("chain", "CHAINED", "sts&token", "the role of profile chain");
    credentials_bed_check_found("self", "ROLE", "sts&token", "the role of profile self");
    credentials_bed_check_failed("env", -ENOKEY, "credential_source = Environment of profile env: AWS_ACCESS_KEY_ID is not set");
    setenv("AWS_ACCESS_KEY_ID", "BASE", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "hush", 1);
    credentials_bed_check_found("env", "ROLE", "sts&token", "the role of profile env");
    origin_stop(origin);
}

TEST(a_role_that_cannot_be_assumed_is_told)
{
    struct origin *origin = start_sts(NULL);
    credentials_bed_write("config", "[profile refused]\nrole_arn = arn:refused\nsource_profile = base\n"
                                    "[profile none]\nrole_arn = arn\n[profile gone]\nrole_arn = arn\nsource_profile = x\n"
                                    "[profile a]\nrole_arn = arn\nsource_profile = b\n[profile b]\nrole_arn = arn\nsource_profile = a\n"
                                    "[profile odd]\nrole_arn = arn\ncredential_source = Elsewhere\n"
                                    "[profile mfa]\nrole_arn = arn\nmfa_serial = 1\nsource_profile = base\n"
                                    "[profile empty]\n[profile e]\nrole_arn = arn\nsource_profile = empty\n");
    credentials_bed_check_failed("refused", -EACCES, "the role of profile refused: STS refuses arn:refused (status 403, AccessDenied: not you)");
    credentials_bed_check_failed("none", -EINVAL, "profile none has a role_arn, and neither source_profile nor credential_source");
    credentials_bed_check_failed("gone", -ENOKEY, "there is no profile \"x\"");
    credentials_bed_check_failed("a", -ELOOP, "do they form a circle?");
    credentials_bed_check_failed("odd", -EINVAL, "\"Elsewhere\" is none of");
    credentials_bed_check_failed("mfa", -EOPNOTSUPP, "profile mfa wants an MFA code");
    credentials_bed_check_failed("e", -ENOKEY, "profile empty has no credentials");
    origin_stop(origin);
    credentials_bed_check_failed("refused", -EIO, "the role of profile refused: http://127.0.0.1:");
}

/* Whose clock differs from ours by *arg seconds: what it gives out ends, by its clock, in an hour and a half. */
static void be_elsewhen(void *arg, int fd, const struct origin_request *request)
{
    static const char expired[] = "<ErrorResponse><Error><Code>SignatureDoesNotMatch</Code><Message>Signature expired</Message></Error></ErrorResponse>";
    time_t there = time(NULL) + *(const time_t *)arg, end = there + 5400;
    char date[64], headers[80], sent[64] = "", expiry[32], answer[512];
    struct tm tm = { 0 };
    CHECK(origin_header(request, "X-Amz-Date", sent, sizeof(sent)));
    CHECK(strptime(sent, "%Y%m%dT%H%M%SZ", &tm));
    strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&there, &(struct tm){ 0 }));
    strftime(expiry, sizeof(expiry), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&end, &(struct tm){ 0 }));
    snprintf(headers, sizeof(headers), "Date: %s\r\n", date);
    snprintf(answer, sizeof(answer), "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>LATE</AccessKeyId><SecretAccessKey>hush</SecretAccessKey>"
             "<SessionToken>t</SessionToken><Expiration>%s</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>", expiry);
    bool good = llabs((long long)timegm(&tm) - (long long)there) < 300 && !strstr(request->body, "refused");
    int refusal = there < time(NULL) - 3600 ? 400 : 403; /* both are said */
    origin_answer(fd, good ? 200 : refusal, headers, good ? answer : expired, strlen(good ? answer : expired));
}

static struct origin *start_elsewhen(time_t *offset_s)
{
    origin_stop(start_sts(NULL));
    struct origin *origin = origin_start(be_elsewhen, offset_s);
    setenv("AWS_ENDPOINT_URL_STS", origin_url(origin), 1);
    credentials_bed_write("config", "[profile r]\n" ROLE_R "source_profile = base\n[profile refused]\nrole_arn = arn:refused\nsource_profile = base\n");
    return origin;
}

static void check_elsewhen(time_t offset_s)
{
    struct origin *origin = start_elsewhen(&offset_s);
    credentials_bed_check_found("r", "LATE", "t", "the role of profile r");
    CHECK_INT(origin_count(origin), 2);
    CLEANUP(credentials_bed_closep) struct credentials_bed opened = credentials_bed_open("r");
    CHECK_INT(origin_count(origin), 3); /* its clock is known now */
    CHECK(fabs(opened.now->expires_s - (double)time(NULL) - 5400) < 60); /* by ours */
    origin_stop(origin);
}

TEST(where_this_machine_s_clock_is_late_sts_is_asked_again_by_its_own) { check_elsewhen(7200); }
TEST(where_this_machine_s_clock_is_early_sts_is_asked_again_by_its_own) { check_elsewhen(-7200); }

TEST(a_refusal_by_sts_whose_clock_differs_is_asked_about_once_more_and_told)
{
    time_t offset_s = 7200;
    struct origin *origin = start_elsewhen(&offset_s);
    credentials_bed_check_failed("refused", -EKEYREJECTED, "STS refuses arn:refused (status 403, SignatureDoesNotMatch: Signature expired)");
    CHECK_INT(origin_count(origin), 2);
    origin_stop(origin);
    offset_s = 30; /* no reason for a refusal */
    origin = start_elsewhen(&offset_s);
    credentials_bed_check_failed("refused", -EKEYREJECTED, "STS refuses arn:refused");
    CHECK_INT(origin_count(origin), 1);
    origin_stop(origin);
}

TEST(a_web_identity_is_exchanged_for_a_role)
{
    struct origin *origin = start_sts(NULL);
    credentials_bed_write("token", "ey.J+x\n");
    credentials_bed_write("config", "[profile web]\nrole_arn = arn:aws:iam::1:role/w\nweb_identity_token_file = token\n");
    credentials_bed_check_found("web", "WEB", "sts&token", "the web identity of profile web");
    setenv("AWS_WEB_IDENTITY_TOKEN_FILE", "token", 1);
    credentials_bed_check_failed(NULL, -ENOKEY, "AWS_ROLE_ARN is not");
    setenv("AWS_ROLE_ARN", "arn:aws:iam::1:role/w", 1);
    credentials_bed_check_found(NULL, "WEB", "sts&token", "AWS_WEB_IDENTITY_TOKEN_FILE");
    credentials_bed_write("token", "\n");
    credentials_bed_check_failed(NULL, -EINVAL, "token: the token's file is empty");
    unlink("token");
    credentials_bed_check_failed(NULL, -ENOENT, "AWS_WEB_IDENTITY_TOKEN_FILE: token: No such file");
    origin_stop(origin);
}

TEST(an_answer_of_sts_that_is_none_is_told)
{
    static const char *const answers[] = { "", "<html><br></html>", "{}", "<AssumeRoleResponse></AssumeRoleResponse>",
                                           ("<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>A</AccessKeyId><SecretAccessKey>hush</SecretAccessKey>"
                                            "<SessionToken>t</SessionToken><Expiration>soon</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>") };
    for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
        struct origin *origin = start_sts(answers[i]);
        credentials_bed_write("config", "[profile r]\n" ROLE_R "source_profile = base\n");
        credentials_bed_check_failed("r", -EBADMSG, "the answer of STS has no credentials in it");
        origin_stop(origin);
    }
}
