#include "coordinator/nodegroups.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

/* Whether a comma-separated list has the name in it. */
static bool has_word(const char *list, const char *word)
{
    size_t size = strlen(word);
    for (const char *at = list; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
        if (strcspn(at, ",") == size && !strncmp(at, word, size))
            return true;
    return false;
}

bool nodegroups_is_wanted(const struct nodegroups *groups, int group)
{
    const struct texts *wanted = groups->wanted;
    for (int i = 0; group && wanted && i < wanted->count; i++)
        if (has_word(wanted->text[i], groups->names[group]))
            return true;
    return !wanted || !wanted->count;
}

static int find_group(const struct nodegroups *groups, const char *name)
{
    int i = groups->count;
    while (i && strcmp(groups->names[i], name))
        i--;
    return i;
}

int nodegroups_enter(struct nodegroups *groups, const char *name, size_t size, int *ret, struct why *why)
{
    char text[NODEGROUP_MOST + 1];
    if (!size || size > NODEGROUP_MOST)
        return because(why, -EINVAL, "the name of a group has 1 to %d characters", NODEGROUP_MOST);
    for (size_t i = 0; i < size; i++)
        if (!isalnum((unsigned char)name[i]) && (!name[i] || !strchr("-._", name[i])))
            return because(why, -EINVAL, "\"[%.*s]\": the name of a group has letters, digits, '-', '.' and '_'", (int)size, name);
    snprintf(text, sizeof(text), "%.*s", (int)size, name);
    *ret = find_group(groups, text);
    if (*ret)
        return 0;
    if (groups->count == NODEGROUPS_MOST)
        return because(why, -EINVAL, "more than %d groups", NODEGROUPS_MOST);
    *ret = ++groups->count;
    memcpy(groups->names[*ret], text, sizeof(text));
    return 0;
}

static void list_groups(const struct nodegroups *groups, char *text, size_t size)
{
    size_t used = 0;
    snprintf(text, size, "none");
    for (int i = 1; i <= groups->count && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%s", used ? ", " : "", groups->names[i]);
}

static int check_group(const struct nodegroups *groups, const char *name, const char *path, struct why *why)
{
    char known[400];
    list_groups(groups, known, sizeof(known));
    return find_group(groups, name) ? 0 : because(why, -EINVAL, "%s: has no group \"%.63s\"; its groups: %s", path, name, known);
}

int nodegroups_check(const struct nodegroups *groups, const char *path, struct why *why)
{
    for (int i = 0; groups->wanted && i < groups->wanted->count; i++)
        for (const char *at = groups->wanted->text[i]; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
            char name[NODEGROUP_MOST + 2];
            snprintf(name, sizeof(name), "%.*s", (int)strcspn(at, ","), at);
            int r = check_group(groups, name, path, why);
            if (r < 0)
                return r;
        }
    return 0;
}
