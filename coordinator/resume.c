/* resume.c: the command `resume`: goes on with a job that was interrupted, or writes the tables of a complete one that are missing. */
#include "coordinator/commands.h"

#include "common/cache.h"
#include "common/log.h"
#include "common/program.h"
#include "common/sha256.h"
#include "common/usage.h"
#include "coordinator/destination.h"
#include "coordinator/hint.h"
#include "coordinator/needless.h"
#include "coordinator/objectstore.h"
#include "coordinator/session.h"
#include "coordinator/summary.h"
#include "coordinator/truth_file.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* ---- is it still the job that was begun? ---- */

static int check_version(const struct spec *spec, struct why *why)
{
    if (!strcmp(spec->version, SLEDDOG_VERSION))
        return 0;
    return because(why, -EBADMSG, "this job was begun by version %s, this is %s; finish it with that one or begin a new job", spec->version, SLEDDOG_VERSION);
}

/* Rows of two models, or names of two lists, must not stand in one table. */
static int check_file(const char *path, const char *sha256, struct why *why)
{
    char hex[SHA256_HEX];
    if (!*sha256 || cache_is_url(path))
        return 0; /* or the workers look */
    int r = sha256_file(path, hex, why);
    if (r == 0 && strcmp(hex, sha256))
        r = because(why, -EBADMSG, "%s: is another file than when the job was begun (sha256 %.12s..., was %.12s...); put the old one back, or begin a new "
                    "job", path, hex, sha256);
    return r;
}

static bool is_given(const struct session *session, const char *name)
{
    return options_given(resume_rows(), session->argc, session->argv, name);
}

static int set_precision(struct session *session, const char *precision, struct why *why)
{
    char *copy = strdup(precision);
    if (!copy)
        return because(why, -ENOMEM, "out of memory");
    session->begun_precision = session->spec->precision;
    session->spec->precision = copy;
    return 0;
}

static bool may_be_int8(const char *precision)
{
    return !strcmp(precision, "auto") || !strcmp(precision, "int8");
}

/* Workers are asked for what the job was begun with, unless this run, or the one whose options it takes, says otherwise. */
static int take_numbers(struct session *session, struct why *why)
{
    struct run_options *options = &session->options;
    const struct placement *placement = &session->placement;
    struct spec *spec = session->spec;
    bool says_precision = is_given(session, "precision") || placement->says_precision;
    bool says_recheck = is_given(session, "recheck") || placement->says_recheck;
    options->begun.precision = spec->precision;
    options->begun.recheck = spec->recheck;
    int r = says_precision && strcmp(options->tuning.precision, spec->precision) ? set_precision(session, options->tuning.precision, why) : 0;
    if (says_recheck)
        spec->recheck = (int)options->tuning.recheck;
    if (!may_be_int8(spec->precision) && !is_given(session, "recheck"))
        spec->recheck = 0; /* it was meant for int8 */
    options->tuning.precision = spec->precision;
    options->tuning.recheck = spec->recheck;
    return r;
}

/* Before days of work at whose end nothing could be judged. It does not hinder the work, and may be mended meanwhile. */
static int look_for_truth(const struct spec *spec, struct why *why)
{
    CLEANUP(freep) char *found = NULL;
    int r = truth_find(spec->truth, spec->truth_sha256, spec->home, &found, why);
    if (r == -EBADMSG)
        log_warning("%s", why->text);
    return r == -EBADMSG ? 0 : r;
}

int session_reopen(struct session *session, const char *path, struct why *why)
{
    int r = jobdir_open(path, &session->dir, &session->db, &session->spec, why);
    if (r == 0)
        r = check_version(session->spec, why);
    if (r == 0)
        r = placement_take(&session->placement, session->db, &session->options, session->argc, session->argv, why);
    if (r == 0)
        r = take_numbers(session, why);
    if (r == 0)
        r = check_file(session->spec->labels, session->spec->labels_sha256, why);
    if (r == 0)
        r = look_for_truth(session->spec, why);
    if (r == 0)
        r = session_open_labels(session, why);
    if (r == 0)
        r = objectstore_open(session->spec, &session->options.tuning, &session->s3, why);
    return r;
}

/* ---- what is there to do? ---- */

/* `paths`: one a line. What lies in a store is taken for there: `export` writes it again. */
static bool all_exist(char *paths)
{
    bool any = false;
    for (char *path = strtok(paths, "\n"); path; path = strtok(NULL, "\n")) {
        any = true;
        if (!strstr(path, "://") && access(path, F_OK) < 0)
            return false;
    }
    return any;
}

int session_look(struct session *session, struct session_state *ret, struct why *why)
{
    CLEANUP(freep) char *exported = NULL;
    int r = job_state_read(session->db, &ret->job, why);
    if (r < 0)
        return r;
    ret->exported = ret->job.complete && db_get(session->db, "exported", &exported, NULL) == 0 && all_exist(exported) && summary_exists(session->dir.path);
    return 0;
}

int session_nothing_to_do(const struct session *session, const struct session_state *state)
{
    return session->options.strict && state->job.list.errors ? 3 : 0;
}

/* ---- going on ---- */

/* Workers take a job over from whoever had it by its epoch. */
static int raise_epoch(struct session *session, struct why *why)
{
    CLEANUP(freep) char *text = NULL;
    char raised[24];
    int r = db_get(session->db, "epoch", &text, why);
    if (r < 0)
        return r;
    session->epoch = strtoull(text, NULL, 10) + 1;
    snprintf(raised, sizeof(raised), "%" PRIu64, session->epoch);
    return db_set(session->db, "epoch", raised, why);
}

int session_prepare_work(struct session *session, const char *path, struct why *why)
{
    session->spec->mixed |= session->options.mixed;
    int r = check_file(session->spec->weights, session->spec->weights_sha256, why);
    if (r == 0)
        r = placement_check(&session->placement, &session->options, path, why);
    if (r == 0)
        r = session_read_nodes(session, why);
    if (r == 0 && chdir(session->spec->folder) < 0)
        r = because(why, -errno, "%s: the folder that the job was begun in: %s", session->spec->folder, strerror(errno));
    if (r < 0)
        return r;
    destination_warn(session->spec, session->labels, session->dir.path);
    needless_tell(&session->options, session->spec);
    return raise_epoch(session, why);
}

/* It would wait for it in silence. */
static void tell_standard_input(const struct spec *spec)
{
    for (int i = 0; i < spec->source_count; i++)
        if (!strcmp(spec->sources[i], "@-"))
            log_info("@-: the list was not complete, and is read from standard input again; it must be the same");
}

static int resume(struct session *session, const char *path, struct why *why)
{
    struct session_state state = { 0 };
    int r = session_reopen(session, path, why);
    if (r == 0)
        r = session_look(session, &state, why);
    if (r == 0 && !state.job.complete)
        r = session_prepare_work(session, path, why);
    if (r < 0)
        return usage_status(r, "resume", why);
    if (state.exported) {
        CLEANUP(bytes_done) struct bytes word;
        bytes_init(&word, 65536);
        hint_word(&word, path);
        log_info("%s: this job is complete and its tables are written: nothing to do; see %s report%s", path, program_called(),
                 word.data ? word.data : "");
        return session_nothing_to_do(session, &state);
    }
    if (state.job.complete)
        log_info("%s: every image has a row; writing the tables", path);
    else if (!state.job.listed)
        tell_standard_input(session->spec);
    return session_run(session);
}

static bool is_row(const struct option_row *rows, const char *name)
{
    while (rows->name && strcmp(rows->name, name))
        rows++;
    return rows->name;
}

/* The option of `run` that a word of the command line is; NULL: none, or one of `resume` too. */
static const char *option_of_run(const char *word)
{
    size_t size = strcspn(word, "=");
    for (const struct option_row *row = run_rows(); row->name; row++)
        if (size > 2 && !strncmp(word, "--", 2) && strlen(row->name) == size - 2 && !strncmp(word + 2, row->name, size - 2))
            return is_row(resume_rows(), row->name) ? NULL : row->name;
    return NULL;
}

int session_options(struct session *session, int argc, char **argv, int *ret_first, struct why *why)
{
    int r = run_options_parse(resume_rows(), &session->options, argc, argv, ret_first, why);
    session->argc = argc;
    session->argv = argv;
    for (int i = 1; r < 0 && i < argc; i++)
        if (option_of_run(argv[i]))
            return because(why, -EINVAL, "%s: --%s is taken from the job, which keeps what it was begun with; for another value begin a new one: run", argv[0],
                           option_of_run(argv[i]));
    return r;
}

int command_resume(int argc, char **argv)
{
    struct session session = SESSION_EMPTY;
    struct why why;
    int first;
    if (session_options(&session, argc, argv, &first, &why) < 0)
        return usage_error("resume", &why);
    if (session.options.help) {
        session_help("resume [OPTIONS] JOBDIR: goes on with an interrupted job");
        return 0;
    }
    if (first + 1 != argc) {
        because(&why, 0, "resume: takes one job directory");
        return usage_error("resume", &why);
    }
    int status = resume(&session, argv[first], &why);
    session_done(&session);
    return status;
}
