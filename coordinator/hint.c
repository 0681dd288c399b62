#include "coordinator/hint.h"

#include "common/cleanup.h"
#include "common/program.h"

#include <inttypes.h>
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

int hint_command(const char *command, const struct run_options *options, const char *job_dir, struct bytes *out)
{
    const struct run_options usual = RUN_DEFAULTS;
    bytes_printf(out, "%s %s", job_dir ? program_called(HINT_PROGRAM) : HINT_PROGRAM, command);
    for (const struct option_row *row = resume_rows(); row->name; row++)
        if (run_options_mean(options, row))
            put_option(out, row, (const char *)options + row->offset, (const char *)&usual + row->offset);
    if (job_dir)
        hint_word(out, job_dir);
    return bytes_error(out);
}

char *hint_resume(struct db *db, const char *job_dir)
{
    CLEANUP(freep) char *kept = NULL;
    CLEANUP(bytes_done) struct bytes command;
    bytes_init(&command, 65536);
    db_get(db, HINT_KEPT, &kept, NULL);
    const char *text = kept ? kept : HINT_RESUME;
    if (!strncmp(text, HINT_PROGRAM " ", sizeof(HINT_PROGRAM))) {
        bytes_append_text(&command, program_called(HINT_PROGRAM));
        text += strlen(HINT_PROGRAM);
    }
    bytes_append_text(&command, text);
    hint_word(&command, job_dir);
    return bytes_error(&command) ? NULL : strdup(command.data);
}
