#include "coordinator/truth_table.h"

#include "common/bytes.h"
#include "common/cleanup.h"

#include <csv.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>


/* Where its texts are in the table's: that moves while it grows. */
struct entry {
    size_t name, truth, line;
    uint32_t name_size, truth_size;
    bool used;
};

struct truth_table {
    struct bytes text;
    struct entry *entries;
    size_t count, room;
    size_t first_line; /* which is not empty: it may be headings */
};

DEFINE_FREEP(truth_table_free, struct truth_table)

void truth_table_free(struct truth_table *table)
{
    if (!table)
        return;
    bytes_done(&table->text);
    free(table->entries);
    free(table);
}

/* ---- reading ---- */

struct reading {
    struct truth_table *table;
    const char *path;
    struct why *why;
    struct entry entry; /* the present line's */
    size_t line, columns;
    bool blanks;  /* separate columns, several of them like one */
    int ended_by; /* the line before, if nothing has come since */
    int r;
};

static void refuse(struct reading *reading, int r, const char *what)
{
    if (reading->r == 0)
        reading->r = because(reading->why, r, "%s: line %zu: %s", reading->path, reading->line, what);
}

/* "\r\n" is one, as is either alone. */
static size_t count_line_ends(const char *text, size_t size)
{
    size_t count = 0;
    for (size_t i = 0; i < size; i++)
        count += text[i] == '\n' || (text[i] == '\r' && (i + 1 == size || text[i + 1] != '\n'));
    return count;
}

static void take_field(struct reading *reading, const char *field, size_t size)
{
    size_t at = reading->table->text.size, column = reading->columns++;
    if (column > 1 || reading->r < 0)
        return;
    if (size > LIMIT_URI)
        refuse(reading, -EINVAL, "longer than the name of an image or of a class can be");
    else if (bytes_append(&reading->table->text, field, size) < 0)
        refuse(reading, -ENOMEM, "out of memory");
    else if (column == 0)
        reading->entry = (struct entry){ .name = at, .name_size = (uint32_t)size, .line = reading->line };
    else
        reading->entry.truth = at, reading->entry.truth_size = (uint32_t)size;
}

static void on_field(void *field, size_t size, void *arg)
{
    struct reading *reading = arg;
    reading->ended_by = 0;
    if (size || !reading->blanks)
        take_field(reading, field, size);
    reading->line += count_line_ends(field, size); /* within quotes */
}

static int add(struct truth_table *table, const struct entry *entry)
{
    if (table->count == table->room) {
        size_t room = table->room ? 2 * table->room : 256;
        struct entry *more = realloc(table->entries, room * sizeof(*more));
        if (!more)
            return -ENOMEM;
        table->entries = more;
        table->room = room;
    }
    table->entries[table->count++] = *entry;
    return 0;
}

/* Each line end, those of empty lines too; "\r\n" is two, the second of them that of no line. */
static void on_line(int end, void *arg)
{
    struct reading *reading = arg;
    if (reading->r == 0 && reading->columns == 1)
        refuse(reading, -EINVAL, "one column only; a line has the name of an image and its truth, separated by a comma, a tab, a semicolon or a blank");
    else if (reading->r == 0 && reading->columns && !reading->entry.name_size)
        refuse(reading, -EINVAL, "the name of the image, in the first column, is empty");
    else if (reading->r == 0 && reading->columns && reading->entry.truth_size && add(reading->table, &reading->entry) < 0)
        refuse(reading, -ENOMEM, "out of memory");
    if (reading->columns && !reading->table->first_line)
        reading->table->first_line = reading->entry.line;
    reading->columns = 0;
    reading->line += !(end == '\n' && reading->ended_by == '\r');
    reading->ended_by = end;
}

/* Of the first line that is not empty: a tab if it has one, else the comma or semicolon that comes first, else a blank. Not those in quotes. */
static unsigned char separator(const char *text, size_t size)
{
    const char *end = text + size;
    unsigned char found = ' ';
    bool quoted = false;
    while (text < end && (*text == '\n' || *text == '\r'))
        text++;
    for (; text < end && (quoted || (*text != '\n' && *text != '\r')); text++) {
        if (*text == '"')
            quoted = !quoted;
        else if (!quoted && *text == '\t')
            return '\t';
        else if (!quoted && found == ' ' && (*text == ',' || *text == ';'))
            found = (unsigned char)*text;
    }
    return found;
}

/* Blanks around a field are not part of it, a separator is none of them. */
static int is_blank(unsigned char c)
{
    return c == ' ';
}

static int no_blank(unsigned char c)
{
    (void)c;
    return 0;
}

static int parse(struct reading *reading, const char *text, size_t size)
{
    struct csv_parser parser;
    unsigned char delimiter = separator(text, size);
    reading->blanks = delimiter == ' ';
    if (csv_init(&parser, CSV_REPALL_NL | CSV_STRICT | CSV_STRICT_FINI))
        return because(reading->why, -ENOMEM, "%s: out of memory", reading->path);
    csv_set_delim(&parser, delimiter);
    csv_set_space_func(&parser, reading->blanks ? no_blank : is_blank);
    bool good = csv_parse(&parser, text, size, on_field, on_line, reading) == size && csv_fini(&parser, on_field, on_line, reading) == 0;
    if (!good)
        refuse(reading, csv_error(&parser) == CSV_ENOMEM ? -ENOMEM : -EINVAL,
               csv_error(&parser) == CSV_ENOMEM ? "out of memory" : "a quote that is not closed, or stands inside a field; write \"...\" around the whole field, and \"\" for a quote in it");
    csv_free(&parser);
    return reading->r;
}

/* ---- order ---- */

static int compare_names(const char *a, size_t a_size, const char *b, size_t b_size)
{
    int r = memcmp(a, b, a_size < b_size ? a_size : b_size);
    return r ? r : (a_size > b_size) - (a_size < b_size);
}

static int compare(const void *a, const void *b, void *text)
{
    const struct entry *x = a, *y = b;
    int r = compare_names((char *)text + x->name, x->name_size, (char *)text + y->name, y->name_size);
    return r ? r : (x->line > y->line) - (x->line < y->line);
}

/* Lines that say the same are one. */
static int unite(const char *path, struct truth_table *table, struct why *why)
{
    const char *text = table->text.data;
    size_t kept = 0;
    for (size_t i = 0; i < table->count; i++) {
        const struct entry *entry = &table->entries[i], *last = kept ? &table->entries[kept - 1] : NULL;
        if (last && !compare_names(text + last->name, last->name_size, text + entry->name, entry->name_size)) {
            if (compare_names(text + last->truth, last->truth_size, text + entry->truth, entry->truth_size))
                return because(why, -EINVAL, "%s: lines %zu and %zu say that %.*s shows %.*s and %.*s; leave one of them", path, last->line, entry->line,
                               (int)entry->name_size, text + entry->name, (int)last->truth_size, text + last->truth, (int)entry->truth_size, text + entry->truth);
            continue;
        }
        table->entries[kept++] = *entry;
    }
    table->count = kept;
    return 0;
}

/* UTF-16 has them in every second place. */
static int check_text(const char *path, const char *text, size_t size, struct why *why)
{
    if (!memchr(text, '\0', size))
        return 0;
    return because(why, -EINVAL, "%s: no plain text, it has NUL bytes; save it as CSV in UTF-8 (not as \"Unicode text\", which is UTF-16, nor as a spreadsheet)", path);
}

int truth_table_parse(const char *path, const char *text, size_t size, struct truth_table **ret, struct why *why)
{
    CLEANUP(truth_table_freep) struct truth_table *table = calloc(1, sizeof(*table));
    if (!table)
        return because(why, -ENOMEM, "%s: out of memory", path);
    bytes_init(&table->text, TRUTH_TABLE_MAX);
    if (size >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) {
        text += 3;
        size -= 3;
    }
    struct reading reading = { .table = table, .path = path, .why = why, .line = 1 };
    int r = check_text(path, text, size, why);
    if (r == 0)
        r = parse(&reading, text, size);
    if (r < 0)
        return r;
    if (!table->count)
        return because(why, -EINVAL, "%s: no truth in it; a line has the name of an image and its truth, as in: beagle_17.jpg,beagle", path);
    qsort_r(table->entries, table->count, sizeof(*table->entries), compare, table->text.data);
    r = unite(path, table, why);
    if (r < 0)
        return r;
    *ret = take(table);
    return 0;
}

static int refuse_size(const char *path, struct why *why)
{
    return because(why, -EINVAL, "%s: larger than %zu MiB; is it a file of names and truths?", path, TRUTH_TABLE_MAX >> 20);
}

int truth_table_check_file(const char *path, struct why *why)
{
    struct stat file;
    if (stat(path, &file) < 0)
        return 0; /* who opens it says so */
    if (!S_ISREG(file.st_mode))
        return because(why, -EINVAL, "%s: no ordinary file; it is read more than once, so put what it gives into one", path);
    return (uint64_t)file.st_size > TRUTH_TABLE_MAX ? refuse_size(path, why) : 0;
}

int truth_table_read(const char *path, struct truth_table **ret, struct why *why)
{
    CLEANUP(bytes_done) struct bytes content;
    bytes_init(&content, TRUTH_TABLE_MAX);
    int r = truth_table_check_file(path, why);
    if (r == 0)
        r = bytes_append_file(&content, path, why);
    if (r == -EMSGSIZE)
        r = refuse_size(path, why);
    return r < 0 ? r : truth_table_parse(path, content.data ? content.data : "", content.size, ret, why);
}

/* ---- finding ---- */

static struct entry *find(struct truth_table *table, const char *name, size_t size)
{
    const char *text = table->text.data;
    size_t low = 0, high = table->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        struct entry *entry = &table->entries[middle];
        int r = compare_names(name, size, text + entry->name, entry->name_size);
        if (r == 0)
            return entry;
        if (r < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

/* Without the extension of its last component; 0: it has none. */
static size_t stem_size(const char *name, size_t size)
{
    for (size_t i = size; i-- > 1 && name[i] != '/';)
        if (name[i] == '.')
            return name[i - 1] == '/' ? 0 : i;
    return 0;
}

/* By this end of the URI, whole or without its extension; shorter ones stand in the shadow of the longest, but name an image all the same. */
static void look(struct truth_table *table, const char *name, const char *end, const struct entry **best)
{
    struct entry *entry = name < end ? find(table, name, (size_t)(end - name)) : NULL;
    if (!entry)
        return;
    entry->used = true;
    *best = *best ? *best : entry;
}

struct span truth_table_find(struct truth_table *table, struct span uri)
{
    const char *end = uri.data + uri.size, *name = uri.data;
    const char *stem_end = uri.data + stem_size(uri.data, uri.size);
    const struct entry *best = NULL;
    while (name < end) {
        look(table, name, end, &best);
        look(table, name, stem_end, &best);
        const char *slash = memchr(name, '/', (size_t)(end - name));
        name = slash ? slash + 1 : end;
    }
    return best ? (struct span){ table->text.data + best->truth, best->truth_size } : (struct span){ NULL, 0 };
}

size_t truth_table_count(const struct truth_table *table)
{
    return table->count;
}

size_t truth_table_unused(const struct truth_table *table, size_t *ret_first)
{
    size_t count = 0;
    for (size_t i = 0; i < table->count; i++) {
        const struct entry *entry = &table->entries[i];
        if (entry->used || entry->line == table->first_line)
            continue;
        if (!count++ || entry->line < *ret_first)
            *ret_first = entry->line;
    }
    return count;
}
