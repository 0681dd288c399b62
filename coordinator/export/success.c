#include "coordinator/export/success.h"

#include "common/cleanup.h"
#include "common/log.h"
#include "common/s3/client.h"
#include "coordinator/export/outfile.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#define NAME        "_SUCCESS"
#define SUMMARY_CAP (64u << 20)

static bool is_object_store(const char *output)
{
    return s3_uri_is(output, strlen(output));
}

/* `text` is what `ret` points into. */
static int locate(const char *output, char *text, size_t size, struct s3_uri *ret, struct why *why)
{
    snprintf(text, size, "%s%s", output, NAME);
    return s3_uri_parse(text, strlen(text), ret, why);
}

DEFINE_FREEP(s3_client_close, struct s3_client)

int success_forget(struct s3_session *s3, const char *output, struct why *why)
{
    char text[PATH_MAX];
    struct s3_uri uri;
    CLEANUP(s3_client_closep) struct s3_client *client = NULL;
    if (!is_object_store(output))
        return 0;
    int r = locate(output, text, sizeof(text), &uri, why);
    if (r == 0)
        r = s3_client_open(s3, NULL, NULL, &client, why);
    if (r < 0)
        return r;
    /* Who may write but not delete: the old one is there until the new one takes its place. */
    r = s3_client_delete(client, &uri, why);
    return r == -EACCES || r == -ENOENT ? 0 : r;
}

int success_write(struct s3_session *s3, const char *output, const char *job_dir, struct why *why)
{
    if (!is_object_store(output))
        return 0;
    char path[PATH_MAX];
    CLEANUP(outfile_closep) struct outfile *file = NULL;
    CLEANUP(bytes_done) struct bytes summary;
    bytes_init(&summary, SUMMARY_CAP);
    snprintf(path, sizeof(path), "%s/summary.json", job_dir);
    int r = bytes_append_file(&summary, path, why);
    if (r == 0)
        r = outfile_open(s3, output, NAME, &file, why);
    if (r == 0)
        r = outfile_write(file, summary.data, summary.size, why);
    if (r == 0)
        r = outfile_finish(file, why);
    return r < 0 ? r : outfile_commit(file, why);
}

static int is_there(void *arg, const struct s3_item *item)
{
    (void)item;
    *(bool *)arg = true;
    return 0;
}

int success_look(struct s3_session *s3, const char *output, struct why *why)
{
    char text[PATH_MAX], token[S3_TOKEN_MAX];
    struct s3_uri uri;
    CLEANUP(s3_client_closep) struct s3_client *client = NULL;
    bool found = false;
    if (!is_object_store(output))
        return 0;
    int r = locate(output, text, sizeof(text), &uri, why);
    if (r == 0)
        r = s3_client_open(s3, NULL, NULL, &client, why);
    if (r < 0)
        return r;
    /* A listing, because it tells a missing bucket from a missing object. */
    struct s3_page_call page = { .bucket = uri.bucket, .prefix = uri.key, .prefix_size = uri.key_size, .limit = 1 };
    r = s3_client_list(client, &page, is_there, &found, token, why);
    if (found)
        log_warning("%s holds the results of a job already: what has the same name is overwritten", output);
    if (r < 0 && r != -EACCES) /* who may write may not be allowed to list */
        return r;
    return s3_client_try_put(client, &uri, why) == -EACCES ? -EACCES : 0;
}
