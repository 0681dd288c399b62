/* list.c: items are held until the page's end. Only then is it known that the page is whole, and how keys are encoded (the order of
 * elements is the store's choice); so a page that broke off can simply be asked for again. */
#include "common/s3/list.h"

#include "common/bytes.h"
#include "common/cleanup.h"
#include "common/s3/sigv4.h"
#include "common/s3/xml.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

/* A page's answer is at most this long: 1000 keys of 1024 bytes, each %XX, and what is said about them. */
#define PAGE_MAX_BYTES (16u << 20)

struct s3_list {
    struct xml *xml;
    struct bytes held;     /* struct s3_item without its key pointer, then the key as it came; again and again */
    size_t size;
    bool encoded, truncated, complete;
    char last[S3_KEY_MAX + 8]; /* the greatest key, or the end of the greatest prefix */
    size_t last_size;
    char token[S3_TOKEN_MAX];
    /* the item that is being read */
    struct s3_item item;
    bool has_size;
    char key[3 * S3_KEY_MAX + 1];
};

/* ---- fields ---------------------------------------------------------------------------------------------------------------- */

static int hex_digit(char c)
{
    return isdigit((unsigned char)c) ? c - '0' : isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10 : -1;
}

/* encoding-type=url: %XX, and a blank as '+' (a plus is %2B). */
static int decode(char *text, size_t *size)
{
    size_t n = 0;
    for (size_t i = 0; i < *size; i++) {
        if (text[i] != '%') {
            text[n++] = (char)(text[i] == '+' ? ' ' : text[i]);
            continue;
        }
        int high = *size - i < 3 ? -1 : hex_digit(text[i + 1]), low = *size - i < 3 ? -1 : hex_digit(text[i + 2]);
        if (high < 0 || low < 0)
            return -EBADMSG;
        text[n++] = (char)(16 * high + low);
        i += 2;
    }
    *size = n;
    return 0;
}

static int read_key(struct s3_list *list, const char *text, size_t size)
{
    if (size == 0 || size >= sizeof(list->key))
        return -EBADMSG;
    memcpy(list->key, text, size);
    list->item.key_size = size;
    return 0;
}

static int read_size(struct s3_list *list, const char *text, size_t size)
{
    uint64_t number = 0;
    for (size_t i = 0; i < size; i++) {
        if (!isdigit((unsigned char)text[i]) || number > (UINT64_MAX - 9) / 10)
            return -EBADMSG;
        number = 10 * number + (uint64_t)(text[i] - '0');
    }
    list->item.size = number;
    list->has_size = size > 0;
    return 0;
}

void s3_etag_read(char etag[S3_ETAG_MAX], const char *text, size_t size)
{
    while (size && strchr(" \t\r\n", text[size - 1]))
        size--;
    if (size >= 2 && text[0] == '"' && text[size - 1] == '"') {
        text++;
        size -= 2;
    }
    bool good = size < S3_ETAG_MAX;
    for (size_t i = 0; i < size && good; i++)
        good = (unsigned char)text[i] > ' ' && text[i] != '"' && text[i] != 0x7f;
    if (!good)
        size = 0;
    memcpy(etag, text, size);
    etag[size] = '\0';
}

/* ---- items ------------------------------------------------------------------------------------------------------------------ */

static int hold(struct s3_list *list, bool is_prefix)
{
    if (!list->item.key_size || (!is_prefix && !list->has_size))
        return -EBADMSG;
    list->item.is_prefix = is_prefix;
    bytes_append(&list->held, &list->item, sizeof(list->item));
    bytes_append(&list->held, list->key, list->item.key_size);
    list->item = (struct s3_item){ .key = NULL };
    list->has_size = false;
    int r = bytes_error(&list->held);
    return r == -EMSGSIZE ? -EBADMSG : r;
}

/* A prefix stands for all keys that begin with it. */
static void note_last(struct s3_list *list, const struct s3_item *item)
{
    size_t common = item->key_size < list->last_size ? item->key_size : list->last_size;
    int order = memcmp(item->key, list->last, common);
    if (order < 0 || (order == 0 && item->key_size < list->last_size))
        return;
    memcpy(list->last, item->key, item->key_size);
    list->last_size = item->key_size;
    if (item->is_prefix) {
        memcpy(list->last + list->last_size, S3_PREFIX_END, strlen(S3_PREFIX_END));
        list->last_size += strlen(S3_PREFIX_END);
    }
}

static int hand_over(struct s3_list *list, s3_on_item *on_item, void *arg)
{
    int r = 0;
    for (size_t at = 0; r == 0 && at < list->held.size;) {
        struct s3_item item;
        memcpy(&item, list->held.data + at, sizeof(item));
        char *key = list->held.data + at + sizeof(item);
        at += sizeof(item) + item.key_size;
        r = list->encoded ? decode(key, &item.key_size) : 0;
        if (r < 0 || item.key_size > S3_KEY_MAX)
            return -EBADMSG;
        item.key = key;
        note_last(list, &item);
        r = on_item(arg, &item);
    }
    return r;
}

static int read_token(struct s3_list *list, const char *text, size_t size)
{
    if (size >= sizeof(list->token) || memchr(text, '\0', size))
        return -EBADMSG;
    memcpy(list->token, text, size);
    list->token[size] = '\0';
    return 0;
}

static int read_contents(struct s3_list *list, const char *name, const char *text, size_t size)
{
    if (!strcmp(name, ""))
        return hold(list, false);
    if (!strcmp(name, "/Key"))
        return read_key(list, text, size);
    if (!strcmp(name, "/Size"))
        return read_size(list, text, size);
    if (!strcmp(name, "/ETag"))
        s3_etag_read(list->item.etag, text, size);
    return 0;
}

static int on_element(void *arg, const char *path, const char *text, size_t size)
{
    struct s3_list *list = arg;
    static const char root[] = "ListBucketResult";
    if (strncmp(path, root, strlen(root)))
        return -EBADMSG;
    const char *name = path + strlen(root);
    if (!strcmp(name, ""))
        list->complete = true;
    else if (!strncmp(name, "/Contents", 9))
        return read_contents(list, name + 9, text, size);
    else if (!strcmp(name, "/CommonPrefixes/Prefix"))
        return read_key(list, text, size);
    else if (!strcmp(name, "/CommonPrefixes"))
        return hold(list, true);
    else if (!strcmp(name, "/EncodingType"))
        list->encoded = size == 3 && !memcmp(text, "url", 3);
    else if (!strcmp(name, "/IsTruncated"))
        list->truncated = size == 4 && !strncasecmp(text, "true", 4);
    else if (!strcmp(name, "/NextContinuationToken"))
        return read_token(list, text, size);
    return 0;
}

/* ---- the page ---------------------------------------------------------------------------------------------------------------- */

int s3_list_open(struct s3_list **ret)
{
    struct s3_list *list = calloc(1, sizeof(*list));
    if (!list)
        return -ENOMEM;
    bytes_init(&list->held, PAGE_MAX_BYTES);
    int r = xml_new(on_element, list, &list->xml);
    if (r < 0) {
        free(list);
        return r;
    }
    *ret = list;
    return 0;
}

void s3_list_close(struct s3_list *list)
{
    if (!list)
        return;
    xml_free(list->xml);
    bytes_done(&list->held);
    free(list);
}

int s3_list_feed(struct s3_list *list, const char *data, size_t size)
{
    if (size > PAGE_MAX_BYTES - list->size)
        return -EBADMSG;
    list->size += size;
    return xml_feed(list->xml, data, size);
}

/* ---- tokens -------------------------------------------------------------------------------------------------------------------- */

#define OURS '\1' /* a store's own token has none: it would have been read as U+FFFD */

static bool is_readable(const char *token)
{
    return *token && !strstr(token, "\xef\xbf\xbd");
}

/* Our own: the last key, %XX where needed. */
static int make_token(const struct s3_list *list, char token[S3_TOKEN_MAX])
{
    CLEANUP(bytes_done) struct bytes text;
    bytes_init(&text, S3_TOKEN_MAX - 1);
    bytes_append_char(&text, OURS);
    int r = sigv4_encode(&text, list->last, list->last_size);
    if (r == 0)
        memcpy(token, text.data, text.size + 1);
    return r;
}

bool s3_list_token(const char *token, char key[S3_KEY_MAX + 8], size_t *ret_size)
{
    char text[S3_TOKEN_MAX];
    if (*token != OURS || strlen(token) >= sizeof(text))
        return false;
    strcpy(text, token + 1);
    *ret_size = strlen(text);
    if (decode(text, ret_size) < 0 || *ret_size > S3_KEY_MAX + 4)
        return false;
    memcpy(key, text, *ret_size);
    return true;
}

int s3_list_end(struct s3_list *list, s3_on_item *on_item, void *arg, char token[S3_TOKEN_MAX])
{
    int r = xml_end(list->xml);
    if (r == 0 && (!list->complete || (list->truncated && !list->held.size && !is_readable(list->token))))
        r = -EBADMSG; /* a page may be empty and not the last, if it says where the next one begins */
    if (r == 0)
        r = hand_over(list, on_item, arg);
    if (r == 0 && list->truncated && !is_readable(list->token))
        return make_token(list, token);
    if (r == 0)
        strcpy(token, list->truncated ? list->token : "");
    return r;
}
