/* bucket.h: a bucket of a test's own in a real store, and objects in it.
 *
 *     struct bucket *bucket = bucket_open("rgw");          starts the store if need be; sets AWS_* for this process and its children
 *     bucket_put(bucket, "dogs/1.jpg", data, size);
 *
 * Threads:   a test's only one. Ownership: bucket_close(); texts returned are to be freed. Errors: fail the test. */
#pragma once

#include "tests/cluster/lib/s3_server.h"

#include "common/cleanup.h"
#include "common/s3/session.h"

struct bucket {
    struct s3_server server;
    struct s3_session *session;
    struct s3_client *client;
    char name[64];
};

struct bucket *bucket_open(const char *server);
void bucket_close(struct bucket *bucket);
DEFINE_FREEP(bucket_close, struct bucket)

void bucket_put(struct bucket *bucket, const void *key, size_t key_size, const void *data, size_t size);
void bucket_put_text(struct bucket *bucket, const char *key, const char *text);

/* NULL when there is no such object. */
char *bucket_get(struct bucket *bucket, const char *key, size_t *ret_size);

/* The address of an object with a signature in it, good for an hour. */
void bucket_presign(const struct bucket *bucket, const char *key, char *address, size_t size);
