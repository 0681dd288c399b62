/* profile.c: lines are cut in place in a copy of each file; what is found are pointers into it, in one array in the order of the files. A later
 * line goes before an earlier one. */
#include "common/s3/profile.h"

#include "common/bytes.h"
#include "common/cleanup.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#define FILE_MAX_BYTES (1 << 20)

enum kind { NOTHING, PROFILE, SERVICES };

/* One line. A section's own line has the key "". */
struct entry {
    bool config;
    enum kind kind;
    const char *section, *parent, *key, *value; /* parent: "s3" of nested keys, else "" */
};

struct profiles {
    char *texts[2];
    int text_count;
    struct entry *entries;
    size_t count, capacity;
    char where[2048];
};

/* Where a reader of lines stands. */
struct reader {
    struct profiles *profiles;
    const char *path;
    int line;
    struct entry now;
};

struct profiles *profiles_new(void)
{
    return calloc(1, sizeof(struct profiles));
}

void profiles_free(struct profiles *profiles)
{
    if (!profiles)
        return;
    for (int i = 0; i < profiles->text_count; i++) {
        explicit_bzero(profiles->texts[i], strlen(profiles->texts[i]));
        free(profiles->texts[i]);
    }
    free(profiles->entries);
    free(profiles);
}

DEFINE_FREEP(profiles_free, struct profiles)

static int add(struct profiles *profiles, const struct entry *entry)
{
    if (profiles->count == profiles->capacity) {
        size_t capacity = 2 * profiles->capacity + 16;
        struct entry *entries = realloc(profiles->entries, capacity * sizeof(*entries));
        if (!entries)
            return -ENOMEM;
        profiles->entries = entries;
        profiles->capacity = capacity;
    }
    profiles->entries[profiles->count++] = *entry;
    return 0;
}

/* ---- lines ------------------------------------------------------------------------------------------------------------- */

static char *trim(char *text)
{
    text += strspn(text, " \t\r");
    size_t size = strlen(text);
    while (size && strchr(" \t\r", text[size - 1]))
        text[--size] = '\0';
    return text;
}

/* Cuts the quotes off "name with blanks". */
static char *unquote(char *text)
{
    size_t size = strlen(text);
    if (size < 2 || (text[0] != '"' && text[0] != '\'') || text[size - 1] != text[0])
        return text;
    text[size - 1] = '\0';
    return text + 1;
}

/* The rest of "word rest", or NULL. */
static char *after_word(char *text, const char *word)
{
    size_t size = strlen(word);
    return !strncmp(text, word, size) && (text[size] == ' ' || text[size] == '\t') ? unquote(trim(text + size)) : NULL;
}

static int read_section(struct reader *reader, char *line, struct why *why)
{
    char *end = strrchr(line, ']');
    if (!end)
        return because(why, -EINVAL, "%s: line %d: a section is written [name]; the ] is missing", reader->path, reader->line);
    *end = '\0';
    char *name = trim(line + 1), *profile = after_word(name, "profile"), *services = after_word(name, "services");
    bool config = reader->now.config;
    reader->now = (struct entry){ .config = config, .kind = NOTHING, .section = name, .parent = "", .key = "", .value = "" };
    if (config && services) {
        reader->now.kind = SERVICES;
        reader->now.section = services;
    } else if (config && profile) {
        reader->now.kind = PROFILE;
        reader->now.section = profile;
    } else if (!config || !strcmp(name, "default")) {
        reader->now.kind = PROFILE;
    }
    return add(reader->profiles, &reader->now);
}

static int read_setting(struct reader *reader, char *line, bool indented, struct why *why)
{
    char *equals = strchr(line, '=');
    if (!equals && indented)
        return 0; /* goes on with a value that nobody here reads */
    if (!equals)
        return because(why, -EINVAL, "%s: line %d: neither [section] nor name = value", reader->path, reader->line);
    if (!reader->now.section)
        return because(why, -EINVAL, "%s: line %d: a setting before the first [section]", reader->path, reader->line);
    *equals = '\0';
    char *key = trim(line);
    for (char *c = key; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    struct entry entry = reader->now;
    entry.key = key;
    entry.value = trim(equals + 1);
    if (!*key)
        return because(why, -EINVAL, "%s: line %d: the name before = is missing", reader->path, reader->line);
    if (!indented)
        reader->now.parent = *entry.value ? "" : key;
    entry.parent = indented ? reader->now.parent : "";
    return indented && !*entry.parent ? 0 : add(reader->profiles, &entry);
}

static int read_line(struct reader *reader, char *line, struct why *why)
{
    bool indented = *line == ' ' || *line == '\t';
    char *text = trim(line);
    if (!*text || *text == '#' || *text == ';')
        return 0;
    return *text == '[' && !indented ? read_section(reader, text, why) : read_setting(reader, text, indented, why);
}

int profiles_add(struct profiles *profiles, const char *path, bool config, const char *text, size_t size, struct why *why)
{
    if (profiles->text_count == 2)
        return because(why, -EINVAL, "%s: a third file", path);
    if (memchr(text, '\0', size))
        return because(why, -EINVAL, "%s: not a text file", path);
    char *copy = strndup(text, size), *rest = copy;
    if (!copy)
        return because(why, -ENOMEM, "out of memory");
    profiles->texts[profiles->text_count++] = copy;
    struct reader reader = { .profiles = profiles, .path = path, .now = { .config = config } };
    if (!strncmp(rest, "\xef\xbb\xbf", 3))
        rest += 3;
    for (char *line; (line = strsep(&rest, "\n"));) {
        reader.line++;
        int r = read_line(&reader, line, why);
        if (r < 0)
            return r == -ENOMEM ? because(why, r, "out of memory") : r;
    }
    return 0;
}

/* ---- the two files ------------------------------------------------------------------------------------------------------- */

/* `name`: of the variable; else ~/.aws/`file`. "" when there is neither. */
static void locate(const char *name, const char *file, char *path, size_t size)
{
    const char *given = getenv(name), *home = getenv("HOME");
    bool in_home = given && given[0] == '~' && given[1] == '/';
    if (given && *given)
        snprintf(path, size, "%s%s", in_home && home ? home : "", in_home && home ? given + 1 : given);
    else if (home && *home)
        snprintf(path, size, "%s/.aws/%s", home, file);
    else
        *path = '\0';
}

static int read_file(struct profiles *profiles, const char *path, bool config, struct why *why)
{
    CLEANUP(bytes_done) struct bytes text;
    bytes_init(&text, FILE_MAX_BYTES);
    int r = *path && access(path, F_OK) == 0 ? bytes_append_file(&text, path, why) : 0;
    if (r == -EMSGSIZE)
        return because(why, r, "%s: larger than 1 MiB; is it the right file?", path);
    if (r == 0 && text.size)
        r = profiles_add(profiles, path, config, text.data, text.size, why);
    if (text.data)
        explicit_bzero(text.data, text.size);
    return r;
}

int profiles_read(struct profiles **ret, struct why *why)
{
    char credentials[1000], config[1000];
    locate("AWS_SHARED_CREDENTIALS_FILE", "credentials", credentials, sizeof(credentials));
    locate("AWS_CONFIG_FILE", "config", config, sizeof(config));
    CLEANUP(profiles_freep) struct profiles *profiles = profiles_new();
    if (!profiles)
        return because(why, -ENOMEM, "out of memory");
    snprintf(profiles->where, sizeof(profiles->where), "%s and %s", *credentials ? credentials : "~/.aws/credentials",
             *config ? config : "~/.aws/config");
    int r = read_file(profiles, credentials, false, why);
    if (r == 0)
        r = read_file(profiles, config, true, why);
    if (r < 0)
        return r;
    *ret = take(profiles);
    return 0;
}

const char *profiles_where(const struct profiles *profiles)
{
    return profiles->where;
}

/* ---- looking things up --------------------------------------------------------------------------------------------------- */

static const char *find(const struct profiles *profiles, bool config, enum kind kind, const char *section, const char *parent, const char *key)
{
    for (size_t i = profiles->count; i-- > 0;) {
        const struct entry *entry = &profiles->entries[i];
        if (entry->config == config && entry->kind == kind && !strcmp(entry->section, section) && !strcmp(entry->parent, parent) &&
            !strcmp(entry->key, key))
            return entry->value;
    }
    return NULL;
}

bool profiles_has(const struct profiles *profiles, const char *profile)
{
    return find(profiles, false, PROFILE, profile, "", "") || find(profiles, true, PROFILE, profile, "", "");
}

const char *profiles_get_in(const struct profiles *profiles, bool config, const char *profile, const char *name)
{
    char parent[64] = "";
    const char *dot = strchr(name, '.');
    if (dot)
        snprintf(parent, sizeof(parent), "%.*s", (int)(dot - name), name);
    const char *value = find(profiles, config, PROFILE, profile, parent, dot ? dot + 1 : name);
    return value && *value ? value : NULL;
}

const char *profiles_get(const struct profiles *profiles, const char *profile, const char *name)
{
    const char *value = profiles_get_in(profiles, false, profile, name);
    return value ? value : profiles_get_in(profiles, true, profile, name);
}

const char *profiles_get_service(const struct profiles *profiles, const char *profile, const char *service, const char *name)
{
    const char *section = profiles_get_in(profiles, true, profile, "services");
    const char *value = section ? find(profiles, true, SERVICES, section, service, name) : NULL;
    return value && *value ? value : NULL;
}
