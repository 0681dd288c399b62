#include "coordinator/check_table.h"

#include "common/cleanup.h"

#include <string.h>

#define CELL_MAX   300 /* bytes: the name of any node */
#define DEVICE_MAX 48  /* of those, for a device; the last column has room for what it likes */

enum column { NODE, STATE, VERSION, ENGINE, DEVICE, THREADS, MEMORY, BUSY, VERIFIED, NOTE, COLUMNS };

static const char *const titles[COLUMNS] = { "NODE", "STATE", "VERSION", "ENGINE", "DEVICE", "THREADS", "MEMORY", "BUSY", "VERIFIED", "" };
static const bool to_the_right[COLUMNS] = { [THREADS] = true, [MEMORY] = true };

enum state { OK, MISSING, MISMATCH, WRONG, NO_GPU, IS_BUSY, STATES };

static const char *const state_names[STATES] = { "ok", "MISSING", "MISMATCH", "WRONG", "NO GPU", "BUSY" };

struct line {
    enum state state;
    char cell[NOTE][CELL_MAX + 1];
    char note[2600];
};

static const char *fingerprint_of(const struct check_answer *answer)
{
    return answer->status ? answer->status->fingerprint : "";
}

static const char *engine_of(const struct check_answer *answer)
{
    return answer->status ? answer->status->engine : "";
}

/* What most nodes say that say something, the first of equals; NULL: none does. */
static const char *usual(const struct check_answer *answers, int count, const char *(*text_of)(const struct check_answer *answer))
{
    const char *chosen = NULL;
    for (int i = 0, most = 0; i < count; i++) {
        const char *one = text_of(&answers[i]);
        int same = 0;
        for (int k = i; k < count && *one; k++)
            same += !strcmp(text_of(&answers[k]), one);
        if (same > most) {
            most = same;
            chosen = one;
        }
    }
    return chosen;
}

static const char *verdict_word(enum verdict verdict)
{
    switch (verdict) {
    case VERDICT_RIGHT:
        return "yes";
    case VERDICT_WRONG:
        return "WRONG";
    case VERDICT_PENDING:
        return "not yet";
    case VERDICT_NONE:
        break;
    }
    return "no";
}

/* The first thing that is wrong with a node that answered, and what to say of it. Engines are compared of nodes whose fingerprint is not known. */
static enum state judge(const struct msg_status *status, const struct check_wishes *wishes, const char *fingerprint, const char *engine, char *note,
                        size_t size)
{
    bool other = *status->fingerprint ? fingerprint && strcmp(fingerprint, status->fingerprint) : engine && strcmp(engine, status->engine);
    if (strcmp(status->version, SLEDDOG_VERSION)) {
        snprintf(note, size, "this is " SLEDDOG_VERSION ": install the same release");
        return MISMATCH;
    }
    if (status->verdict == VERDICT_WRONG) {
        snprintf(note, size, "ITS ANSWERS ARE NOT PYTORCH'S: %s", status->verdict_detail);
        return WRONG;
    }
    if (wishes->require_gpu && !status->gpu) {
        snprintf(note, size, "%s", *status->gpu_detail ? status->gpu_detail : "its engine does not compute on a GPU");
        return NO_GPU;
    }
    if (other && !wishes->mixed) {
        snprintf(note, size, "its numbers may differ in the last digits from those of other nodes: \"%s\", they have \"%s\"; --mixed allows it",
                 *status->fingerprint ? status->fingerprint : status->engine, *status->fingerprint ? fingerprint : engine);
        return MISMATCH;
    }
    if (*status->job) {
        snprintf(note, size, "busy with a job of %s", status->owner);
        return IS_BUSY;
    }
    if (status->verdict == VERDICT_NONE)
        snprintf(note, size, "not verified%s%s", *status->verdict_detail ? ": " : "", status->verdict_detail);
    return OK;
}

/* Whole words, as many as there is room for. */
static void shorten(char cell[CELL_MAX + 1], const char *text)
{
    size_t size = strlen(text);
    if (size <= DEVICE_MAX) {
        memcpy(cell, text, size + 1);
        return;
    }
    size_t end = DEVICE_MAX - 4;
    while (end && text[end] != ' ')
        end--;
    for (end = end ? end : DEVICE_MAX - 4; end && ((text[end] & 0xc0) == 0x80 || strchr(" ,;", text[end - 1]));)
        end--;
    snprintf(cell, CELL_MAX + 1, "%.*s...", (int)end, text);
}

static void fill(struct line *line, const struct check_answer *answer, const struct check_wishes *wishes, const char *fingerprint,
                 const char *engine)
{
    const struct msg_status *status = answer->status;
    char (*cell)[CELL_MAX + 1] = line->cell;
    snprintf(cell[NODE], sizeof(cell[0]), "%s", answer->name);
    for (int i = VERSION; i < NOTE; i++)
        snprintf(cell[i], sizeof(cell[0]), "-");
    if (status) {
        line->state = judge(status, wishes, fingerprint, engine, line->note, sizeof(line->note));
        snprintf(cell[VERSION], sizeof(cell[0]), "%s", status->version);
        snprintf(cell[ENGINE], sizeof(cell[0]), "%s", status->engine);
        shorten(cell[DEVICE], status->device);
        snprintf(cell[THREADS], sizeof(cell[0]), "%u", status->threads);
        snprintf(cell[MEMORY], sizeof(cell[0]), "%.1f GiB", (double)status->memory / (1 << 30));
        snprintf(cell[BUSY], sizeof(cell[0]), "%s", *status->job ? "busy" : "-");
        snprintf(cell[VERIFIED], sizeof(cell[0]), "%s", verdict_word((enum verdict)status->verdict));
    } else {
        line->state = MISSING;
        snprintf(line->note, sizeof(line->note), "%s", *answer->problem ? answer->problem : "no answer; is sleddog-worker running there, and the port open?");
    }
    snprintf(cell[STATE], sizeof(cell[0]), "%s", state_names[line->state]);
}

/* What a node says must not command a terminal. */
static void put_text(const char *text, FILE *out)
{
    for (; *text; text++)
        fputc((unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text, out);
}

/* `blanks` are due before the next text; none come at the end of a line. */
static void put_cell(const char *text, int width, bool right, int *blanks, FILE *out)
{
    int padding = width > (int)strlen(text) ? width - (int)strlen(text) : 0;
    if (*text) {
        fprintf(out, "%*s", *blanks + (right ? padding : 0), "");
        put_text(text, out);
    }
    *blanks = (right ? 0 : padding) + 2;
}

static void print_lines(const struct line *lines, int count, FILE *out)
{
    int width[NOTE];
    for (int c = 0; c < NOTE; c++) {
        width[c] = (int)strlen(titles[c]);
        for (int i = 0; i < count; i++)
            if ((int)strlen(lines[i].cell[c]) > width[c])
                width[c] = (int)strlen(lines[i].cell[c]);
    }
    for (int i = -1; i < count; i++) {
        int blanks = 0;
        for (int c = 0; c < NOTE; c++)
            put_cell(i < 0 ? titles[c] : lines[i].cell[c], width[c], to_the_right[c], &blanks, out);
        put_cell(i < 0 ? titles[NOTE] : lines[i].note, 0, false, &blanks, out);
        fputc('\n', out);
    }
}

static int print_sum(const struct line *lines, int count, FILE *out)
{
    int of[STATES] = { 0 };
    for (int i = 0; i < count; i++)
        of[lines[i].state]++;
    fprintf(out, "%d node%s:", count, count == 1 ? "" : "s");
    for (int i = 0; i < STATES; i++)
        if (of[i] || i == OK)
            fprintf(out, "%s %d %s", i ? "," : "", of[i], state_names[i]);
    fputc('\n', out);
    return count - of[OK];
}

int check_table_print(const struct check_answer *answers, int count, const struct check_wishes *wishes, FILE *out)
{
    CLEANUP(freep) struct line *lines = calloc((size_t)count, sizeof(*lines));
    const char *fingerprint = usual(answers, count, fingerprint_of), *engine = usual(answers, count, engine_of);
    if (!lines) {
        fputs("out of memory\n", out);
        return count;
    }
    for (int i = 0; i < count; i++)
        fill(&lines[i], &answers[i], wishes, fingerprint, engine);
    print_lines(lines, count, out);
    return print_sum(lines, count, out);
}
