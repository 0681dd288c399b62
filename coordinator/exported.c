#include "coordinator/exported.h"

#include "common/log.h"
#include "common/s3/uri.h"
#include "coordinator/export/success.h"
#include "coordinator/finish.h"
#include "coordinator/jobdir.h"
#include "coordinator/summary.h"

#include <errno.h>
#include <string.h>

#define PATHS     "exported"
#define UNWRITTEN "unwritten"

/* A path with a line end in it is not found again, and written once more. */
int exported_mark(struct db *db, const struct bytes *files, struct why *why)
{
    struct bytes lines;
    bytes_init(&lines, 1 << 20);
    for (const char *at = files->data; at && at < files->data + files->size; at += strlen(at) + 1)
        bytes_printf(&lines, "%s\n", at);
    int r = bytes_error(&lines) ? because(why, bytes_error(&lines), "out of memory") : db_begin(db, why);
    if (r == 0)
        r = db_set(db, PATHS, lines.data ? lines.data : "", why);
    if (r == 0)
        r = db_set(db, UNWRITTEN, "", why);
    if (r == 0)
        r = db_forget_retries(db, why);
    if (r == 0)
        r = db_commit(db, why);
    bytes_done(&lines);
    return r;
}

int exported_fail(struct db *db, struct why *why)
{
    int r = db_begin(db, why);
    if (r == 0)
        r = db_set(db, PATHS, "", why);
    if (r == 0)
        r = db_set(db, UNWRITTEN, "yes", why);
    return r < 0 ? r : db_commit(db, why);
}

static bool is_set(struct db *db, const char *key)
{
    CLEANUP(freep) char *text = NULL;
    return db_get(db, key, &text, NULL) == 0 && *text;
}

bool exported_is_failed(struct db *db)
{
    return is_set(db, UNWRITTEN);
}

bool exported_is_written(struct db *db, const char *job_dir)
{
    return is_set(db, PATHS) && summary_exists(job_dir);
}

int exported_forget(struct db *db, struct why *why)
{
    int r = db_set(db, PATHS, "", why);
    return r < 0 ? r : db_set(db, UNWRITTEN, "", why);
}

/* ---- by `export` ---- */

static bool is_all(const struct spec *spec, const struct finish_output *output)
{
    unsigned wanted = 0;
    if (export_formats(spec->formats, &wanted, NULL) < 0)
        return false;
    wanted |= spec->per_image ? EXPORT_PER_IMAGE : 0;
    return (output->formats & wanted) == wanted;
}

/* Paths that mean the same from any folder. */
static void add_absolute(struct bytes *out, const char *path)
{
    CLEANUP(freep) char *whole = s3_uri_is(path, strlen(path)) ? NULL : realpath(path, NULL);
    bytes_append(out, whole ? whole : path, strlen(whole ? whole : path) + 1);
}

static int note_files(const char *job_dir, const struct bytes *files, const char *per_image, struct why *why)
{
    CLEANUP(summary_freep) struct json_t *summary = NULL;
    int r = summary_load(job_dir, &summary, why);
    if (r == 0 && summary_set_files(summary, files, per_image) < 0)
        r = because(why, -ENOMEM, "the summary: out of memory");
    return r < 0 ? r : summary_write(summary, job_dir, why);
}

static int note(const char *job_dir, const struct finish_output *output, const struct bytes *files, struct why *why)
{
    CLEANUP(db_closep) struct db *db = NULL;
    CLEANUP(spec_freep) struct spec *spec = NULL;
    CLEANUP(bytes_done) struct bytes whole, folder;
    CLEANUP(jobdir_close) struct jobdir dir = { .fd = -1 };
    bytes_init(&whole, 1 << 20);
    bytes_init(&folder, 1 << 20);
    int r = jobdir_open(job_dir, &dir, &db, &spec, why);
    if (r < 0 || !exported_is_failed(db))
        return r; /* or another process was faster */
    for (const char *at = files->data; at && at < files->data + files->size; at += strlen(at) + 1)
        add_absolute(&whole, at);
    add_absolute(&folder, output->directory);
    r = bytes_error(&whole) ? bytes_error(&whole) : bytes_error(&folder);
    if (r < 0)
        return because(why, r, "out of memory");
    r = note_files(job_dir, &whole, spec->per_image ? folder.data : NULL, why);
    if (r == 0)
        r = success_write(output->s3, output->directory, job_dir, why);
    return r < 0 ? r : exported_mark(db, &whole, why);
}

void exported_note(const char *job_dir, const struct finish_output *output, const struct bytes *files)
{
    CLEANUP(db_closep) struct db *db = NULL;
    CLEANUP(spec_freep) struct spec *spec = NULL;
    struct why why;
    int r = jobdir_read(job_dir, &db, &spec, &why);
    bool missing = r == 0 && exported_is_failed(db) && is_all(spec, output);
    db_closep(&db);
    if (missing && note(job_dir, output, files, &why) < 0)
        log_warning("the tables are written, but `status` and `report` will not know: %s", why.text);
}
