/* upload.c: objects that are written whole or not at all.
 *
 * Up to PART_SIZE bytes are held and sent in one PUT. With the first byte more an upload in parts begins; each full part is sent, and only the
 * last request makes an object of them. Source: S3 User Guide, "Uploading and copying objects using multipart upload". */
#include "common/s3/exchange.h"

#include "common/cleanup.h"
#include "common/s3/xml.h"

#include <errno.h>
#include <string.h>

#define PART_SIZE  (8u << 20) /* the store wants 5 MiB at least, but for the last */
#define PARTS_MAX  10000
#define ID_MAX     2048

struct s3_upload {
    struct s3_client *client;
    struct s3_uri uri;      /* its key is ours */
    char *key, *content_type;
    struct bytes part;      /* what is not sent yet */
    char id[ID_MAX];        /* "": not in parts */
    struct bytes etags;     /* S3_ETAG_MAX bytes for each part that was sent */
    int parts;
    uint64_t size;
    int error;              /* of a write that failed */
    struct why why;
};

static struct s3_call call_of(const struct s3_upload *upload, const char *method)
{
    return (struct s3_call){ .method = method, .bucket = upload->uri.bucket, .key = upload->uri.key, .key_size = upload->uri.key_size };
}

static void add_parameter(struct s3_call *call, const char *name, const char *value)
{
    call->parameters[call->parameter_count++] = (struct sigv4_parameter){ name, value, strlen(value) };
}

/* ---- one PUT ------------------------------------------------------------------------------------------------------------------ */

int s3_client_put(struct s3_client *client, const struct s3_uri *uri, const void *data, size_t size, const char *content_type, struct why *why)
{
    if (size > PART_SIZE) {
        struct s3_upload *upload;
        int r = s3_upload_open(client, uri, content_type, &upload, why);
        if (r < 0)
            return r;
        s3_upload_write(upload, data, size, NULL); /* finish tells */
        return s3_upload_finish(upload, why);
    }
    struct exchange exchange = { .call = { .method = "PUT", .bucket = uri->bucket, .key = uri->key, .key_size = uri->key_size, .body = data,
                                           .body_size = size, .content_type = content_type } };
    return s3_client_exchange(client, &exchange, why);
}

/* ---- parts ----------------------------------------------------------------------------------------------------------------------- */

static int restart(void *arg)
{
    bytes_clear(arg);
    return 0;
}

static int collect(void *arg, const char *data, size_t size)
{
    return bytes_append(arg, data, size);
}

static int on_id(void *arg, const char *path, const char *text, size_t size)
{
    struct s3_upload *upload = arg;
    if (strcmp(path, "InitiateMultipartUploadResult/UploadId"))
        return 0;
    if (size == 0 || size >= ID_MAX || memchr(text, '\0', size))
        return -EBADMSG;
    memcpy(upload->id, text, size);
    upload->id[size] = '\0';
    return 0;
}

static int begin_parts(struct s3_upload *upload, struct why *why)
{
    CLEANUP(bytes_done) struct bytes answer;
    bytes_init(&answer, S3_ERROR_BODY_MAX);
    struct exchange exchange = { .call = call_of(upload, "POST"), .begin = restart, .receive = collect, .arg = &answer };
    add_parameter(&exchange.call, "uploads", "");
    exchange.call.content_type = upload->content_type;
    int r = s3_client_exchange(upload->client, &exchange, why);
    if (r == 0)
        r = xml_read(answer.data ? answer.data : "", answer.size, on_id, upload);
    if (r == 0 && !*upload->id)
        r = -EBADMSG;
    return r == -EBADMSG ? because(why, r, "s3://%s: the store's answer names no upload; can it take uploads in parts?", upload->uri.bucket) : r;
}

static int keep_etag(struct s3_upload *upload, struct why *why)
{
    char etag[S3_ETAG_MAX];
    s3_client_etag(upload->client, etag);
    if (!*etag || strpbrk(etag, "<>&"))
        return because(why, -EBADMSG, "s3://%s: the store names no ETag for a part; can it take uploads in parts?", upload->uri.bucket);
    return bytes_append(&upload->etags, etag, sizeof(etag)) < 0 ? because(why, -ENOMEM, "out of memory") : 0;
}

static int send_part(struct s3_upload *upload, struct why *why)
{
    char number[16];
    int r = *upload->id ? 0 : begin_parts(upload, why);
    if (r < 0)
        return r;
    if (upload->parts == PARTS_MAX)
        return because(why, -EFBIG, "s3://%s: an object of more than %d parts of %u MiB; write elsewhere, and copy it", upload->uri.bucket, PARTS_MAX,
                       PART_SIZE >> 20);
    struct exchange exchange = { .call = call_of(upload, "PUT") };
    snprintf(number, sizeof(number), "%d", upload->parts + 1);
    add_parameter(&exchange.call, "partNumber", number);
    add_parameter(&exchange.call, "uploadId", upload->id);
    exchange.call.body = upload->part.data;
    exchange.call.body_size = upload->part.size;
    r = s3_client_exchange(upload->client, &exchange, why);
    if (r == 0)
        r = keep_etag(upload, why);
    upload->parts += r == 0;
    bytes_clear(&upload->part);
    return r;
}

/* ---- the end ------------------------------------------------------------------------------------------------------------------------ */

static int on_result(void *arg, const char *path, const char *text, size_t size)
{
    (void)text, (void)size;
    *(bool *)arg |= !strcmp(path, "CompleteMultipartUploadResult");
    return 0;
}

/* The store answers 200 before it is done, and says in the body how it went: only a whole CompleteMultipartUploadResult is a success. */
static void check_completed(void *arg, struct s3_error *error)
{
    const struct bytes *answer = arg;
    const char *text = answer->data ? answer->data : "";
    bool completed = false;
    if (xml_read(text, answer->size, on_result, &completed) == 0 && completed)
        return;
    s3_error_parse(error, 200, text, answer->size);
    if (error->fault == S3_OK)
        error->fault = *error->code ? S3_OTHER : S3_SERVER; /* a code that nobody knows, or half an answer */
}

static int write_parts(const struct s3_upload *upload, struct bytes *out)
{
    bytes_append_text(out, "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
    for (int i = 0; i < upload->parts; i++)
        bytes_printf(out, "<Part><PartNumber>%d</PartNumber><ETag>&quot;%s&quot;</ETag></Part>", i + 1, upload->etags.data + (size_t)i * S3_ETAG_MAX);
    return bytes_append_text(out, "</CompleteMultipartUpload>");
}

/* An answer that was lost (libcurl sends again by itself when a connection that it kept turns out to be dead) may have been a success: then the
 * upload is gone, and the object is there, with the ETag of one that was made of so many parts. */
static bool was_completed(struct s3_upload *upload, const struct exchange *exchange)
{
    struct s3_head head;
    char suffix[16];
    snprintf(suffix, sizeof(suffix), "-%d", upload->parts);
    if (strcmp(exchange->error.code, "NoSuchUpload") || s3_client_head(upload->client, &upload->uri, &head, NULL) < 0)
        return false;
    const char *dash = strrchr(head.etag, '-');
    return head.size == upload->size && dash && !strcmp(dash, suffix);
}

static int complete(struct s3_upload *upload, struct why *why)
{
    CLEANUP(bytes_done) struct bytes body;
    CLEANUP(bytes_done) struct bytes answer;
    bytes_init(&body, 8u << 20);
    bytes_init(&answer, S3_ERROR_BODY_MAX);
    if (write_parts(upload, &body) < 0)
        return because(why, -ENOMEM, "out of memory");
    struct exchange exchange = { .call = call_of(upload, "POST"), .begin = restart, .receive = collect, .check = check_completed, .arg = &answer };
    add_parameter(&exchange.call, "uploadId", upload->id);
    exchange.call.body = body.data;
    exchange.call.body_size = body.size;
    int r = s3_client_exchange(upload->client, &exchange, why);
    return r < 0 && was_completed(upload, &exchange) ? 0 : r;
}

static void give_up_parts(struct s3_upload *upload)
{
    struct exchange exchange = { .call = call_of(upload, "DELETE"), .last_wish = true };
    add_parameter(&exchange.call, "uploadId", upload->id);
    s3_client_exchange(upload->client, &exchange, NULL);
    *upload->id = '\0';
}

/* ---- piece by piece ------------------------------------------------------------------------------------------------------------------- */

static void upload_free(struct s3_upload *upload)
{
    bytes_done(&upload->part);
    bytes_done(&upload->etags);
    free(upload->key);
    free(upload->content_type);
    free(upload);
}

int s3_upload_open(struct s3_client *client, const struct s3_uri *uri, const char *content_type, struct s3_upload **ret, struct why *why)
{
    struct s3_upload *upload = calloc(1, sizeof(*upload));
    if (!upload)
        return because(why, -ENOMEM, "out of memory");
    bytes_init(&upload->part, PART_SIZE);
    bytes_init(&upload->etags, (size_t)PARTS_MAX * S3_ETAG_MAX);
    upload->client = client;
    upload->key = malloc(uri->key_size + 1);
    upload->content_type = content_type ? strdup(content_type) : NULL;
    if (!upload->key || (content_type && !upload->content_type)) {
        upload_free(upload);
        return because(why, -ENOMEM, "out of memory");
    }
    memcpy(upload->key, uri->key, uri->key_size);
    upload->uri = *uri;
    upload->uri.key = upload->key;
    *ret = upload;
    return 0;
}

static int write_some(struct s3_upload *upload, const char **data, size_t *size, struct why *why)
{
    int r = upload->part.size == PART_SIZE ? send_part(upload, why) : 0;
    size_t room = PART_SIZE - upload->part.size, n = *size < room ? *size : room;
    if (r == 0 && bytes_append(&upload->part, *data, n) < 0)
        r = because(why, -ENOMEM, "out of memory");
    *data += n;
    *size -= n;
    upload->size += n;
    return r;
}

int s3_upload_write(struct s3_upload *upload, const void *data, size_t size, struct why *why)
{
    const char *rest = data;
    while (upload->error == 0 && size > 0)
        upload->error = write_some(upload, &rest, &size, &upload->why);
    return upload->error < 0 ? because(why, upload->error, "%s", upload->why.text) : 0;
}

static int finish(struct s3_upload *upload, struct why *why)
{
    if (upload->error < 0)
        return because(why, upload->error, "%s", upload->why.text);
    if (!*upload->id)
        return s3_client_put(upload->client, &upload->uri, upload->part.data, upload->part.size, upload->content_type, why);
    int r = upload->part.size ? send_part(upload, why) : 0;
    return r < 0 ? r : complete(upload, why);
}

int s3_upload_finish(struct s3_upload *upload, struct why *why)
{
    int r = finish(upload, why);
    if (r < 0 && *upload->id)
        give_up_parts(upload);
    upload_free(upload);
    return r;
}

void s3_upload_abort(struct s3_upload *upload)
{
    if (!upload)
        return;
    if (*upload->id)
        give_up_parts(upload);
    upload_free(upload);
}

int s3_client_try_put(struct s3_client *client, const struct s3_uri *uri, struct why *why)
{
    struct s3_upload *upload;
    int r = s3_upload_open(client, uri, NULL, &upload, why);
    if (r < 0)
        return r;
    r = begin_parts(upload, why);
    s3_upload_abort(upload);
    return r;
}
