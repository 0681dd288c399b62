/* list.h: a page of ListObjectsV2, read as its bytes arrive, handed over when it is whole.
 *
 * Asked for with encoding-type=url, so that every byte of a key survives XML; a store that ignores it, and says so, is read as it is.
 *
 * Threads:   a page belongs to one thread at a time.
 * Ownership: s3_list_open() to s3_list_close(); an item's texts are valid during the call only.
 * Errors:    -EBADMSG for what is no such page or an item without a key or size; what on_item() returns if it is negative. */
#pragma once

#include "common/s3/uri.h"
#include "common/why.h"

#include <stdbool.h>
#include <stdint.h>

#define S3_TOKEN_MAX 4096
#define S3_ETAG_MAX  96

/* Behind a common prefix: greater than any key that begins with it. */
#define S3_PREFIX_END "\xf4\x8f\xbf\xbf"

struct s3_item {
    const char *key;  /* or the common prefix */
    size_t key_size;  /* 1..S3_KEY_MAX */
    bool is_prefix;
    uint64_t size;
    char etag[S3_ETAG_MAX]; /* without quotes; "" if not told */
};

/* An ETag from a header or an item, without its quotes; "" for one that is too long or odd to be sent back. */
void s3_etag_read(char etag[S3_ETAG_MAX], const char *text, size_t size);

typedef int s3_on_item(void *arg, const struct s3_item *item);

struct s3_list;

int s3_list_open(struct s3_list **ret);
void s3_list_close(struct s3_list *list); /* accepts NULL */
int s3_list_feed(struct s3_list *list, const char *data, size_t size);

/* At the page's end: hands over its items in its order. `token`: where the next page begins; "" when this was the last. Where the store's own
 * token cannot be read (Ceph's is a raw key, which XML may not be able to say) it is one of ours: after the last key of this page. */
int s3_list_end(struct s3_list *list, s3_on_item *on_item, void *arg, char token[S3_TOKEN_MAX]);

/* Whether the token is one of ours, and after which key the page begins then. */
bool s3_list_token(const char *token, char key[S3_KEY_MAX + 8], size_t *ret_size);
