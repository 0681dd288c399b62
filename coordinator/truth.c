#include "coordinator/truth.h"

#include "common/cleanup.h"

#include <errno.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

struct truth {
    regex_t regex;
    regmatch_t *group; /* the whole match, then re_nsub groups */
};

void truth_close(struct truth *truth)
{
    if (!truth)
        return;
    regfree(&truth->regex);
    free(truth->group);
    free(truth);
}

static int explain(const char *regex, int error, const regex_t *compiled, struct why *why)
{
    char text[256];
    regerror(error, compiled, text, sizeof(text));
    return because(why, error == REG_ESPACE ? -ENOMEM : -EINVAL,
                   "--truth '%.500s': %s; it takes a POSIX extended regular expression", regex, text);
}

int truth_open(const char *regex, struct truth **ret, struct why *why)
{
    CLEANUP(freep) struct truth *truth = calloc(1, sizeof(*truth));
    if (!truth)
        return because(why, -ENOMEM, "--truth: out of memory");
    int error = regcomp(&truth->regex, regex, REG_EXTENDED);
    if (error)
        return explain(regex, error, &truth->regex, why);
    if (!truth->regex.re_nsub) {
        regfree(&truth->regex);
        return because(why, -EINVAL, "--truth '%.500s': no group; put the part that names the truth in parentheses, "
                       "as in 'n[0-9]+-([^/]+)/'", regex);
    }
    truth->group = calloc(truth->regex.re_nsub + 1, sizeof(*truth->group));
    if (!truth->group) {
        regfree(&truth->regex);
        return because(why, -ENOMEM, "--truth: out of memory");
    }
    *ret = take(truth);
    return 0;
}

int truth_check(const char *regex, struct why *why)
{
    struct truth *truth = NULL;
    int r = *regex ? truth_open(regex, &truth, why) : 0;
    truth_close(truth);
    return r;
}

struct span truth_of(const struct truth *truth, struct span uri)
{
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
