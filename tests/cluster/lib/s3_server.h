/* s3_server.h: real S3 servers for tests: Ceph's gateway and OpenStack Swift (tests/servers/).
 *
 *     struct s3_server server;
 *     s3_server_start(&server, "rgw");      the first test that asks starts it, later ones find it running
 *
 * A server serves all tests of a `make check`, which ends it; so every test uses buckets of its own (s3_bucket_name). One that was started by
 * running a test program by hand goes on until `tests/servers/NAME stop FOLDER`; FOLDER is servers/NAME in the build folder.
 *
 * Threads:   a test's only one.
 * Errors:    skips the test when the server is not installed or the user is not root; fails it when the server does not start. */
#pragma once

#include "tests/test.h"

struct s3_server {
    char endpoint[128]; /* "http://127.0.0.1:PORT" */
    char host[128];     /* for virtual-host addressing, "http://s3.localhost:PORT"; empty where the server has none */
    char access[128], secret[128], region[32];
};

/* `name`: "rgw", "rgw-sts" (gives out session tokens; reports a wrong secret as AccessDenied), "swift". Both know a
 * second user, who may not read the first one's buckets: the same server with s3_server_stranger(). */
void s3_server_start(struct s3_server *server, const char *name);
void s3_server_stranger(struct s3_server *server);

/* Sets AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and AWS_ENDPOINT_URL for this process and its children, and clears what else
 * could have a say. */
void s3_server_environment(const struct s3_server *server);

/* A bucket name that no other test has: "t-PID-N". */
void s3_bucket_name(char *name, size_t size);
