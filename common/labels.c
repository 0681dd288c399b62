#include "common/labels.h"

#include "common/bytes.h"
#include "common/cleanup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WORDNET_SIZE 9
#define FILE_MAX     (LABELS_MAX * (LABELS_LINE_MAX + 2u) + 3u) /* every line full, CRLF, byte order mark */

struct class {
    const char *wordnet, *name;
};

static const struct class imagenet[] = {
#define CLASS(wordnet, name) { wordnet, name },
#include "common/imagenet.def"
#undef CLASS
};

struct labels {
    char *text; /* what the classes of a file point into */
    struct class *of_file;
    const struct class *classes;
    uint32_t count;
    bool have_wordnet, have_digits;
};

void labels_close(struct labels *labels)
{
    if (!labels)
        return;
    free(labels->text);
    free(labels->of_file);
    free(labels);
}

bool labels_is_wordnet(const char *text, size_t size)
{
    if (size != WORDNET_SIZE || text[0] != 'n')
        return false;
    for (size_t i = 1; i < size; i++)
        if (text[i] < '0' || text[i] > '9')
            return false;
    return true;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Cuts blanks and a CR off the ends of text[0..size) and terminates it, where the line's end was. */
static char *trim(char *text, size_t size)
{
    while (size && (is_blank(text[size - 1]) || text[size - 1] == '\r'))
        size--;
    text[size] = '\0';
    while (is_blank(*text))
        text++;
    return text;
}

static struct class class_of(char *line)
{
    size_t word = strcspn(line, " \t");
    if (!labels_is_wordnet(line, word))
        return (struct class){ NULL, line };
    if (!line[word])
        return (struct class){ line, line };
    line[word] = '\0';
    return (struct class){ line, line + word + 1 + strspn(line + word + 1, " \t") };
}

static int add_line(struct labels *labels, const char *file, size_t number, char *line, size_t size, struct why *why)
{
    if (size > LABELS_LINE_MAX)
        return because(why, -EINVAL, "%s: line %zu is longer than %u bytes; a line holds the name of one class", file, number,
                       LABELS_LINE_MAX);
    if (memchr(line, '\0', size))
        return because(why, -EINVAL, "%s: line %zu holds a NUL byte; class names are plain text, one a line", file, number);
    char *text = trim(line, size);
    if (!*text)
        return because(why, -EINVAL, "%s: line %zu is empty; every class needs a name, or the numbers of those after it shift",
                       file, number);
    if (labels->count == LABELS_MAX)
        return because(why, -EINVAL, "%s: more than %u lines; is this a list of class names?", file, LABELS_MAX);
    struct class class = class_of(text);
    labels->have_wordnet |= class.wordnet != NULL;
    labels->have_digits |= class.name[strcspn(class.name, "0123456789")] != '\0';
    labels->of_file[labels->count++] = class;
    return 0;
}

/* How much of text[0..size) is left without line ends and blanks at its end. */
static size_t without_tail(const char *text, size_t size)
{
    while (size && (is_blank(text[size - 1]) || text[size - 1] == '\n' || text[size - 1] == '\r'))
        size--;
    return size;
}

static size_t count_lines(const char *text, size_t size)
{
    size_t lines = 1;
    for (size_t i = 0; i < size; i++)
        lines += text[i] == '\n';
    return lines < LABELS_MAX ? lines : LABELS_MAX;
}

static int add_lines(struct labels *labels, const char *file, char *text, size_t size, struct why *why)
{
    char *end = text + size;
    for (size_t number = 1; text < end; number++) {
        char *stop = memchr(text, '\n', (size_t)(end - text));
        if (!stop)
            stop = end;
        int r = add_line(labels, file, number, text, (size_t)(stop - text), why);
        if (r < 0)
            return r;
        text = stop + 1;
    }
    return 0;
}

int labels_parse(const char *name, const char *data, size_t size, struct labels **ret, struct why *why)
{
    if (size >= 3 && !memcmp(data, "\xef\xbb\xbf", 3)) {
        data += 3;
        size -= 3;
    }
    size = without_tail(data, size);
    if (!size)
        return because(why, -EINVAL, "%s: no class names in it; it needs one a line", name);
    CLEANUP(labels_closep) struct labels *labels = calloc(1, sizeof(*labels));
    if (!labels)
        return because(why, -ENOMEM, "%s: out of memory", name);
    labels->text = malloc(size + 1);
    labels->of_file = calloc(count_lines(data, size), sizeof(*labels->of_file));
    if (!labels->text || !labels->of_file)
        return because(why, -ENOMEM, "%s: out of memory", name);
    memcpy(labels->text, data, size);
    int r = add_lines(labels, name, labels->text, size, why);
    if (r < 0)
        return r;
    labels->classes = labels->of_file;
    *ret = take(labels);
    return 0;
}

static int open_built_in(struct labels **ret, struct why *why)
{
    struct labels *labels = calloc(1, sizeof(*labels));
    if (!labels)
        return because(why, -ENOMEM, "the built-in class names: out of memory");
    *labels = (struct labels){ .classes = imagenet, .count = ARRAY_SIZE(imagenet), .have_wordnet = true };
    *ret = labels;
    return 0;
}

int labels_open(const char *path, struct labels **ret, struct why *why)
{
    if (!path)
        return open_built_in(ret, why);
    CLEANUP(bytes_done) struct bytes content;
    bytes_init(&content, FILE_MAX);
    int r = bytes_append_file(&content, path, why);
    if (r == -EMSGSIZE)
        return because(why, -EINVAL, "%s: too large for a list of class names (%u lines of %u bytes)", path, LABELS_MAX, LABELS_LINE_MAX);
    if (r < 0)
        return r;
    return labels_parse(path, content.data ? content.data : "", content.size, ret, why);
}

uint32_t labels_count(const struct labels *labels)
{
    return labels->count;
}

const char *labels_name(const struct labels *labels, uint32_t i)
{
    return i < labels->count ? labels->classes[i].name : NULL;
}

const char *labels_wordnet(const struct labels *labels, uint32_t i)
{
    return i < labels->count ? labels->classes[i].wordnet : NULL;
}

bool labels_have_digits(const struct labels *labels)
{
    return labels->have_digits;
}

bool labels_have_wordnet(const struct labels *labels)
{
    return labels->have_wordnet;
}
