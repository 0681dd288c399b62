/* report.c: the command `report`: a job that is complete, looked at again. */
#include "coordinator/commands.h"

#include "common/cleanup.h"
#include "common/log.h"
#include "common/options.h"
#include "common/program.h"
#include "common/s3/uri.h"
#include "common/usage.h"
#include "coordinator/evaluation_json.h"
#include "coordinator/export/outfile.h"
#include "coordinator/finish.h"
#include "coordinator/hint.h"
#include "coordinator/html/html.h"
#include "coordinator/jobdir.h"
#include "coordinator/objectstore.h"
#include "coordinator/row_print.h"
#include "coordinator/shown.h"
#include "coordinator/summary.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

struct report_options {
    const char *image, *html, *truth;
    bool classes, json, help;
};

static const struct option_row report_rows[] = {
    { 0, "classes", OPTION_FLAG, offsetof(struct report_options, classes), NULL, "also the ten most frequent confusions and a line a class", 0, 0, NULL },
    { 0, "json", OPTION_FLAG, offsetof(struct report_options, json), NULL, "everything, as JSON", 0, 0, NULL },
    { 0, "html", OPTION_TEXT, offsetof(struct report_options, html), "FILE", "write everything as one page for a browser", 0, 0, NULL },
    { 0, "image", OPTION_TEXT, offsetof(struct report_options, image), "URI", "one image's row: its URI, or the end of it", 0, 0, NULL },
    { 0, "truth", OPTION_TEXT, offsetof(struct report_options, truth), "REGEX|@FILE", "judge by this in place of what the job was run with, for this report", 0, 0, NULL },
    { 'h', "help", OPTION_FLAG, offsetof(struct report_options, help), NULL, "print this help", 0, 0, NULL },
    { 0 },
};

struct search {
    const char *image;
    const struct labels *labels;
    uint64_t found;
};

/* The whole URI, or whole components at its end. */
static bool ends_with(const char *uri, size_t uri_size, const char *image)
{
    size_t size = strlen(image);
    if (size > uri_size || memcmp(uri + uri_size - size, image, size))
        return false;
    return size == uri_size || *image == '/' || uri[uri_size - size - 1] == '/';
}

/* Of an address with a query job.db has "...?..." (shown.h): its name alone will do. */
static bool is_meant(const struct span *uri, const char *image)
{
    static const char cut[] = "?...";
    size_t size = sizeof(cut) - 1;
    return ends_with(uri->data, uri->size, image) ||
           (uri->size > size && !memcmp(uri->data + uri->size - size, cut, size) && ends_with(uri->data, uri->size - size, image));
}

static int print_if_meant(void *arg, const struct export_row *row, struct why *why)
{
    struct search *search = arg;
    struct bytes text;
    if (!is_meant(&row->item->uri, search->image))
        return 0;
    search->found++;
    bytes_init(&text, 1 << 20);
    int r = row_print(row, search->labels, &text);
    if (r == 0)
        fwrite(text.data, 1, text.size, stdout);
    bytes_done(&text);
    return r < 0 ? because(why, r, "%s: its row cannot be shown", search->image) : 0;
}

static int report_image(const char *job_dir, const char *image, const char *truth, struct why *why)
{
    CLEANUP(db_closep) struct db *db = NULL;
    CLEANUP(spec_freep) struct spec *spec = NULL;
    CLEANUP(labels_closep) struct labels *labels = NULL;
    int r = jobdir_look(job_dir, &db, &spec, &labels, why);
    CLEANUP(freep) char *shown = shown_text(image);
    struct search search = { .image = shown, .labels = labels };
    if (r == 0)
        r = finish_judge_by(spec, truth, why);
    if (r == 0 && !shown)
        r = because(why, -ENOMEM, "out of memory");
    if (r == 0)
        r = finish_walk(db, spec, labels, print_if_meant, &search, why);
    if (r == -EBUSY)
        r = search.found ? 0 : hint_not_yet(db, job_dir, why);
    if (r == 0 && !search.found)
        r = hint_check_rows(db, job_dir, why); /* its list may not be complete */
    if (r == 0 && !search.found)
        r = because(why, -ENOENT, "%s: no image of this job has this URI", shown);
    return r;
}

/* What has no summary may be no job at all. */
static int load_summary(const char *job_dir, struct json_t **ret, struct why *why)
{
    CLEANUP(db_closep) struct db *db = NULL;
    CLEANUP(spec_freep) struct spec *spec = NULL;
    int r = summary_load(job_dir, ret, why);
    if (r != -ENOENT)
        return r;
    int is_job = jobdir_read(job_dir, &db, &spec, why);
    return is_job < 0 ? is_job : because(why, r, "%s: has no summary yet; see %s status %s", job_dir, program_called(), job_dir);
}

/* summary.json with all that the rows themselves tell. */
static int load_everything(const char *job_dir, const char *truth, struct json_t **ret, struct evaluation **ret_evaluation, struct why *why)
{
    CLEANUP(db_closep) struct db *db = NULL;
    CLEANUP(spec_freep) struct spec *spec = NULL;
    CLEANUP(labels_closep) struct labels *labels = NULL;
    CLEANUP(summary_freep) struct json_t *summary = NULL;
    int r = load_summary(job_dir, &summary, why);
    if (r == 0)
        r = jobdir_look(job_dir, &db, &spec, &labels, why);
    if (r == 0)
        r = finish_judge_by(spec, truth, why);
    if (r == 0)
        r = finish_evaluate(db, spec, labels, ret_evaluation, why);
    if (r == 0 && truth && summary_set_truth(summary, spec->truth, spec->truth_sha256, (*ret_evaluation)->match.of, (*ret_evaluation)->match.top1) < 0)
        r = because(why, -ENOMEM, "out of memory");
    if (r == 0 && summary_set_evaluation(summary, evaluation_full(*ret_evaluation)) < 0)
        r = because(why, -ENOMEM, "out of memory");
    if (r == 0)
        *ret = take(summary);
    return r;
}

static int print_text(struct bytes *text, int r, struct why *why)
{
    if (r == 0)
        fwrite(text->data, 1, text->size, stdout);
    bytes_done(text);
    return r < 0 ? because(why, r, "the summary: %s", strerror(-r)) : 0;
}

static int report_summary(const char *job_dir, struct why *why)
{
    CLEANUP(summary_freep) struct json_t *summary = NULL;
    struct bytes text;
    int r = load_summary(job_dir, &summary, why);
    if (r < 0)
        return r;
    bytes_init(&text, 16 << 20);
    return print_text(&text, summary_print(summary, false, &text), why);
}

/* A file that is no page: a photo, job.db itself, or a device, whose place the page would take. */
static bool is_something_else(const char *path)
{
    struct stat status;
    if (stat(path, &status) == 0 && !S_ISREG(status.st_mode))
        return true;
    char begin[sizeof(HTML_BEGIN)] = "";
    CLEANUP(fclosep) FILE *file = fopen(path, "re");
    size_t size = file ? fread(begin, 1, sizeof(begin) - 1, file) : 0;
    return size && strcmp(begin, HTML_BEGIN) != 0;
}

/* Whole or not at all, as the tables. */
static int write_page(const char *path, const struct json_t *all, const struct evaluation *evaluation, struct s3_session *s3, struct why *why)
{
    CLEANUP(freep) char *folder = strdup(path);
    CLEANUP(outfile_closep) struct outfile *file = NULL;
    char *slash = folder ? strrchr(folder, '/') : NULL;
    const char *name = slash ? path + (slash - folder) + 1 : path;
    if (!folder)
        return because(why, -ENOMEM, "out of memory");
    if (!*name || !strcmp(path, "-"))
        return because(why, -EINVAL, "--html %s: name a file, such as report.html", path);
    struct stat status;
    if (!s3 && stat(path, &status) == 0 && S_ISDIR(status.st_mode))
        return because(why, -EINVAL, "--html %s: is a folder; name a file in it, such as %s/report.html", path, path);
    if (!s3 && is_something_else(path))
        return because(why, -EEXIST, "--html %s: is there already, and is no page; remove it or name another file", path);
    if (slash)
        slash[slash == folder] = '\0';
    int r = outfile_open(s3, slash ? folder : ".", name, &file, why);
    if (r == 0)
        r = html_report(all, evaluation, s3, outfile_buffer(file));
    if (r == 0)
        r = outfile_finish(file, why);
    if (r == 0)
        r = outfile_commit(file, why);
    if (r == 0)
        printf("%s\n", path);
    return r < 0 && !s3_uri_is(path, strlen(path)) ? outfile_because_of(why, r, path, "--html FILE") : r;
}

static bool has_objects(const struct evaluation *evaluation)
{
    for (size_t i = 0; i < evaluation->mistake_count; i++)
        if (s3_uri_is(evaluation->mistakes[i].uri, strlen(evaluation->mistakes[i].uri)))
            return true;
    return false;
}

/* The page can do without pictures, but not without a place. */
static int report_page(const char *job_dir, const char *path, const struct json_t *all, const struct evaluation *evaluation, struct why *why)
{
    CLEANUP(db_closep) struct db *db = NULL;
    CLEANUP(spec_freep) struct spec *spec = NULL;
    struct s3_session *s3 = NULL;
    bool to_store = s3_uri_is(path, strlen(path));
    int r = to_store || has_objects(evaluation) ? jobdir_read(job_dir, &db, &spec, why) : 0;
    if (r == 0 && spec)
        r = objectstore_session(spec, &(struct s3_options){ 0 }, &s3, why);
    if (r < 0 && !to_store) {
        log_warning("no pictures from the store: %s", why->text);
        r = 0;
    }
    if (r == 0)
        r = write_page(path, all, evaluation, s3, why);
    s3_session_close(s3);
    return r;
}

static int report_everything(const char *job_dir, const struct report_options *options, struct why *why)
{
    CLEANUP(summary_freep) struct json_t *all = NULL;
    CLEANUP(evaluation_freep) struct evaluation *evaluation = NULL;
    struct bytes text;
    int r = load_everything(job_dir, options->truth, &all, &evaluation, why);
    if (r < 0)
        return r;
    bytes_init(&text, SIZE_MAX / 2);
    if (options->html)
        return report_page(job_dir, options->html, all, evaluation, why);
    r = options->json ? summary_dump(all, &text) : summary_print(all, options->classes, &text);
    return print_text(&text, r, why);
}

static int report(const char *job_dir, const struct report_options *options, struct why *why)
{
    if (options->json + options->classes + (options->html != NULL) + (options->image != NULL) > 1)
        return because(why, -EINVAL, "report: one of --classes, --json, --html and --image at a time");
    if (options->image)
        return report_image(job_dir, options->image, options->truth, why);
    return options->json || options->classes || options->html || options->truth ? report_everything(job_dir, options, why) : report_summary(job_dir, why);
}

int command_report(int argc, char **argv)
{
    struct report_options options = { 0 };
    struct why why;
    int first;
    int r = options_parse(report_rows, &options, argc, argv, &first, &why);
    if (r == 0 && options.help) {
        puts("sleddog-coordinator report JOBDIR [OPTIONS]: the summary of a complete job, or one image's row\n");
        options_print(report_rows, stdout);
        return 0;
    }
    if (r == 0 && first + 1 != argc)
        r = because(&why, -EINVAL, "report: takes one job directory");
    if (r == 0)
        r = report(argv[first], &options, &why);
    return usage_status(r, "report", &why);
}
