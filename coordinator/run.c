/* run.c: the commands `run` and `resume`. */
#include "coordinator/commands.h"

#include "common/cache.h"
#include "common/log.h"
#include "common/sha256.h"
#include "common/signals.h"
#include "coordinator/coordinator.h"
#include "coordinator/finish.h"
#include "coordinator/hint.h"
#include "coordinator/jobdir.h"
#include "coordinator/lister.h"
#include "coordinator/nodelist.h"
#include "coordinator/objectstore.h"
#include "coordinator/run_options.h"
#include "coordinator/source/source.h"
#include "coordinator/truth.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <time.h>

/* What both commands need beside the spec. */
struct session {
    struct run_options options;
    struct jobdir dir;
    struct db *db;
    struct spec *spec;
    struct labels *labels;
    struct nodelist nodes;
    struct s3_session *s3; /* NULL: not needed */
    int local;
    uint64_t epoch;
};

static void session_done(struct session *session)
{
    db_close(session->db);
    spec_free(session->spec);
    labels_close(session->labels);
    nodelist_free(&session->nodes);
    s3_session_close(session->s3);
    jobdir_close(&session->dir);
}

/* ---- checks that cost nothing, before anything is made ---- */

static int check_truth(const struct spec *spec, struct why *why)
{
    struct truth *truth;
    if (!*spec->truth)
        return 0;
    int r = truth_open(spec->truth, &truth, why);
    if (r == 0)
        truth_close(truth);
    return r;
}

static int check_sources(const struct session *session, struct why *why)
{
    const struct spec *spec = session->spec;
    struct source *source;
    for (int i = 0; i < spec->source_count; i++)
        if (!strcmp(spec->sources[i], "@-"))
            return 0; /* can be read only once */
    int r = lister_open_sources(spec, session->s3, &source, why);
    if (r == 0)
        source_close(source);
    return r;
}

static int open_labels(struct session *session, struct why *why)
{
    return labels_open(*session->spec->labels ? session->spec->labels : NULL, &session->labels, why);
}

static int read_nodes(struct session *session, struct why *why)
{
    struct run_options *options = &session->options;
    int r = options->nodes ? nodelist_read(options->nodes, &session->nodes, why) : 0;
    session->local = options->nodes || options->local ? (int)options->local : 1;
    int workers = session->local + session->nodes.count;
    if (r == 0 && options->min_nodes > workers)
        r = because(why, -EINVAL, "--min-nodes %" PRId64 " is more than the %d workers there are", options->min_nodes, workers);
    if (r == 0 && session->local && !*session->spec->weights && strcmp(options->tuning.engine, "sim"))
        r = because(why, -EINVAL, "workers started here have no model of their own, and this job names none; give --weights FILE to run, or --nodes FILE");
    return r;
}

/* ---- running ---- */

/* How to go on, if there is a way. */
static void print_hint(const struct session *session, const struct coordinator *c, int r)
{
    struct bytes command;
    bytes_init(&command, 65536);
    bool mended_elsewhere = r == -ENODEV || r == -ENOENT; /* weights, labels, sources: parts of the job itself */
    if (mended_elsewhere && c && !c->counts.done_images)
        fprintf(stderr, "nothing was classified; mend that, remove %s, and run again\n", session->dir.path);
    else if (r != -ESTALE && hint_resume(&session->options, session->dir.path, &command) == 0)
        fprintf(stderr, "go on with: %s\n", command.data);
    bytes_done(&command);
}

static int print_end(const struct session *session, const struct coordinator *c, int r, const struct why *why)
{
    if (r == 0)
        return 0;
    if (r == -EINTR)
        fprintf(stderr, "sleddog-coordinator: interrupted, %" PRIu64 " images are done and safe\n", c ? c->counts.done_images : 0);
    else
        log_error("%s", why->text);
    print_hint(session, c, r);
    return r == -EINTR ? 130 : 1;
}

/* For `status`, which knows no options. Not worth failing for. */
static void keep_hint(struct session *session)
{
    struct bytes command;
    bytes_init(&command, 65536);
    if (hint_resume(&session->options, session->dir.path, &command) == 0)
        db_set(session->db, "hint", command.data, NULL);
    bytes_done(&command);
}

static int run_session(struct session *session)
{
    static const int handled[] = { SIGINT, SIGTERM, SIGCHLD, 0 };
    const struct run_options *options = &session->options;
    CLEANUP(coordinator_freep) struct coordinator *c = NULL;
    struct why why = { "" };
    struct run_plan plan = {
        .spec = session->spec,
        .labels = session->labels,
        .s3 = session->s3,
        .job_dir = session->dir.path,
        .epoch = session->epoch,
        .nodes = session->nodes.nodes,
        .node_count = session->nodes.count,
        .local = session->local,
        .tuning = &options->tuning,
        .min_nodes = (int)options->min_nodes,
        .node_timeout_s = options->node_timeout,
        .expiry_s = options->expiry,
    };
    keep_hint(session);
    int r = signals_open(handled);
    if (r < 0)
        because(&why, r, "signals: %s", strerror(-r));
    else
        r = coordinator_run(&plan, take(session->db), &c, &why);
    int status = print_end(session, c, r, &why);
    if (status)
        return status;
    uint64_t errors;
    r = finish_job(session->dir.path, session->spec, session->labels, c, &errors, &why);
    if (r < 0)
        return print_end(session, c, r, &why);
    return options->strict && errors ? 3 : 0;
}

static int usage_error(const struct why *why)
{
    log_error("%s; see sleddog-coordinator --help", why->text);
    return 2;
}

static int failure(const struct why *why, int r)
{
    if (r == -EINVAL)
        return usage_error(why);
    log_error("%s", why->text);
    return 1;
}

/* ---- run ---- */

void run_help(void)
{
    puts("sleddog-coordinator run [OPTIONS] SOURCE...: classifies everything under SOURCE\n"
         "\n"
         "SOURCE is a directory (everything below it), a pattern ('dogs/*/*.jpg', quoted), a file, @LIST (a file with one path a\n"
         "line; @- is standard input), or sim:N (N made-up images, to test a cluster).\n");
    options_print(run_rows(), stdout);
}

static void default_job_dir(char *path, size_t size)
{
    time_t now = time(NULL);
    struct tm local;
    localtime_r(&now, &local);
    strftime(path, size, "sleddog-job-%Y%m%d-%H%M%S", &local);
}

static int prepare_run(struct session *session, char **sources, int count, struct why *why)
{
    char job_dir[PATH_MAX];
    if (session->options.job)
        snprintf(job_dir, sizeof(job_dir), "%s", session->options.job);
    else
        default_job_dir(job_dir, sizeof(job_dir));
    int r = spec_from_options(&session->options, sources, count, job_dir, &session->spec, why);
    if (r == 0)
        r = check_truth(session->spec, why);
    if (r == 0)
        r = open_labels(session, why);
    if (r == 0)
        r = read_nodes(session, why);
    if (r == 0)
        r = objectstore_open(session->spec, &session->options.tuning.s3, &session->s3, why);
    if (r == 0)
        r = check_sources(session, why);
    if (r == 0)
        r = jobdir_create(job_dir, session->spec, &session->dir, &session->db, why);
    session->epoch = 1;
    return r;
}

int command_run(int argc, char **argv)
{
    struct session session = { .options = RUN_DEFAULTS, .dir.fd = -1 };
    struct why why;
    int first;
    if (options_parse(run_rows(), &session.options, argc, argv, &first, &why) < 0)
        return usage_error(&why);
    if (session.options.help) {
        run_help();
        return 0;
    }
    if (first == argc) {
        because(&why, 0, "run: no SOURCE given");
        return usage_error(&why);
    }
    int r = prepare_run(&session, argv + first, argc - first, &why);
    int status = r < 0 ? failure(&why, r) : run_session(&session);
    session_done(&session);
    return status;
}

/* ---- resume ---- */

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

/* Rows of two models, or of two releases, must not stand in one table. */
static int check_unchanged(const struct spec *spec, struct why *why)
{
    char hex[SHA256_HEX];
    if (strcmp(spec->version, SLEDDOG_VERSION))
        return because(why, -EBADMSG, "this job was begun by version %s, this is %s; finish it with that one or begin a new job", spec->version,
                       SLEDDOG_VERSION);
    if (!*spec->weights_sha256 || cache_is_url(spec->weights))
        return 0; /* or the workers look */
    int r = sha256_file(spec->weights, hex, why);
    if (r < 0)
        return r;
    if (strcmp(hex, spec->weights_sha256))
        return because(why, -EBADMSG, "%s: is another file than when the job was begun (sha256 %.12s..., was %.12s...); put the old one back, "
                       "or begin a new job", spec->weights, hex, spec->weights_sha256);
    return 0;
}

static int prepare_resume(struct session *session, const char *path, struct why *why)
{
    int r = jobdir_open(path, &session->dir, &session->db, &session->spec, why);
    if (r == 0)
        r = check_unchanged(session->spec, why);
    if (r == 0)
        session->spec->mixed |= session->options.mixed;
    if (r == 0)
        r = read_nodes(session, why);
    if (r == 0 && chdir(session->spec->folder) < 0)
        r = because(why, -errno, "%s: the folder that the job was begun in: %s", session->spec->folder, strerror(errno));
    if (r == 0)
        r = open_labels(session, why);
    if (r == 0)
        r = objectstore_open(session->spec, &session->options.tuning.s3, &session->s3, why);
    return r < 0 ? r : raise_epoch(session, why);
}

int command_resume(int argc, char **argv)
{
    struct session session = { .options = RUN_DEFAULTS, .dir.fd = -1 };
    struct why why;
    int first;
    if (options_parse(resume_rows(), &session.options, argc, argv, &first, &why) < 0)
        return usage_error(&why);
    if (session.options.help) {
        puts("sleddog-coordinator resume [OPTIONS] JOBDIR: goes on with an interrupted job\n");
        options_print(resume_rows(), stdout);
        return 0;
    }
    if (first + 1 != argc) {
        because(&why, 0, "resume: takes one job directory");
        return usage_error(&why);
    }
    int r = prepare_resume(&session, argv[first], &why);
    int status = r < 0 ? failure(&why, r) : run_session(&session);
    session_done(&session);
    return status;
}
