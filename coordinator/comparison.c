#include "coordinator/comparison.h"

#include "common/cleanup.h"
#include "coordinator/names.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NAMES_BYTES (SIZE_MAX / 2)

struct walk {
    const struct comparison_job *jobs;
    struct names uris;
    struct comparison_answer *first; /* by number of the URI */
    bool *met;                       /* in the second, by the same */
    uint32_t known, room;            /* of the first job */
    comparison_each *each;
    void *arg;
    struct comparison *out;
};

static struct comparison_answer answer_of(const struct export_row *row, const struct labels *labels)
{
    struct comparison_answer answer = { .error = row->row->error, .label = "", .match = row->match, .judged = row->truth.data };
    if (answer.error || !row->row->predictions_count)
        return answer;
    answer.index = row->row->predictions[0].index;
    answer.probability = row->row->predictions[0].probability;
    const char *label = labels_name(labels, answer.index);
    answer.label = label ? label : "";
    return answer;
}

/* ---- the first job ---- */

static int make_room(struct walk *walk, struct why *why)
{
    if (walk->known < walk->room)
        return 0;
    size_t room = walk->room ? (size_t)walk->room * 2 : 1024;
    struct comparison_answer *first = realloc(walk->first, room * sizeof(*first));
    walk->first = first ? first : walk->first;
    bool *met = realloc(walk->met, room * sizeof(*met));
    walk->met = met ? met : walk->met;
    if (!first || !met)
        return because(why, -ENOMEM, "%s: out of memory for its answers", db_path(walk->jobs[0].db));
    walk->room = room < UINT32_MAX ? (uint32_t)room : UINT32_MAX;
    return 0;
}

static int keep(void *arg, const struct export_row *row, struct why *why)
{
    struct walk *walk = arg;
    int r = make_room(walk, why);
    if (r < 0)
        return r;
    uint32_t number = names_number(&walk->uris, row->item->uri);
    if (number == NAMES_FULL)
        return because(why, -ENOMEM, "%s: out of memory for the names of its images", db_path(walk->jobs[0].db));
    if (number < walk->known)
        return 0;
    walk->first[number] = answer_of(row, walk->jobs[0].labels);
    walk->met[number] = false;
    walk->known++;
    return 0;
}

/* ---- the second ---- */

static bool is_same_class(const struct comparison_answer *a, const struct comparison_answer *b)
{
    return *a->label || *b->label ? !strcmp(a->label, b->label) : a->index == b->index;
}

static void count_judgement(struct comparison *out, const struct comparison_answer *first, const struct comparison_answer *second)
{
    bool right[2] = { first->match == MATCH_TRUE, second->match == MATCH_TRUE };
    out->judged++;
    out->right[0] += right[0];
    out->right[1] += right[1];
    out->lost += right[0] && !right[1];
    out->gained += !right[0] && right[1];
}

/* Whether the two say the same. */
static bool count_answers(struct comparison *out, const struct comparison_answer *first, const struct comparison_answer *second)
{
    out->failed[0] += first->error != 0;
    out->failed[1] += second->error != 0;
    if (first->error || second->error)
        return first->error && second->error;
    out->answered++;
    if (!is_same_class(first, second))
        return false;
    double moved = fabs((double)first->probability - (double)second->probability);
    out->same++;
    out->moved += moved;
    out->most = moved > out->most ? moved : out->most;
    return true;
}

static int compare(void *arg, const struct export_row *row, struct why *why)
{
    struct walk *walk = arg;
    uint32_t before = walk->uris.count, number = names_number(&walk->uris, row->item->uri);
    if (number == NAMES_FULL)
        return because(why, -ENOMEM, "%s: out of memory for the names of its images", db_path(walk->jobs[1].db));
    walk->out->alone[1] += number == before;
    if (number >= walk->known || walk->met[number])
        return 0;
    walk->met[number] = true;
    walk->out->images++;
    const struct comparison_change change = { .uri = row->item->uri, .truth = row->truth, .answer = { walk->first[number], answer_of(row, walk->jobs[1].labels) } };
    bool same = count_answers(walk->out, &change.answer[0], &change.answer[1]);
    if (change.answer[0].judged && change.answer[1].judged)
        count_judgement(walk->out, &change.answer[0], &change.answer[1]);
    walk->out->changed += !same;
    return same || !walk->each ? 0 : walk->each(walk->arg, &change, why);
}

/* ---- both ---- */

static int check_kind(const struct comparison_job *job, struct why *why)
{
    if (job->spec->emit != ROW_FEATURES)
        return 0;
    return because(why, -EINVAL, "%s: was run with --emit features, so it has no classes to compare; compare its features.npy", db_path(job->db));
}

/* Whose truth each of them is judged by. */
static const struct spec *lend_truth(const struct comparison_job jobs[2], int i, struct spec *copy)
{
    const struct spec *own = jobs[i].spec, *other = jobs[1 - i].spec;
    if (*own->truth || !*other->truth)
        return own;
    *copy = *own;
    copy->truth = other->truth;
    copy->truth_sha256 = other->truth_sha256;
    copy->home = other->home; /* where its table is */
    return copy;
}

static int walk_both(struct walk *walk, struct why *why)
{
    struct spec copies[2];
    const struct comparison_job *jobs = walk->jobs;
    int r = finish_walk(jobs[0].db, lend_truth(jobs, 0, &copies[0]), jobs[0].labels, keep, walk, why);
    if (r == 0)
        r = finish_walk(jobs[1].db, lend_truth(jobs, 1, &copies[1]), jobs[1].labels, compare, walk, why);
    for (uint32_t i = 0; i < walk->known; i++)
        walk->out->alone[0] += !walk->met[i];
    return r;
}

int comparison_make(const struct comparison_job jobs[2], comparison_each *each, void *arg, struct comparison *ret, struct why *why)
{
    struct walk walk = { .jobs = jobs, .each = each, .arg = arg, .out = ret };
    *ret = (struct comparison){ 0 };
    int r = check_kind(&jobs[0], why);
    if (r == 0)
        r = check_kind(&jobs[1], why);
    if (r < 0)
        return r;
    names_init(&walk.uris, UINT32_MAX - 1, NAMES_BYTES);
    r = walk_both(&walk, why);
    names_done(&walk.uris);
    free(walk.first);
    free(walk.met);
    return r;
}
