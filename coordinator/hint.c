#include "coordinator/hint.h"

#include "common/cleanup.h"
#include "common/program.h"
#include "coordinator/exported.h"
#include "coordinator/job_state.h"
#include "coordinator/jobdir.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>

void hint_word(struct bytes *out, const char *word)
{
    bytes_append_char(out, ' ');
    program_quote(out, word);
}

static bool differs(const char *a, const char *b)
{
    return a && (!b || strcmp(a, b));
}

static void put_texts(struct bytes *out, const char *name, const struct texts *texts)
{
    for (int i = 0; i < texts->count; i++) {
        bytes_printf(out, " --%s", name);
        hint_word(out, texts->text[i]);
    }
}

static void put_option(struct bytes *out, const struct option_row *row, const void *at, const void *usual)
{
    const char *text = row->type == OPTION_TEXT || row->type == OPTION_CHOICE ? *(const char *const *)at : NULL;
    if (row->type == OPTION_TEXTS)
        put_texts(out, row->name, at);
    else if (text && differs(text, *(const char *const *)usual)) {
        bytes_printf(out, " --%s", row->name);
        hint_word(out, text);
    } else if ((row->type == OPTION_INT || row->type == OPTION_SIZE) && *(const int64_t *)at != *(const int64_t *)usual)
        bytes_printf(out, " --%s %" PRId64, row->name, *(const int64_t *)at);
    else if (row->type == OPTION_FLAG && *(const bool *)at && !*(const bool *)usual)
        bytes_printf(out, " --%s", row->name);
}

int hint_options(const struct run_options *options, struct bytes *out)
{
    const struct run_options usual = RUN_DEFAULTS;
    struct run_options begun = RUN_DEFAULTS;
    begun.tuning.precision = options->begun.precision;
    begun.tuning.recheck = options->begun.recheck;
    for (const struct option_row *row = resume_rows(); row->name; row++) {
        const struct run_options *other = options_differ(row, options, &usual) ? &usual : &begun; /* a default must be said where the job has none */
        if (run_options_mean(options, row))
            put_option(out, row, (const char *)options + row->offset, (const char *)other + row->offset);
    }
    return bytes_error(out);
}

int hint_command(const char *command, const struct run_options *options, const char *job_dir, struct bytes *out)
{
    bytes_printf(out, "%s %s", program_called(), command);
    hint_options(options, out);
    hint_word(out, job_dir);
    return bytes_error(out);
}

int hint_split(char *text, char **ret, int room)
{
    int count = 0;
    bool quoted = false, inside = false;
    char *to = text;
    for (char *at = text; *at; at++) {
        if (*at == ' ' && !quoted) {
            inside = false;
            *to++ = '\0'; /* never beyond `at`: a word is shorter than its quoted form */
            continue;
        }
        if (!inside && count == room)
            return -E2BIG;
        if (!inside)
            ret[count++] = to;
        inside = true;
        if (*at == '\'')
            quoted = !quoted;
        else if (*at != '\\' || quoted || *++at)
            *to++ = *at;
        else
            return -EINVAL;
    }
    *to = '\0';
    return quoted ? -EINVAL : count;
}

char *hint_resume(struct db *db, const char *job_dir)
{
    CLEANUP(freep) char *placement = NULL, *before = NULL;
    CLEANUP(bytes_done) struct bytes command;
    bytes_init(&command, 65536);
    if (db_get(db, HINT_PLACEMENT, &placement, NULL) == 0)
        bytes_printf(&command, "%s resume%s", program_called(), placement);
    else {
        const char *text = db_get(db, HINT_BEFORE, &before, NULL) == 0 ? before : HINT_RESUME;
        size_t name = strncmp(text, HINT_PROGRAM " ", sizeof(HINT_PROGRAM)) ? 0 : strlen(HINT_PROGRAM);
        bytes_printf(&command, "%s%s", name ? program_called() : "", text + name);
    }
    hint_word(&command, job_dir);
    return bytes_error(&command) ? NULL : strdup(command.data);
}

int hint_check_rows(struct db *db, const char *job_dir, struct why *why)
{
    struct job_state state;
    int r = job_state_read(db, &state, why);
    return r < 0 || state.all_rows ? r : hint_not_yet(db, job_dir, why);
}

int hint_not_yet(struct db *db, const char *job_dir, struct why *why)
{
    char who[400];
    if (!jobdir_is_running(job_dir, who, sizeof(who)))
        return hint_incomplete(db, job_dir, why);
    return because(why, -EBUSY, "%s: this job is not complete, %s runs it; wait for it, and see %s status %s", job_dir, who, program_called(), job_dir);
}

int hint_incomplete(struct db *db, const char *job_dir, struct why *why)
{
    CLEANUP(freep) char *whole = realpath(job_dir, NULL), *command = hint_resume(db, whole ? whole : job_dir);
    return because(why, -EBUSY, "%s: this job is not complete; go on with it first: %s", job_dir, command ? command : HINT_RESUME);
}

/* A command for a complete job, to be freed. */
static char *make_command(const char *name, const char *job_dir, const char *rest)
{
    struct bytes command;
    bytes_init(&command, 65536);
    bytes_printf(&command, "%s %s", program_called(), name);
    hint_word(&command, job_dir);
    bytes_append_text(&command, rest);
    return bytes_take(&command);
}

char *hint_elsewhere(const struct spec *spec, const char *job_dir)
{
    return make_command("export", job_dir, spec->per_image ? " --per-image -o DIR" : " -o DIR");
}

struct hint_next hint_next(struct db *db, const struct spec *spec, const char *job_dir)
{
    struct job_state state;
    if (job_state_read(db, &state, NULL) < 0 || !state.complete)
        return (struct hint_next){ "", "go on with", hint_resume(db, job_dir) };
    if (exported_is_written(db, job_dir))
        return (struct hint_next){ ", complete", "see", make_command("report", job_dir, "") };
    return (struct hint_next){ ", complete but for its tables", "write the tables of",
                               exported_is_failed(db) ? hint_elsewhere(spec, job_dir) : hint_resume(db, job_dir) };
}
