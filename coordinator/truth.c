#include "coordinator/truth.h"

#include "common/cleanup.h"
#include "common/log.h"
#include "coordinator/export/row_json.h"
#include "coordinator/truth_file.h"
#include "coordinator/truth_table.h"

#include <errno.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

struct truth {
    struct truth_table *table; /* NULL: it is an expression */
    regex_t regex;
    regmatch_t *group; /* the whole match, then re_nsub groups; NULL: not compiled */
};

void truth_close(struct truth *truth)
{
    if (!truth)
        return;
    truth_table_free(truth->table);
    if (truth->group)
        regfree(&truth->regex);
    free(truth->group);
    free(truth);
}

static int open_table(const char *path, struct truth *truth, struct why *why)
{
    int r = truth_file_check(path, why);
    if (r < 0)
        return r;
    r = truth_table_read(path, &truth->table, why);
    return r < 0 ? because_in(why, r, "--truth") : 0;
}

static int explain(const char *regex, int error, const regex_t *compiled, struct why *why)
{
    char text[256];
    regerror(error, compiled, text, sizeof(text));
    return because(why, error == REG_ESPACE ? -ENOMEM : -EINVAL,
                   "--truth '%.500s': %s; it takes a POSIX extended regular expression", regex, text);
}

static int compile(const char *regex, struct truth *truth, struct why *why)
{
    int error = regcomp(&truth->regex, regex, REG_EXTENDED);
    if (error)
        return explain(regex, error, &truth->regex, why);
    size_t groups = truth->regex.re_nsub;
    truth->group = groups ? calloc(groups + 1, sizeof(*truth->group)) : NULL;
    if (truth->group)
        return 0;
    regfree(&truth->regex);
    if (groups)
        return because(why, -ENOMEM, "--truth: out of memory");
    return because(why, -EINVAL, "--truth '%.500s': no group; put the part that names the truth in parentheses, as in 'n[0-9]+-([^/]+)/'; or give @FILE, a table",
                   regex);
}

int truth_open(const char *given, struct truth **ret, struct why *why)
{
    struct truth *truth = calloc(1, sizeof(*truth));
    if (!truth)
        return because(why, -ENOMEM, "--truth: out of memory");
    const char *path = truth_file(given);
    int r = path ? open_table(path, truth, why) : compile(given, truth, why);
    if (r < 0)
        truth_close(truth);
    else
        *ret = truth;
    return r;
}

int truth_check(const char *given, struct why *why)
{
    struct truth *truth = NULL;
    int r = *given ? truth_open(given, &truth, why) : 0;
    truth_close(truth);
    return r;
}

void truth_tell_unused(const struct truth *truth, const char *described)
{
    size_t line = 0, unused = truth && truth->table ? truth_table_unused(truth->table, &line) : 0;
    if (unused)
        log_info("--truth %s: %zu of %zu names are those of no image of this job, the first in line %zu", described, unused, truth_table_count(truth->table), line);
}

struct span truth_of(const struct truth *truth, struct span uri)
{
    if (truth && truth->table)
        return truth_table_find(truth->table, row_without_query(uri));
    size_t groups = truth ? truth->regex.re_nsub : 0;
    if (!groups || regexec(&truth->regex, uri.data, groups + 1, truth->group, 0))
        return (struct span){ NULL, 0 };
    for (size_t i = 1; i <= groups; i++) {
        regmatch_t group = truth->group[i];
        if (group.rm_so >= 0 && group.rm_eo > group.rm_so)
            return (struct span){ uri.data + group.rm_so, (uint32_t)(group.rm_eo - group.rm_so) };
    }
    return (struct span){ NULL, 0 };
}

static char spaced(char c)
{
    return (char)(c == '_' ? ' ' : c);
}

static bool begins_with(const char *text, struct span part)
{
    for (uint32_t i = 0; i < part.size; i++)
        if (!text[i] || spaced(text[i]) != spaced(part.data[i]))
            return false;
    return true;
}

static bool occurs_in(const char *text, struct span part)
{
    for (; *text; text++)
        if (begins_with(text, part))
            return true;
    return false;
}

static bool has_id(struct span id, uint32_t index, const struct labels *labels)
{
    const char *own = labels_wordnet(labels, index);
    return own && !memcmp(own, id.data, id.size);
}

static bool number_of(struct span text, uint32_t *ret)
{
    uint32_t number = 0;
    if (!text.size || text.size > 6)
        return false;
    for (uint32_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        number = 10 * number + (uint32_t)(text.data[i] - '0');
    }
    *ret = number;
    return true;
}

bool truth_matches(struct span truth, uint32_t index, const struct labels *labels)
{
    if (labels_is_wordnet(truth.data, truth.size))
        return has_id(truth, index, labels);
    uint32_t number;
    if (!labels_have_digits(labels) && number_of(truth, &number))
        return number == index;
    const char *name = labels_name(labels, index);
    return name && occurs_in(name, truth);
}

enum match truth_match(struct span truth, const struct rec_row *row, const struct labels *labels)
{
    if (!truth.data || row->error || !row->predictions_count)
        return MATCH_NONE;
    return truth_matches(truth, row->predictions[0].index, labels) ? MATCH_TRUE : MATCH_FALSE;
}

/* ---- exactly ---- */

static bool is_name_of(struct span truth, const char *label)
{
    size_t whole = label ? strlen(label) : 0;
    if (!whole)
        return false;
    if (whole == truth.size && begins_with(label, truth))
        return true;
    for (const char *name = label;; name++) {
        name += strspn(name, " ");
        size_t size = strcspn(name, ",");
        if (size == truth.size && begins_with(name, truth))
            return true;
        name += size;
        if (!*name)
            return false;
    }
}

enum truth_exact truth_exact(struct span truth, const struct labels *labels)
{
    uint32_t count = labels_count(labels), number;
    if (labels_is_wordnet(truth.data, truth.size) && labels_have_wordnet(labels))
        return TRUTH_BY_ID;
    for (uint32_t i = 0; i < count; i++)
        if (is_name_of(truth, labels_name(labels, i)))
            return TRUTH_BY_NAME;
    return number_of(truth, &number) && number < count ? TRUTH_BY_INDEX : TRUTH_LOOSE;
}

bool truth_is_class(struct span truth, enum truth_exact how, uint32_t index, const struct labels *labels)
{
    uint32_t number;
    switch (how) {
    case TRUTH_BY_ID:
        return has_id(truth, index, labels);
    case TRUTH_BY_NAME:
        return is_name_of(truth, labels_name(labels, index));
    case TRUTH_BY_INDEX:
        return number_of(truth, &number) && number == index;
    case TRUTH_LOOSE:
        break;
    }
    return false;
}

bool truth_hopeless(struct span truth, const struct labels *labels)
{
    return truth.data && labels_is_wordnet(truth.data, truth.size) && !labels_have_wordnet(labels);
}
