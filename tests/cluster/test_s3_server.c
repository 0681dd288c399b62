/* The servers that other tests trust: both must refuse what S3 refuses. */
#include "tests/cluster/lib/s3_server.h"

static int get(const struct s3_server *server, const char *what, const char *more)
{
    char *said;
    int status = test_shell(&said, "curl -s --noproxy '*' -o body -w '%%{http_code}' %s '%s/%s'", more, server->endpoint, what);
    CHECK_INT(status, 0);
    int code = atoi(said);
    free(said);
    return code;
}

static const char *const signed_put = "-X PUT --aws-sigv4 aws:amz:us-east-1:s3 -u '%s:%s' -H 'x-amz-content-sha256: UNSIGNED-PAYLOAD'";

/* (Not with the keys of Swift: curl cannot sign with a name that has a colon.) */
static int put_as(const struct s3_server *server, const char *bucket, const char *access, const char *secret)
{
    char options[512];
    snprintf(options, sizeof(options), signed_put, access, secret);
    return get(server, bucket, options);
}

static void refuses_a_stranger(const char *name)
{
    struct s3_server server;
    s3_server_start(&server, name);
    char bucket[64];
    s3_bucket_name(bucket, sizeof(bucket));
    CHECK_INT(put_as(&server, bucket, "nobody", "wrong"), 403);
}

TEST(ceph_refuses_who_it_does_not_know)
{
    refuses_a_stranger("rgw");
}

TEST(swift_refuses_who_it_does_not_know)
{
    refuses_a_stranger("swift");
}

TEST(ceph_takes_a_signature_and_refuses_a_wrong_one)
{
    struct s3_server server;
    s3_server_start(&server, "rgw");
    char bucket[64];
    s3_bucket_name(bucket, sizeof(bucket));
    CHECK_INT(put_as(&server, bucket, server.access, "wrong"), 403);
    CHECK_INT(put_as(&server, bucket, server.access, server.secret), 200);
}
