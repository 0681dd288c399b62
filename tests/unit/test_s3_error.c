#include "common/s3/error.h"

#include "tests/test.h"

static struct s3_error error;

static const struct s3_subject subject = { "s3://b/k", "b", "store", "us-east-1", "profile p", "" };

static void check_fault(long status, const char *body, enum s3_fault fault, int code, const char *part)
{
    struct why why = { "" };
    s3_error_parse(&error, status, body, strlen(body));
    CHECK_INT(error.fault, fault);
    CHECK_INT(s3_error_because(&error, &subject, &why), code);
    CHECK_CONTAINS(why.text, part);
    CHECK_CONTAINS(why.text, "s3://b/k: ");
}

#define ERROR(code) "<?xml version=\"1.0\"?><Error><Code>" code "</Code><Message>words</Message><RequestId>1</RequestId></Error>"

TEST(each_refusal_has_its_own_sentence)
{
    check_fault(404, ERROR("NoSuchKey"), S3_NOT_FOUND, -ENOENT, "store has no such object");
    check_fault(404, ERROR("NoSuchBucket"), S3_NO_BUCKET, -ENOENT, "there is no bucket b at store");
    check_fault(403, ERROR("AccessDenied"), S3_DENIED, -EACCES, "access denied (AccessDenied) with the credentials of profile p");
    check_fault(400, ERROR("ExpiredToken"), S3_EXPIRED, -EKEYEXPIRED, "the session token of profile p has expired");
    check_fault(403, ERROR("InvalidAccessKeyId"), S3_BAD_ID, -EKEYREJECTED, "does not know the access key");
    check_fault(400, ERROR("InvalidToken"), S3_BAD_ID, -EKEYREJECTED, "does not know the access key (or token) of profile p");
    check_fault(403, ERROR("SignatureDoesNotMatch"), S3_BAD_SECRET, -EKEYREJECTED, "the secret key of profile p");
    check_fault(403, ERROR("RequestTimeTooSkewed"), S3_SKEW, -EACCES, "clocks here and at store differ");
    check_fault(412, ERROR("PreconditionFailed"), S3_CHANGED, -ESTALE, "changed since it was listed");
    check_fault(416, ERROR("InvalidRange"), S3_RANGE, -ERANGE, "shorter than");
    check_fault(403, ERROR("InvalidObjectState"), S3_ARCHIVED, -EACCES, "restore it first");
    check_fault(503, ERROR("SlowDown"), S3_THROTTLED, -EBUSY, "asks to slow down (SlowDown)");
    check_fault(500, ERROR("InternalError"), S3_SERVER, -EIO, "has trouble (status 500, InternalError)");
    check_fault(400, ERROR("RequestTimeout"), S3_TIMEOUT, -ETIMEDOUT, "did not answer in time");
    check_fault(400, ERROR("InvalidArgument"), S3_OTHER, -EIO, "answered with status 400, InvalidArgument: words");
}

TEST(a_region_that_is_named_is_believed_where_it_makes_sense)
{
    check_fault(301, "<Error><Code>PermanentRedirect</Code></Error>", S3_REGION, -EREMOTE, "elsewhere, and not where");
    check_fault(400, "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-1</Region></Error>", S3_REGION, -EREMOTE,
                "bucket b is in region eu-west-1, not us-east-1; give --region eu-west-1");
    check_fault(400, "<Error><Code>AuthorizationHeaderMalformed</Code><Region>us-east-1</Region></Error>", S3_REGION, -EREMOTE, "is the endpoint right?");
    check_fault(400, "<Error><Code>AuthorizationHeaderMalformed</Code></Error>", S3_OTHER, -EIO, "AuthorizationHeaderMalformed");
    check_fault(400, "<Error><Code>AuthorizationHeaderMalformed</Code><Region>evil.example.org/</Region></Error>", S3_OTHER, -EIO, "status 400");
    CHECK_STR(error.region, "");
}

TEST(an_answer_without_a_readable_body_is_judged_by_its_status)
{
    check_fault(404, "", S3_NOT_FOUND, -ENOENT, "no such object");
    check_fault(403, "<html><br>", S3_DENIED, -EACCES, "(status 403)");
    check_fault(429, "{}", S3_THROTTLED, -EBUSY, "slow down (status 429)");
    check_fault(503, "busy", S3_SERVER, -EIO, "status 503");
    check_fault(501, "", S3_OTHER, -EIO, "status 501");
    check_fault(302, "", S3_OTHER, -EIO, "is it an S3 store");
    check_fault(500, "<Error><Code>SlowDown</Code><Message>cut o", S3_THROTTLED, -EBUSY, "slow down");
    s3_error_parse(&error, 200, "", 0);
    CHECK_INT(error.fault, S3_OK);
    s3_error_parse(&error, 200, ERROR("InternalError"), strlen(ERROR("InternalError"))); /* CompleteMultipartUpload may answer so */
    CHECK_INT(error.fault, S3_SERVER);
}

TEST(an_answer_of_sts_is_understood)
{
    check_fault(400, "<ErrorResponse><Error><Type>Sender</Type><Code>ExpiredTokenException</Code></Error></ErrorResponse>", S3_EXPIRED, -EKEYEXPIRED, "expired");
}

TEST(foreign_words_are_cut_and_made_printable)
{
    char body[2000] = "<Error><Code>Odd</Code><Message>a\nb\t";
    memset(body + strlen(body), 'x', 1000);
    strcat(body, "</Message></Error>");
    s3_error_parse(&error, 400, body, strlen(body));
    CHECK(!strncmp(error.message, "a?b?xxx", 7));
    CHECK_INT(strlen(error.message), sizeof(error.message) - 1);
}

TEST(unsigned_requests_and_failed_renewals_have_words_of_their_own)
{
    struct why why;
    struct s3_subject unsigned_ = subject, tired = subject;
    unsigned_.who = NULL;
    tired.trouble = "sts: no answer";
    s3_error_parse(&error, 403, ERROR("AccessDenied"), strlen(ERROR("AccessDenied")));
    s3_error_because(&error, &unsigned_, &why);
    CHECK_CONTAINS(why.text, "leave --no-sign-request away");
    s3_error_parse(&error, 400, ERROR("ExpiredToken"), strlen(ERROR("ExpiredToken")));
    s3_error_because(&error, &tired, &why);
    CHECK_CONTAINS(why.text, "there is no new one: sts: no answer");
}

static void check_transfer(CURLcode code, enum s3_fault fault, enum retry_kind kind)
{
    CURL *curl = curl_easy_init();
    s3_error_read(&error, curl, code, "", NULL, 0);
    CHECK_INT(error.fault, fault);
    CHECK_INT(s3_error_retry(&error), kind);
    CHECK(*error.message);
    curl_easy_cleanup(curl);
}

TEST(a_transfer_that_failed_is_tried_again_when_that_may_help)
{
    check_transfer(CURLE_COULDNT_CONNECT, S3_CONNECTION, RETRY_LATER);
    check_transfer(CURLE_RECV_ERROR, S3_CONNECTION, RETRY_LATER);
    check_transfer(CURLE_PARTIAL_FILE, S3_CONNECTION, RETRY_LATER);
    check_transfer(CURLE_GOT_NOTHING, S3_CONNECTION, RETRY_LATER);
    check_transfer(CURLE_OPERATION_TIMEDOUT, S3_TIMEOUT, RETRY_TIMEOUT);
    check_transfer(CURLE_PEER_FAILED_VERIFICATION, S3_CERTIFICATE, RETRY_NEVER);
    check_transfer(CURLE_ABORTED_BY_CALLBACK, S3_STOPPED, RETRY_NEVER);
    check_transfer(CURLE_OUT_OF_MEMORY, S3_NO_MEMORY, RETRY_NEVER);
    check_transfer(CURLE_URL_MALFORMAT, S3_OTHER, RETRY_NEVER);
}
