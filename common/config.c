/* config.c: "name = value" files for the option table. Limits: 1 MiB a file. */
#include "common/options.h"

#include "common/bytes.h"
#include "common/cleanup.h"
#include "common/key.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#define MAX_CONFIG (1u << 20)

struct config {
    char *text; /* cut into lines and words in place */
};

void config_free(struct config *config)
{
    if (!config)
        return;
    free(config->text);
    free(config);
}

DEFINE_FREEP(config_free, struct config)

static int read_text(const char *path, char **ret, struct why *why)
{
    struct bytes text;
    bytes_init(&text, MAX_CONFIG);
    int r = bytes_append_file(&text, path, why);
    if (r == -EMSGSIZE)
        return because(why, r, "%s: larger than %u bytes; is this a configuration file?", path, MAX_CONFIG);
    if (r < 0) {
        bytes_done(&text);
        return r;
    }
    if (text.data && memchr(text.data, '\0', text.size)) {
        bytes_done(&text);
        return because(why, -EINVAL, "%s: holds a NUL byte; is this a configuration file?", path);
    }
    *ret = bytes_take(&text);
    return *ret ? 0 : because(why, -ENOMEM, "%s: out of memory", path);
}

static char *trim(char *text)
{
    while (isspace((unsigned char)*text))
        text++;
    char *end = text + strlen(text);
    while (end > text && isspace((unsigned char)end[-1]))
        *--end = '\0';
    return text;
}

static int apply_line(char *line, const struct option_row *table, void *target, struct why *why)
{
    line = trim(line);
    if (!*line || *line == '#')
        return 0;
    const bool key = key_is_first(line, strlen(line)); /* by chance also a line with a name, a '=' and a value */
    char *equals = strchr(line, '=');
    if (!equals && !key)
        return because(why, -EINVAL, "\"%s\" is not of the form name = value", key_may_be_in(line) ? "..." : line);
    const char *name = "";
    if (equals) {
        *equals = '\0';
        name = trim(line);
    }
    if (!strcmp(name, "config"))
        return because(why, -EINVAL, "config: configuration files do not nest; put the lines of %s here", trim(equals + 1));
    int r = equals ? options_set(table, target, name, trim(equals + 1), why) : -EINVAL;
    if (r < 0 && key)
        because(why, r, "a key; is this a configuration file? It has lines of the form name = value");
    return r;
}

int config_read(const char *path, const struct option_row *table, void *target, struct config **ret, struct why *why)
{
    CLEANUP(config_freep) struct config *config = calloc(1, sizeof(*config));
    if (!config)
        return because(why, -ENOMEM, "%s: out of memory", path);
    int r = read_text(path, &config->text, why);
    if (r < 0)
        return r;
    int number = 0;
    for (char *line = config->text, *next; line; line = next) {
        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        number++;
        r = apply_line(line, table, target, why);
        if (r < 0)
            return because_in(why, r, "%s, line %d", path, number);
    }
    *ret = take(config);
    return 0;
}
