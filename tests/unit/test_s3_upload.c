/* Objects that are uploaded, whole and in parts, and what a store may make of it. */
#include "tests/s3_bed.h"

#include <sys/socket.h>

#define PART (8u << 20)

/* What a store keeps of an upload. */
struct upload_store {
    int parts, completed, aborted;
    size_t size;
    int fail_part;      /* its number, from 1 */
    const char *fail_complete; /* the code in the body of a 200; "": it breaks off */
    int lose_answer;    /* how many answers to "complete" never arrive */
    int puts;
    char type[64];      /* of the content, as the request said that began the object last */
};

static void take_parts(void *arg, int fd, const struct origin_request *request)
{
    struct upload_store *upload = arg;
    static const char id[] = "<InitiateMultipartUploadResult><UploadId>i+d/&amp;=</UploadId></InitiateMultipartUploadResult>";
    static const char gone[] = "<Error><Code>NoSuchUpload</Code></Error>", made[] = " <CompleteMultipartUploadResult><Key>k</Key></CompleteMultipartUploadResult>";
    char text[128];
    bool begins = strstr(request->target, "?uploads=") || (!strcmp(request->method, "PUT") && !strchr(request->target, '?'));
    if (begins && !origin_header(request, "Content-Type", upload->type, sizeof(upload->type)))
        *upload->type = '\0';
    if (!strcmp(request->method, "POST") && strstr(request->target, "?uploads=")) {
        origin_answer(fd, 200, "", id, strlen(id));
    } else if (!strcmp(request->method, "PUT") && strstr(request->target, "partNumber=")) {
        CHECK_CONTAINS(request->target, "uploadId=i%2Bd%2F%26%3D");
        int number = atoi(strstr(request->target, "partNumber=") + 11);
        if (number == upload->fail_part) {
            origin_answer(fd, 403, "", "", 0);
            return;
        }
        CHECK_INT(number, ++upload->parts);
        upload->size += request->body_size;
        snprintf(text, sizeof(text), "ETag: \"e%d\"\r\n", number);
        origin_answer(fd, 200, text, "", 0);
    } else if (!strcmp(request->method, "POST")) {
        CHECK_CONTAINS(request->body, "<Part><PartNumber>1</PartNumber><ETag>&quot;e1&quot;</ETag></Part><Part><PartNumber>2</PartNumber>");
        if (upload->completed++)
            origin_answer(fd, 404, "", gone, strlen(gone));
        else if (upload->lose_answer)
            shutdown(fd, SHUT_RDWR);
        else if (!upload->fail_complete)
            origin_answer(fd, 200, "", made, strlen(made));
        else {
            snprintf(text, sizeof(text), "<Error><Code>%s</Code></Error>", upload->fail_complete);
            origin_answer(fd, 200, "", text, *upload->fail_complete ? strlen(text) : 7);
        }
    } else if (!strcmp(request->method, "HEAD")) {
        snprintf(text, sizeof(text), "HTTP/1.1 %d Text\r\nETag: \"e-%d\"\r\nContent-Length: %zu\r\n\r\n", upload->fail_complete ? 404 : 200,
                 upload->parts, upload->size);
        origin_send(fd, text, strlen(text));
    } else if (!strcmp(request->method, "DELETE")) {
        upload->aborted++;
        origin_answer(fd, 204, "", "", 0);
    } else {
        upload->puts++;
        upload->size = request->body_size;
        origin_answer(fd, 200, "", "", 0);
    }
}

static int upload_all(size_t size, size_t piece, struct why *why)
{
    struct s3_upload *upload;
    char *data = calloc(1, piece);
    MUST(s3_upload_open(s3_bed.client, &s3_bed_object, "text/plain", &upload, why));
    int r = 0;
    for (size_t done = 0; done < size && r == 0; done += piece)
        r = s3_upload_write(upload, data, size - done < piece ? size - done : piece, why);
    free(data);
    return s3_upload_finish(upload, why);
}

TEST(a_small_object_is_one_request_and_a_large_one_comes_in_parts)
{
    struct upload_store upload = { 0 };
    s3_bed_begin(take_parts, &upload);
    MUST(upload_all(0, 10, why));
    origin_count(s3_bed.store);
    CHECK(upload.puts == 1 && upload.size == 0);
    CHECK_STR(upload.type, "text/plain");
    MUST(upload_all(PART, 1000000, why));
    origin_count(s3_bed.store);
    CHECK(upload.puts == 2 && upload.size == PART && upload.parts == 0);
    upload.size = 0;
    *upload.type = '\0';
    MUST(upload_all(2 * PART + 1, 3000000, why));
    origin_count(s3_bed.store);
    CHECK(upload.puts == 2 && upload.size == 2 * PART + 1 && upload.parts == 3 && upload.completed == 1 && upload.aborted == 0);
    CHECK_STR(upload.type, "text/plain");
    s3_bed_end();
}

TEST(an_upload_that_fails_is_given_up_whole)
{
    struct upload_store part = { .fail_part = 2 }, complete = { .fail_complete = "InternalError" }, dropped = { 0 };
    s3_bed_begin(take_parts, &part);
    REFUSED(upload_all(3 * PART, PART, why), -EACCES, "s3://bucket/a key: access denied");
    origin_count(s3_bed.store);
    CHECK(part.aborted == 1 && part.completed == 0 && part.parts == 1);
    s3_bed_end();
    s3_bed_begin(take_parts, &complete);
    REFUSED(upload_all(2 * PART, PART, why), -EIO, "status 404, NoSuchUpload");
    origin_count(s3_bed.store);
    CHECK(complete.aborted == 1);
    s3_bed_end();
    s3_bed_begin(take_parts, &dropped);
    struct s3_upload *upload;
    char *data = calloc(1, 2 * PART);
    MUST(s3_upload_open(s3_bed.client, &s3_bed_object, NULL, &upload, why));
    MUST(s3_upload_write(upload, data, 2 * PART, why));
    atomic_store(&s3_bed.stop, true); /* giving up must work nevertheless */
    s3_upload_abort(upload);
    origin_count(s3_bed.store);
    CHECK(dropped.aborted == 1 && dropped.parts == 1);
    free(data);
    s3_bed_end();
}

/* The status of the last answer is sent before the store knows. */
TEST(an_upload_is_there_only_when_the_last_answer_says_so_to_its_end)
{
    struct upload_store odd = { .fail_complete = "Peculiar" }, broken = { .fail_complete = "" };
    s3_bed_begin(take_parts, &odd);
    REFUSED(upload_all(2 * PART, PART, why), -EIO, "Peculiar");
    origin_count(s3_bed.store);
    CHECK(odd.completed == 1 && odd.aborted == 1);
    s3_bed_end();
    s3_bed_begin(take_parts, &broken);
    REFUSED(upload_all(2 * PART, PART, why), -EIO, "NoSuchUpload"); /* the second time; and the object is not there */
    origin_count(s3_bed.store);
    CHECK(broken.completed == 2 && broken.aborted == 1);
    s3_bed_end();
}

TEST(an_upload_whose_last_answer_was_lost_is_looked_for)
{
    struct upload_store upload = { .lose_answer = 1 };
    s3_bed_begin(take_parts, &upload);
    MUST(upload_all(2 * PART, PART, why));
    origin_count(s3_bed.store);
    CHECK(upload.completed == 2 && upload.aborted == 0);
    s3_bed_end();
}
