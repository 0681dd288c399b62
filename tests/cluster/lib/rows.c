#include "tests/cluster/lib/rows.h"

#include "common/cleanup.h"
#include "tests/test.h"

struct uris {
    char *text; /* the file, its lines ended where their URIs end */
    char **at;
    size_t count;
};

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void read_uris(const char *path, struct uris *uris)
{
    static const char begin[] = "{\"uri\":\"", end[] = "\",\"name\"";
    size_t room = 0;
    *uris = (struct uris){ .text = test_read_file(path, NULL) };
    for (char *line = uris->text, *next; line && *line; line = next) {
        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        char *stop = strstr(line, end);
        if (strncmp(line, begin, strlen(begin)) || !stop)
            test_fail(__FILE__, __LINE__, "%s: not a row: %s", path, line);
        *stop = '\0';
        if (uris->count == room) {
            room = room ? 2 * room : 1024;
            uris->at = reallocarray(uris->at, room, sizeof(uris->at[0]));
            CHECK(uris->at);
        }
        uris->at[uris->count++] = line;
    }
    if (uris->count)
        qsort(uris->at, uris->count, sizeof(uris->at[0]), compare);
}

static void done(struct uris *uris)
{
    free(uris->at);
    free(uris->text);
}

struct rows_difference rows_compare(const char *expected, const char *actual)
{
    struct uris wanted, found;
    struct rows_difference difference = { 0 };
    read_uris(expected, &wanted);
    read_uris(actual, &found);
    size_t j = 0;
    for (size_t i = 0; i < wanted.count; i++) {
        while (j < found.count && strcmp(found.at[j], wanted.at[i]) < 0)
            j++;
        if (j < found.count && !strcmp(found.at[j], wanted.at[i]))
            j++;
        else
            difference.lost++;
    }
    difference.expected = (long)wanted.count;
    difference.doubled = (long)found.count - (difference.expected - difference.lost);
    done(&wanted);
    done(&found);
    return difference;
}
