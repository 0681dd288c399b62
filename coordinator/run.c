/* run.c: the command `run`, and the running that it shares with `resume` and `retry`. */
#include "coordinator/commands.h"

#include "common/counted.h"
#include "common/log.h"
#include "common/signals.h"
#include "common/usage.h"
#include "coordinator/coordinator.h"
#include "coordinator/destination.h"
#include "coordinator/export/success.h"
#include "coordinator/finish.h"
#include "coordinator/hint.h"
#include "coordinator/limits.h"
#include "coordinator/lister.h"
#include "coordinator/needless.h"
#include "coordinator/objectstore.h"
#include "coordinator/session.h"
#include "coordinator/shown.h"
#include "coordinator/source/source.h"
#include "coordinator/truth.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

void session_done(struct session *session)
{
    db_close(session->db);
    spec_free(session->spec);
    free(session->begun_precision);
    labels_close(session->labels);
    nodelist_free(&session->nodes);
    free(session->node_list);
    trust_done(&session->trust);
    placement_done(&session->placement);
    s3_session_close(session->s3);
    jobdir_close(&session->dir);
}

/* ---- checks that cost nothing, before anything is made ---- */

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

int session_open_labels(struct session *session, struct why *why)
{
    return labels_open(*session->spec->labels ? session->spec->labels : NULL, &session->labels, why);
}

int session_read_nodes(struct session *session, struct why *why)
{
    struct run_options *options = &session->options;
    int r = run_options_check(options, why);
    if (r == 0 && options->nodes)
        r = nodelist_read(options->nodes, &options->group, &session->nodes, why);
    if (r == 0 && options->nodes && !(session->node_list = realpath(options->nodes, NULL)))
        r = because(why, -errno, "%s: %s", options->nodes, strerror(errno));
    if (r == 0)
        r = trust_open(&options->trust, &session->trust, why);
    if (r == 0)
        r = trust_nodes(&session->trust, &session->nodes, why);
    session->local = options->nodes || options->local ? (int)options->local : 1;
    int workers = session->local + session->nodes.count;
    if (r == 0 && options->min_nodes > workers)
        r = because(why, -EINVAL, "--min-nodes %" PRId64 " is more than the %s", options->min_nodes,
                    COUNTED((uint64_t)workers, "worker there is", "workers there are"));
    if (r == 0)
        r = limits_check_files(workers, why);
    if (r == 0 && session->local && !*session->spec->weights && strcmp(options->tuning.engine, "sim"))
        r = because(why, -EINVAL, "workers started here have no model of their own, and this job names none; give --weights FILE to run, or "
                    "--nodes FILE, or --engine sim if it was begun so");
    return r < 0 ? r : placement_describe(&session->placement, options, why);
}

/* ---- running ---- */

static int print_end(const struct session *session, const struct coordinator *c, int r, const struct why *why)
{
    if (r == 0)
        return 0;
    if (r == -EINTR)
        fprintf(stderr, "sleddog-coordinator: interrupted, %s done and safe\n", COUNTED(c ? c->counts.done_images : 0, "image is", "images are"));
    else
        log_error("%s", why->text);
    session_hint(session, c, r);
    return r == -EINTR ? 130 : 1;
}

static void print_retry(const struct session *session, const struct finished *finished)
{
    struct bytes command;
    bytes_init(&command, 65536);
    if (finished->retryable && hint_command("retry", &session->options, session->dir.path, &command) == 0)
        fprintf(stderr, "%" PRIu64 " of the failures may pass; try again with: %s\n", finished->retryable, command.data);
    bytes_done(&command);
}

/* Whether more images have failed than may. */
static bool tell_too_bad(const struct coordinator *c, const struct run_options *options)
{
    if (!coordinator_too_bad(c))
        return false;
    log_warning("%s in this run, more than --max-errors %" PRId64 " allows; it was known when nothing was left to stop: every image has a row",
                COUNTED(coordinator_failed(c), "image has failed", "images have failed"), options->max_errors);
    return true;
}

/* What a new job is asked for is all there is, whether it works or not. What a later run is asked for is kept when a worker has taken the job: the
 * coordinator does that. Not worth failing for. */
static const char *keep_placement(const struct session *session)
{
    const char *now = session->placement.now, *kept = session->placement.kept;
    if (now && session->epoch == 1)
        db_set(session->db, HINT_PLACEMENT, now, NULL);
    return session->epoch == 1 || !now || (kept && !strcmp(now, kept)) ? NULL : now;
}

/* The loop reads signals; once it has ended they end the process. */
static int watch_signals(const struct session *session, struct why *why)
{
    static const int handled[] = { SIGINT, SIGTERM, SIGHUP, SIGCHLD, 0 };
    static struct bytes text; /* for the handler */
    bytes_init(&text, 65536);
    bytes_append_text(&text, "\nsleddog-coordinator: ended at once; what was committed is safe\ngo on with: ");
    session_resume_command(session, NULL, &text);
    bytes_append_text(&text, "\n");
    int r = bytes_error(&text) ? bytes_error(&text) : signals_open(handled);
    if (r < 0)
        return because(why, r, "signals: %s", strerror(-r));
    signals_end_with(SIGINT, text.data, 130);
    signals_end_with(SIGTERM, text.data, 130);
    signals_end_with(SIGHUP, session->options.nodes ? NULL : text.data, 130); /* of a complete job the list is not read */
    return 0;
}

int session_run(struct session *session)
{
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
        .groups = &options->group,
        .node_list = session->node_list,
        .trust = &session->trust,
        .local = session->local,
        .tuning = &options->tuning,
        .min_nodes = (int)options->min_nodes,
        .node_timeout_s = options->node_timeout,
        .expiry_s = options->expiry,
        .stall_s = options->stall_timeout,
        .max_errors = options->max_errors,
        .placement = keep_placement(session),
    };
    int r = watch_signals(session, &why);
    if (r == 0)
        r = coordinator_run(&plan, take(session->db), &c, &why);
    int status = print_end(session, c, r, &why);
    if (status)
        return status;
    struct finished finished;
    r = finish_job(session->dir.path, session->spec, session->labels, session->s3, c, &finished, &why);
    bool bad = tell_too_bad(c, options);
    if (r < 0)
        return finished.unwritten ? destination_tell(session->spec, session->dir.path, options, &why) : print_end(session, c, r, &why);
    print_retry(session, &finished);
    return bad || (options->strict && finished.failed) ? 3 : 0;
}

/* ---- run ---- */

void run_help(void)
{
    puts("sleddog-coordinator run [OPTIONS] SOURCE...: classifies everything under SOURCE\n"
         "\n"
         "SOURCE is a directory (everything below it), a pattern ('dogs/*/*.jpg', quoted), a file, an object, prefix or pattern in a\n"
         "store (s3://BUCKET/...), a URL, @LIST (a file, or an object, with one path or URL a line; @- is standard input), or sim:N (N\n"
         "made-up images, to test a cluster).\n");
    options_print(run_rows(), stdout);
}

/* Makes a folder that nobody has, also where two begin in the same second. What stands in the way of making any is told when the job is made. */
static bool reserve_job_dir(char *path, size_t size)
{
    time_t now = time(NULL);
    struct tm local;
    localtime_r(&now, &local);
    size_t used = strftime(path, size, "sleddog-job-%Y%m%d-%H%M%S", &local);
    for (int number = 2; mkdir(path, 0777) < 0; number++) {
        if (errno != EEXIST)
            return false;
        snprintf(path + used, size - used, "-%d", number);
    }
    return true;
}

static int prepare(struct session *session, char **sources, int count, const char *job_dir, struct why *why)
{
    int r = run_options_check(&session->options, why);
    if (r == 0)
        r = needless_check(&session->options, sources, count, why);
    if (r == 0)
        r = spec_from_options(&session->options, sources, count, job_dir, &session->spec, why);
    if (r == 0)
        r = truth_check(session->spec->truth, why);
    if (r == 0)
        r = session_open_labels(session, why);
    if (r == 0)
        r = session_read_nodes(session, why);
    if (r == 0)
        r = objectstore_open(session->spec, &session->options.tuning, &session->s3, why);
    if (r == 0)
        r = success_look(session->s3, session->spec->output, why);
    if (r == 0)
        r = check_sources(session, why);
    if (r == 0 && !session->spec->output_inside)
        r = destination_check(session->spec, session->labels, true, why);
    if (r == 0)
        r = jobdir_create(job_dir, session->spec, &session->dir, &session->db, why);
    if (r == 0)
        r = spec_set_home(session->spec, session->dir.path, why);
    if (r == 0)
        needless_tell(&session->options, session->spec);
    session->epoch = 1;
    return r;
}

static int prepare_run(struct session *session, char **sources, int count, struct why *why)
{
    char job_dir[PATH_MAX];
    bool reserved = false;
    if (session->options.job)
        snprintf(job_dir, sizeof(job_dir), "%s", session->options.job);
    else
        reserved = reserve_job_dir(job_dir, sizeof(job_dir));
    int r = prepare(session, sources, count, job_dir, why);
    if (r < 0 && reserved)
        jobdir_forget(job_dir);
    return r;
}

/* What `ps` shows to everybody. The description has a copy. */
static void hide_private(char **sources, int count)
{
    for (int i = 0; i < count; i++) {
        char *shown = shown_text(sources[i]);
        size_t size = strlen(sources[i]), rest = shown ? strlen(shown) : 0;
        if (shown && rest < size) {
            memcpy(sources[i], shown, rest);
            memset(sources[i] + rest, '\0', size - rest);
        }
        free(shown);
    }
}

int command_run(int argc, char **argv)
{
    struct session session = SESSION_EMPTY;
    struct why why;
    int first;
    if (run_options_parse(run_rows(), &session.options, argc, argv, &first, &why) < 0)
        return usage_error("run", &why);
    if (session.options.help) {
        run_help();
        return 0;
    }
    if (first == argc) {
        because(&why, 0, "run: no SOURCE given");
        return usage_error("run", &why);
    }
    int r = prepare_run(&session, argv + first, argc - first, &why);
    hide_private(argv + first, argc - first);
    int status = r < 0 ? usage_status(r, "run", &why) : session_run(&session);
    session_done(&session);
    return status;
}
