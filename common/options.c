#include "common/options.h"

#include "common/cleanup.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <string.h>

#define MAX_OPTIONS 128

static int parse_number(const char *text, bool size, int64_t *ret)
{
    char *end;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (errno || end == text)
        return errno == ERANGE ? -ERANGE : -EINVAL;
    const char *units = "KMGT", *unit = size && *end ? strchr(units, *end) : NULL;
    if (unit && *unit) {
        int shift = 10 * (int)(unit - units + 1);
        if (number < 0 || number > INT64_MAX >> shift)
            return -ERANGE;
        number <<= shift;
        end++;
    }
    if (*end)
        return -EINVAL;
    *ret = number;
    return 0;
}

static bool is_choice(const char *choices, const char *value)
{
    size_t length = strlen(value);
    if (!length || strchr(value, '|'))
        return false;
    for (const char *word = choices; word; word = strchr(word, '|') ? strchr(word, '|') + 1 : NULL)
        if (!strncmp(word, value, length) && (word[length] == '|' || !word[length]))
            return true;
    return false;
}

/* The largest number that there is says nothing to a reader. */
static int refuse_range(const struct option_row *row, const char *value, struct why *why)
{
    if (row->max < INT64_MAX)
        return because(why, -EINVAL, "--%s: %s is outside %" PRId64 " to %" PRId64, row->name, value, row->min, row->max);
    int64_t number;
    if (parse_number(value, row->type == OPTION_SIZE, &number) == -ERANGE && !strchr(value, '-'))
        return because(why, -EINVAL, "--%s: %s is too large", row->name, value);
    return because(why, -EINVAL, "--%s: %s is less than %" PRId64, row->name, value, row->min);
}

static int set_number(const struct option_row *row, void *at, const char *value, struct why *why)
{
    int64_t number;
    int r = parse_number(value, row->type == OPTION_SIZE, &number);
    if (r == -EINVAL)
        return because(why, -EINVAL, "--%s: \"%s\" is not a %s", row->name, value,
                       row->type == OPTION_SIZE ? "size such as 500M or 2G" : "whole number");
    if (r < 0 || number < row->min || number > row->max)
        return refuse_range(row, value, why);
    *(int64_t *)at = number;
    return 0;
}

static int set_flag(const struct option_row *row, bool *at, const char *value, struct why *why)
{
    if (!value || !strcmp(value, "yes"))
        *at = true;
    else if (!strcmp(value, "no"))
        *at = false;
    else
        return because(why, -EINVAL, "--%s: \"%s\" is neither yes nor no", row->name, value);
    return 0;
}

static int add_text(const struct option_row *row, struct texts *at, const char *value, struct why *why)
{
    if (at->count == TEXTS_MAX)
        return because(why, -EINVAL, "--%s: given more than %d times", row->name, TEXTS_MAX);
    at->text[at->count++] = value;
    return 0;
}

static int set_row(const struct option_row *row, void *target, const char *value, struct why *why)
{
    void *at = (char *)target + row->offset;
    switch (row->type) {
    case OPTION_FLAG:
        return set_flag(row, at, value, why);
    case OPTION_INT:
    case OPTION_SIZE:
        return set_number(row, at, value, why);
    case OPTION_CHOICE:
        if (!is_choice(row->choices, value))
            return because(why, -EINVAL, "--%s: \"%s\" is not one of %s", row->name, value, row->choices);
        break;
    case OPTION_TEXTS:
        return add_text(row, at, value, why);
    case OPTION_TEXT:
        break;
    }
    *(const char **)at = value;
    return 0;
}

int options_set(const struct option_row *table, void *target, const char *name, const char *value, struct why *why)
{
    for (const struct option_row *row = table; row->name; row++)
        if (!strcmp(row->name, name))
            return set_row(row, target, value, why);
    return because(why, -EINVAL, "there is no option \"%s\"", name);
}

static int make_getopt_tables(const struct option_row *table, struct option *longs, char *letters)
{
    int count = 0;
    *letters++ = ':';
    for (; count < MAX_OPTIONS && table[count].name; count++) {
        const struct option_row *row = &table[count];
        longs[count] = (struct option){ row->name, row->type == OPTION_FLAG ? no_argument : required_argument, NULL, 256 + count };
        if (row->letter) {
            *letters++ = row->letter;
            if (row->type != OPTION_FLAG)
                *letters++ = ':';
        }
    }
    *letters = '\0';
    longs[count] = (struct option){ 0 };
    return count;
}

static const struct option_row *find_row(const struct option_row *table, int code)
{
    if (code >= 256)
        return &table[code - 256];
    for (const struct option_row *row = table; row->name; row++)
        if (row->letter == code)
            return row;
    return NULL;
}

/* The options that "--word" or "--word=value" may be short for, with commas between them. Returns how many there are. */
static int find_candidates(const struct option_row *table, const char *word, char *ret, size_t size)
{
    size_t length = strcspn(word + 2, "="), at = 0;
    int count = 0;
    *ret = '\0';
    for (const struct option_row *row = table; row->name; row++) {
        if (strncmp(row->name, word + 2, length))
            continue;
        int n = snprintf(ret + at, size - at, "%s--%s", count++ ? ", " : "", row->name);
        at = n < 0 || at + (size_t)n >= size ? size - 1 : at + (size_t)n;
    }
    return count;
}

/* What getopt_long() did not take; `optopt` is a letter, the code of a long option that was given a value, or 0. */
static int refuse_word(const struct option_row *table, const char *program, const char *word, struct why *why)
{
    char candidates[512];
    const char *slash = strrchr(program, '/');
    program = slash ? slash + 1 : program;
    if (optopt >= 256)
        return because(why, -EINVAL, "--%s takes no value", find_row(table, optopt)->name);
    if (optopt)
        return because(why, -EINVAL, "%s takes no option -%c", program, optopt);
    if (find_candidates(table, word, candidates, sizeof(candidates)) > 1)
        return because(why, -EINVAL, "%.*s may be %s", (int)strcspn(word, "="), word, candidates);
    return because(why, -EINVAL, "%s takes no option %.*s", program, (int)strcspn(word, "="), word);
}

/* An empty text would pass for an option that was not given, and comes from a variable of a script that is not set. */
static bool is_blank(const struct option_row *row, const char *value)
{
    return (row->type == OPTION_TEXT || row->type == OPTION_TEXTS) && !*value;
}

int options_parse(const struct option_row *table, void *target, int argc, char **argv, int *ret_first, struct why *why)
{
    struct option longs[MAX_OPTIONS + 1];
    char letters[2 * MAX_OPTIONS + 2];
    make_getopt_tables(table, longs, letters);
    opterr = 0;
    optind = 0;
    for (int code; (code = getopt_long(argc, argv, letters, longs, NULL)) != -1;) {
        const char *word = argv[optind - 1];
        if (code == ':')
            return because(why, -EINVAL, "%s needs a value", word);
        if (code == '?')
            return refuse_word(table, argv[0], word, why);
        const struct option_row *row = find_row(table, code);
        int r = is_blank(row, optarg) ? because(why, -EINVAL, "--%s: its value is empty; give one, or leave the option out", row->name)
                                      : set_row(row, target, optarg, why);
        if (r < 0)
            return r;
    }
    *ret_first = optind;
    return 0;
}

bool options_given(const struct option_row *table, int argc, char **argv, const char *name)
{
    struct option longs[MAX_OPTIONS + 1];
    char letters[2 * MAX_OPTIONS + 2];
    bool given = false;
    make_getopt_tables(table, longs, letters);
    opterr = 0;
    optind = 0;
    for (int code; (code = getopt_long(argc, argv, letters, longs, NULL)) != -1;) {
        const struct option_row *row = find_row(table, code);
        given |= row && !strcmp(row->name, name);
    }
    return given;
}

static bool texts_differ(const char *a, const char *b)
{
    return !a != !b || (a && strcmp(a, b));
}

static bool lists_differ(const struct texts *a, const struct texts *b)
{
    int same = 0;
    while (same < a->count && same < b->count && !texts_differ(a->text[same], b->text[same]))
        same++;
    return same != a->count || same != b->count;
}

bool options_differ(const struct option_row *row, const void *a, const void *b)
{
    const void *x = (const char *)a + row->offset, *y = (const char *)b + row->offset;
    switch (row->type) {
    case OPTION_FLAG:
        return *(const bool *)x != *(const bool *)y;
    case OPTION_INT:
    case OPTION_SIZE:
        return *(const int64_t *)x != *(const int64_t *)y;
    case OPTION_TEXTS:
        return lists_differ(x, y);
    case OPTION_CHOICE:
    case OPTION_TEXT:
        break;
    }
    return texts_differ(*(const char *const *)x, *(const char *const *)y);
}

void options_print(const struct option_row *table, FILE *out)
{
    for (const struct option_row *row = table; row->name; row++) {
        char left[64], letter[8] = "    ";
        if (row->letter)
            snprintf(letter, sizeof(letter), "-%c, ", row->letter);
        snprintf(left, sizeof(left), "%s--%s%s%s", letter, row->name, row->value ? " " : "", row->value ? row->value : "");
        fprintf(out, "  %-28s %s", left, row->help);
        if (row->choices)
            fprintf(out, " (%s)", row->choices);
        fputc('\n', out);
    }
}
