/* list.h: a page of ListObjectsV2, item by item as its bytes arrive.
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

struct s3_item {
    const char *key;  /* or the common prefix */
    size_t key_size;  /* 1..S3_KEY_MAX */
    bool is_prefix;
    uint64_t size;
    char etag[96];    /* without quotes; "" if not told */
};

typedef int s3_on_item(void *arg, const struct s3_item *item);

struct s3_list;

int s3_list_open(s3_on_item *on_item, void *arg, struct s3_list **ret);
void s3_list_close(struct s3_list *list); /* accepts NULL */
int s3_list_feed(struct s3_list *list, const char *data, size_t size);

/* At the page's end: where the next one begins; "" when this was the last. */
int s3_list_end(struct s3_list *list, char token[S3_TOKEN_MAX]);
