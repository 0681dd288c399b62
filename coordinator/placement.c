#include "coordinator/placement.h"

#include "common/log.h"
#include "coordinator/hint.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#define MAX_PATHS 16

void placement_done(struct placement *placement)
{
    freep(&placement->kept);
    freep(&placement->words);
    freep(&placement->now);
}

static const char **text_of(const struct option_row *row, struct run_options *options)
{
    return (const char **)((char *)options + row->offset);
}

/* ---- keeping ---- */

/* A folder may not be there yet. A file that is not may be a key, or one of systemd's credentials. */
static bool is_path(const struct option_row *row, const char *text)
{
    if (row->type != OPTION_TEXT || !text || !*text)
        return false;
    return !strcmp(row->value, "DIR") || (!strncmp(row->value, "FILE", 4) && access(text, F_OK) == 0);
}

static int make_absolute(const char **text, const char *here, char **ret_copy)
{
    if (**text == '/')
        return 0;
    const char *path = !strncmp(*text, "./", 2) ? *text + 2 : *text;
    if (asprintf(ret_copy, "%s/%s", strcmp(here, "/") ? here : "", path) < 0) {
        *ret_copy = NULL;
        return -ENOMEM;
    }
    *text = *ret_copy;
    return 0;
}

int placement_describe(struct placement *placement, const struct run_options *options, struct why *why)
{
    struct run_options all = *options;
    struct bytes words;
    char here[PATH_MAX], *copies[MAX_PATHS] = { 0 };
    int r = getcwd(here, sizeof(here)) ? 0 : -errno, count = 0;
    for (const struct option_row *row = resume_rows(); row->name && r == 0; row++)
        if (is_path(row, row->type == OPTION_TEXT ? *text_of(row, &all) : NULL) && count < MAX_PATHS)
            r = make_absolute(text_of(row, &all), here, &copies[count++]);
    bytes_init(&words, 65536);
    if (r == 0)
        r = hint_options(&all, &words);
    for (int i = 0; i < count; i++)
        free(copies[i]);
    free(placement->now);
    placement->now = r == 0 ? words.size ? bytes_take(&words) : strdup("") : NULL;
    bytes_done(&words);
    return placement->now ? 0 : because(why, r < 0 ? r : -ENOMEM, "the options for going on: %s", strerror(r < 0 ? -r : ENOMEM));
}

/* ---- taking ---- */

/* Lists of the command line stand in place of those kept, not behind them. */
static void replace_lists(struct run_options *all, const struct run_options *given)
{
    for (const struct option_row *row = resume_rows(); row->name; row++) {
        const struct texts *from = (const void *)((const char *)given + row->offset);
        if (row->type == OPTION_TEXTS && from->count)
            *(struct texts *)(void *)((char *)all + row->offset) = *from;
    }
}

static int read_words(struct placement *placement, struct why *why)
{
    char *words[PLACEMENT_WORDS + 1] = { (char *)"resume" };
    struct why reason = { "it cannot be read" };
    int first;
    placement->words = strdup(placement->kept);
    if (!placement->words)
        return because(why, -ENOMEM, "job.db: out of memory");
    int count = hint_split(placement->words, words + 1, PLACEMENT_WORDS - 1);
    int r = count < 0 ? count : run_options_parse(resume_rows(), &placement->taken, count + 1, words, &first, &reason);
    if (r == 0 && first != count + 1)
        r = -EINVAL;
    if (r == 0) {
        placement->says_precision = options_given(resume_rows(), count + 1, words, "precision");
        placement->says_recheck = options_given(resume_rows(), count + 1, words, "recheck");
    }
    return r < 0 ? because(why, -EBADMSG, "job.db: how the job ran last: %s", reason.text) : 0;
}

/* Of another place than before: these were about that one. */
static bool says_where(const struct option_row *row)
{
    static const struct run_options none;
    bool for_list = !run_options_mean(&none, row);
    return for_list || !strcmp(row->name, "nodes") || !strcmp(row->name, "local") || !strcmp(row->name, "min-nodes");
}

/* What --nodes or --local on the command line leave as it was. Flags they do not: on a command line, nobody could take one back. */
static bool stays(const struct option_row *row, const struct run_options *options, int argc, char **argv)
{
    return row->type != OPTION_FLAG && row->type != OPTION_TEXTS && !says_where(row) && run_options_mean(options, row) &&
           !options_given(resume_rows(), argc, argv, row->name);
}

static void copy_value(const struct option_row *row, struct run_options *to, const struct run_options *from)
{
    bool is_number = row->type == OPTION_INT || row->type == OPTION_SIZE;
    memcpy((char *)to + row->offset, (const char *)from + row->offset, is_number ? sizeof(int64_t) : sizeof(char *));
}

static void keep_rest(struct placement *placement, struct run_options *options, int argc, char **argv)
{
    const struct run_options given = *options;
    for (const struct option_row *row = resume_rows(); row->name; row++)
        if (stays(row, &given, argc, argv) && options_differ(row, options, &placement->taken)) {
            copy_value(row, options, &placement->taken);
            placement->rest = true;
        }
}

/* What is kept and cannot be read must not keep anybody from saying everything anew. */
static void take_rest(struct placement *placement, struct run_options *options, int argc, char **argv)
{
    struct why why;
    if (read_words(placement, &why) == 0) {
        keep_rest(placement, options, argc, argv);
        return;
    }
    log_warning("%s; only what is given now counts", why.text);
    placement->taken = (struct run_options)RUN_DEFAULTS;
}

int placement_take(struct placement *placement, struct db *db, struct run_options *options, int argc, char **argv, struct why *why)
{
    int first;
    placement->taken = (struct run_options)RUN_DEFAULTS;
    int r = db_get(db, HINT_PLACEMENT, &placement->kept, why);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    if (options->nodes || options->local) {
        placement->elsewhere = true;
        take_rest(placement, options, argc, argv);
        return 0;
    }
    struct why reason;
    r = read_words(placement, &reason);
    if (r < 0)
        return because(why, r, "%s; give --nodes FILE or --local N", reason.text);
    struct run_options all = placement->taken;
    r = run_options_parse(resume_rows(), &all, argc, argv, &first, why);
    if (r < 0)
        return r;
    replace_lists(&all, options);
    *options = all;
    return 0;
}

static int check_file(const struct option_row *row, const char *path, struct why *why)
{
    if (access(path, R_OK) == 0)
        return 0;
    return because(why, -errno, "%s: %s; it is the --%s that this job ran with last: put it back, or give another --%s; with --local N it goes on without nodes",
                   path, strerror(errno), row->name, row->name);
}

int placement_check(const struct placement *placement, const struct run_options *options, const char *job_dir, struct why *why)
{
    CLEANUP(bytes_done) struct bytes words;
    struct run_options now = *options, taken = placement->taken;
    bytes_init(&words, 65536);
    if (!placement->words)
        return 0;
    for (const struct option_row *row = resume_rows(); row->name; row++) {
        const char *path = row->type == OPTION_TEXT && !strncmp(row->value, "FILE", 4) ? *text_of(row, &now) : NULL;
        int r = path && path == *text_of(row, &taken) && *path == '/' ? check_file(row, path, why) : 0;
        if (r < 0)
            return r;
    }
    if (hint_options(options, &words) < 0 || !words.size)
        return 0;
    if (!placement->elsewhere)
        log_info("%s: goes on as it ran last, with%s; --nodes or --local would say otherwise", job_dir, words.data);
    else if (placement->rest)
        log_info("%s: goes on with%s; what was not given now is as it ran last", job_dir, words.data);
    return 0;
}
