/* export_command.c: the command `export`: the tables of a complete job once more, or elsewhere. */
#include "coordinator/commands.h"

#include "common/options.h"
#include "common/s3/uri.h"
#include "common/usage.h"
#include "coordinator/destination.h"
#include "coordinator/export/success.h"
#include "coordinator/exported.h"
#include "coordinator/finish.h"
#include "coordinator/hint.h"
#include "coordinator/jobdir.h"
#include "coordinator/objectstore.h"
#include "coordinator/summary.h"

#include <errno.h>
#include <string.h>

struct export_command {
    const char *format, *output, *truth;
    struct s3_options s3;
    bool per_image, help;
};

static const struct option_row export_rows[] = {
    { 0, "format", OPTION_TEXT, offsetof(struct export_command, format), "LIST", "tables to write, of jsonl,csv; the job's own by default", 0, 0,
      NULL },
    { 0, "per-image", OPTION_FLAG, offsetof(struct export_command, per_image), NULL, "also write one JSON file an image", 0, 0, NULL },
    { 'o', "output", OPTION_TEXT, offsetof(struct export_command, output), "DIR|URI", "where to, a folder or s3://BUCKET/PREFIX/; the job's own output by default", 0, 0, NULL },
    { 0, "truth", OPTION_TEXT, offsetof(struct export_command, truth), "REGEX|@FILE", "judge by this in place of what the job was run with; with -o only", 0, 0, NULL },
    S3_ROWS(struct export_command, s3),
    { 'h', "help", OPTION_FLAG, offsetof(struct export_command, help), NULL, "print this help", 0, 0, NULL },
    { 0 },
};

/* _SUCCESS holds the summary, which a job has once it was finished. */
static int open_store(struct db *db, const struct spec *spec, const char *job_dir, const struct s3_options *options, struct s3_session **ret, struct why *why)
{
    return summary_exists(job_dir) ? objectstore_session(spec, options, ret, why) : hint_not_yet(db, job_dir, why);
}

static int write_tables(struct db *db, const struct spec *spec, const struct labels *labels, const char *job_dir, const struct finish_output *output,
                        struct bytes *ret_files, struct why *why)
{
    int r = success_forget(output->s3, output->directory, why);
    if (r == 0)
        r = finish_export(db, spec, labels, output, NULL, NULL, ret_files, why);
    return r < 0 ? r : success_write(output->s3, output->directory, job_dir, why);
}

static bool is_own_place(const struct spec *spec, const char *place)
{
    CLEANUP(freep) char *own = NULL, *own_real = NULL, *real = NULL;
    if (destination_locate(spec->output, &own, NULL) < 0)
        return false;
    own_real = realpath(own, NULL);
    real = realpath(place, NULL);
    return !strcmp(own, place) || (own_real && real && !strcmp(own_real, real));
}

static int export_job(const char *job_dir, const struct export_command *options, struct why *why)
{
    CLEANUP(db_closep) struct db *db = NULL;
    CLEANUP(spec_freep) struct spec *spec = NULL;
    CLEANUP(labels_closep) struct labels *labels = NULL;
    CLEANUP(freep) char *place = NULL;
    CLEANUP(bytes_done) struct bytes files;
    struct finish_output output = { 0 };
    bytes_init(&files, 1 << 20);
    int r = jobdir_look(job_dir, &db, &spec, &labels, why);
    if (r == 0)
        r = finish_judge_by(spec, options->truth, why);
    if (r == 0)
        r = hint_check_rows(db, job_dir, why);
    if (r == 0)
        r = db_verify(db, why);
    if (r == 0)
        r = export_formats(options->format ? options->format : spec->formats, &output.formats, why);
    if (r == 0)
        r = destination_locate(options->output ? options->output : spec->output, &place, why);
    if (r < 0)
        return r;
    if (options->truth && is_own_place(spec, place))
        return because(why, -EINVAL, "--truth: give -o DIR, too, for another place: the job's own tables agree with its summary");
    output.formats |= options->per_image ? EXPORT_PER_IMAGE : 0;
    output.directory = place;
    if (s3_uri_is(place, strlen(place)))
        r = open_store(db, spec, job_dir, &options->s3, &output.s3, why);
    if (r == 0)
        r = write_tables(db, spec, labels, job_dir, &output, &files, why);
    if (r == 0 && !options->truth)
        exported_note(job_dir, &output, &files);
    s3_session_close(output.s3);
    for (const char *at = files.data; r == 0 && at < files.data + files.size; at += strlen(at) + 1)
        puts(at);
    return r;
}

int command_export(int argc, char **argv)
{
    struct export_command options = { 0 };
    struct why why;
    int first;
    int r = options_parse(export_rows, &options, argc, argv, &first, &why);
    if (r == 0 && options.help) {
        puts("sleddog-coordinator export JOBDIR [OPTIONS]: writes the tables of a complete job again\n");
        options_print(export_rows, stdout);
        return 0;
    }
    if (r == 0 && first + 1 != argc)
        r = because(&why, -EINVAL, "export: takes one job directory");
    if (r == 0)
        r = export_job(argv[first], &options, &why);
    return usage_status(r, "export", &why);
}
