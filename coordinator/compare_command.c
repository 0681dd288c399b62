/* compare_command.c: the command `compare`: two complete jobs about the same images beside each other: int8 and f32, two models, two presets. */
#include "coordinator/commands.h"

#include "common/options.h"
#include "common/usage.h"
#include "coordinator/comparison_print.h"
#include "coordinator/hint.h"
#include "coordinator/jobdir.h"
#include "coordinator/summary.h"

#include <errno.h>
#include <string.h>

#define CHUNK ((size_t)64 << 10) /* bytes of CSV at a time */

struct compare_options {
    const char *truth;
    bool json, changes, strict, help;
};

static const struct option_row rows[] = {
    { 0, "truth", OPTION_TEXT, offsetof(struct compare_options, truth), "REGEX|@FILE", "judge both by this in place of what they were run with", 0, 0, NULL },
    { 0, "changes", OPTION_FLAG, offsetof(struct compare_options, changes), NULL, "the images with another answer, as CSV, in place of the summary", 0, 0, NULL },
    { 0, "json", OPTION_FLAG, offsetof(struct compare_options, json), NULL, "the summary for programs", 0, 0, NULL },
    { 0, "strict", OPTION_FLAG, offsetof(struct compare_options, strict), NULL, "exit with 3 if any answer or any image differs", 0, 0, NULL },
    { 'h', "help", OPTION_FLAG, offsetof(struct compare_options, help), NULL, "print this help", 0, 0, NULL },
    { 0 },
};

/* One of the two, open. */
struct side {
    const char *path;
    struct db *db;
    struct spec *spec;
    struct labels *labels;
    struct json_t *summary; /* NULL: there is none */
};

static void close_side(struct side *side)
{
    summary_free(side->summary);
    labels_close(side->labels);
    spec_free(side->spec);
    db_close(side->db);
}

static int open_side(struct side *side, const char *path, const char *truth, struct why *why)
{
    side->path = path;
    int r = jobdir_look(path, &side->db, &side->spec, &side->labels, why);
    if (r == 0)
        r = hint_check_rows(side->db, path, why); /* before the other is walked through, and before anything is printed */
    if (r == 0)
        r = finish_judge_by(side->spec, truth, why);
    if (r == 0 && summary_load(path, &side->summary, NULL) < 0)
        side->summary = NULL;
    return r;
}

static int write_out(struct bytes *text, size_t least, struct why *why)
{
    if (bytes_error(text))
        return because(why, bytes_error(text), "the comparison: %s", strerror(-bytes_error(text)));
    if (text->size > least) {
        fwrite(text->data, 1, text->size, stdout); /* main() asks whether that was good */
        bytes_clear(text);
    }
    return 0;
}

static int put_change(void *arg, const struct comparison_change *change, struct why *why)
{
    struct bytes *text = arg;
    comparison_csv_line(text, change);
    return write_out(text, CHUNK, why);
}

static int show(const struct side sides[2], const struct compare_options *options, struct comparison *comparison, struct bytes *text, struct why *why)
{
    const char *names[] = { sides[0].path, sides[1].path };
    const struct json_t *summaries[] = { sides[0].summary, sides[1].summary };
    const struct comparison_job jobs[] = { { sides[0].db, sides[0].spec, sides[0].labels }, { sides[1].db, sides[1].spec, sides[1].labels } };
    struct comparison_surest surest = { .count = 0 };
    if (options->changes)
        comparison_csv_head(text);
    int r = options->changes ? comparison_make(jobs, put_change, text, comparison, why) :
                               comparison_make(jobs, comparison_keep_surest, &surest, comparison, why);
    if (r == 0 && options->json)
        comparison_print_json(comparison, names, summaries, text);
    else if (r == 0 && !options->changes)
        comparison_print(comparison, &surest, names, summaries, text);
    comparison_surest_done(&surest);
    return r == 0 ? write_out(text, 0, why) : r;
}

static int compare(char **paths, const struct compare_options *options, bool *ret_differ, struct why *why)
{
    struct side sides[2] = { { 0 } };
    struct comparison comparison = { 0 };
    CLEANUP(bytes_done) struct bytes text;
    bytes_init(&text, SIZE_MAX / 2);
    int r = open_side(&sides[0], paths[0], options->truth, why);
    if (r == 0)
        r = open_side(&sides[1], paths[1], options->truth, why);
    if (r == 0)
        r = show(sides, options, &comparison, &text, why);
    *ret_differ = comparison.changed || comparison.alone[0] || comparison.alone[1];
    close_side(&sides[0]);
    close_side(&sides[1]);
    return r;
}

int command_compare(int argc, char **argv)
{
    struct compare_options options = { 0 };
    bool differ = false;
    struct why why;
    int first;
    int r = options_parse(rows, &options, argc, argv, &first, &why);
    if (r == 0 && options.help) {
        puts("sleddog-coordinator compare JOBDIR OTHER [OPTIONS]: which answers of two complete jobs differ, and which are right\n");
        options_print(rows, stdout);
        return 0;
    }
    if (r == 0 && first + 2 != argc)
        r = because(&why, -EINVAL, "compare: takes two job directories");
    if (r == 0 && options.json && options.changes)
        r = because(&why, -EINVAL, "compare: one of --json and --changes at a time");
    if (r == 0)
        r = compare(argv + first, &options, &differ, &why);
    return r == 0 && options.strict && differ ? 3 : usage_status(r, "compare", &why);
}
