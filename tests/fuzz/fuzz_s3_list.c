/* fuzz_s3_list.c: any bytes as a page of a listing, in pieces: what is handed over are keys of legal size, and only of a whole page; where the next
 * one begins can be asked for. */
#include "common/s3/list.h"
#include "common/s3/request.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int check(void *arg, const struct s3_item *item)
{
    assert(item->key_size >= 1 && item->key_size <= S3_KEY_MAX);
    char *copy = malloc(item->key_size);
    if (copy)
        memcpy(copy, item->key, item->key_size);
    free(copy);
    assert(strlen(item->etag) < S3_ETAG_MAX && !strpbrk(item->etag, "\" \r\n"));
    ++*(int *)arg;
    return 0;
}

static void check_token(const char *token)
{
    struct s3_page_call page = { .bucket = "b", .token = token };
    struct s3_call call;
    struct bytes query;
    s3_call_list(&call, &page);
    bytes_init(&query, 1 << 16);
    assert(sigv4_query(&query, call.parameters, call.parameter_count) == 0);
    assert(strstr(query.data, "continuation-token=") || strstr(query.data, "start-after="));
    bytes_done(&query);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct s3_list *list;
    char token[S3_TOKEN_MAX] = "";
    int items = 0, r = 0;
    size_t step = size ? 1 + data[0] % 64 : 1;
    if (s3_list_open(&list) < 0)
        return 0;
    for (size_t at = 0; r == 0 && at < size; at += step)
        r = s3_list_feed(list, (const char *)data + at, size - at < step ? size - at : step);
    if (r == 0)
        r = s3_list_end(list, check, &items, token);
    assert(r <= 0);
    if (r == 0 && *token)
        check_token(token);
    s3_list_close(list);
    return 0;
}
