#include "tests/cluster/lib/table.h"

#include "common/cleanup.h"
#include "tests/test.h"

void table_read(struct table *table, const char *path)
{
    CLEANUP(freep) char *text = test_read_file(path, NULL);
    *table = (struct table){ NULL, 0 };
    for (char *line = text, *end; *line; line = end + 1) {
        json_error_t error;
        end = strchr(line, '\n');
        CHECK(end);
        *end = '\0';
        table->rows = realloc(table->rows, (table->count + 1) * sizeof(*table->rows));
        CHECK(table->rows);
        json_t *row = json_loads(line, JSON_ALLOW_NUL, &error);
        if (!json_is_object(row))
            test_fail(__FILE__, __LINE__, "%s, line %zu: %s: %s", path, table->count + 1, error.text, line);
        table->rows[table->count++] = row;
    }
}

void table_done(struct table *table)
{
    for (size_t i = 0; i < table->count; i++)
        json_decref(table->rows[i]);
    free(table->rows);
    *table = (struct table){ NULL, 0 };
}

const char *row_uri(const json_t *row)
{
    return json_string_value(json_object_get(row, "uri"));
}

static const char *error_text(const json_t *row, const char *key)
{
    const json_t *error = json_object_get(row, "error");
    return json_is_object(error) ? json_string_value(json_object_get(error, key)) : "";
}

const char *row_error_kind(const json_t *row)
{
    return error_text(row, "kind");
}

const char *row_error_detail(const json_t *row)
{
    return error_text(row, "detail");
}

static bool ends_in(const char *text, const char *ending)
{
    size_t size = strlen(text), end = strlen(ending);
    return size >= end && !strcmp(text + size - end, ending);
}

const json_t *table_find(const struct table *table, const char *ending)
{
    const json_t *found = NULL;
    for (size_t i = 0; i < table->count; i++)
        if (ends_in(row_uri(table->rows[i]), ending)) {
            if (found)
                test_fail(__FILE__, __LINE__, "two rows end in \"%s\"", ending);
            found = table->rows[i];
        }
    if (!found)
        test_fail(__FILE__, __LINE__, "no row ends in \"%s\"", ending);
    return found;
}

size_t table_count(const struct table *table, const char *kind)
{
    size_t count = 0;
    for (size_t i = 0; i < table->count; i++)
        count += !strcmp(row_error_kind(table->rows[i]), kind);
    return count;
}
