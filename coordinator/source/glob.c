/* glob.c: the files that a pattern matches.
 *
 * The components before the first wildcard are the folder to walk; the others are the pattern. A state i of the walk means:
 * components 0..i-1 have matched, i is next. A "**" stays where it is for every folder it passes, and may match nothing, so
 * it is entered and passed at once; all states of a folder travel as one bit set. */
#include "coordinator/source/walk.h"

#include "common/cleanup.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#define MOST_COMPONENTS 60 /* bits of a state set, less WALK_ENTRY */

struct glob {
    struct walk *walk;
    struct source_context *context;
    uint64_t found, skipped_before;
    int count;
    const char *component[MOST_COMPONENTS];
    char *pattern; /* what the components point into, cut at its slashes */
    char arg[];    /* as given, for messages */
};

static void close_glob(void *state)
{
    struct glob *glob = state;
    walk_close(glob->walk);
    free(glob->pattern);
    free(glob);
}

DEFINE_FREEP(close_glob, struct glob)

static bool is_deep(const char *component)
{
    return !strcmp(component, "**");
}

static uint64_t match(const void *arg, const char *name, uint64_t states)
{
    const struct glob *glob = arg;
    uint64_t after = 0;
    for (int i = 0; i < glob->count; i++) {
        if (!(states >> i & 1))
            continue;
        uint64_t passed = i + 1 < glob->count ? 1ull << (i + 1) : WALK_ENTRY;
        if (!is_deep(glob->component[i])) {
            if (!fnmatch(glob->component[i], name, FNM_PERIOD))
                after |= passed;
            continue;
        }
        if (i + 1 < glob->count)
            states |= passed; /* "**" matches nothing: the next component may begin here */
        if (name[0] != '.')
            after |= 1ull << i | (i + 1 < glob->count ? 0 : WALK_ENTRY);
    }
    return after;
}

static size_t wildcard_at(const char *text)
{
    return strcspn(text, "*?[");
}

static bool takes(const char *arg)
{
    return arg[wildcard_at(arg)] != '\0';
}

static int cut_components(struct glob *glob, struct why *why)
{
    for (char *part, *rest = glob->pattern; (part = strsep(&rest, "/"));) {
        if (!*part || !strcmp(part, "."))
            continue;
        if (glob->count == MOST_COMPONENTS)
            return because(why, -EINVAL, "%.500s: more than %d components from the first wildcard on; use **", glob->arg,
                           MOST_COMPONENTS);
        glob->component[glob->count++] = part;
    }
    return 0;
}

/* Splits the argument into the folder before the first wildcard and the pattern below it. */
static int split(struct glob *glob, char folder[static PATH_SIZE], struct why *why)
{
    size_t size = path_name(glob->arg, wildcard_at(glob->arg));
    CLEANUP(freep) char *before = size ? strndup(glob->arg, size) : strdup(".");
    glob->pattern = strdup(glob->arg + size);
    if (!before || !glob->pattern)
        return -ENOMEM;
    int r = path_absolute(glob->context->cwd, before, folder, why);
    return r < 0 ? r : cut_components(glob, why);
}

static int open_glob(const char *arg, struct source_context *context, void **ret, struct why *why)
{
    CLEANUP(close_globp) struct glob *glob = calloc(1, sizeof(*glob) + strlen(arg) + 1);
    if (!glob)
        return -ENOMEM;
    strcpy(glob->arg, arg);
    glob->context = context;
    char folder[PATH_SIZE];
    int r = split(glob, folder, why);
    if (r == 0)
        r = walk_open(folder, match, glob, 1, context, &glob->walk, why);
    if (r < 0)
        return r;
    *ret = take(glob);
    return 0;
}

static int next(void *state, struct rec_item *ret, struct why *why)
{
    struct glob *glob = state;
    if (!glob->found)
        glob->skipped_before = glob->context->skipped;
    int r = walk_next(glob->walk, ret, why);
    glob->found += r > 0;
    if (r || glob->found)
        return r;
    bool skipped = glob->context->skipped > glob->skipped_before;
    return because(why, -ENOENT, "%.500s: no file matches this pattern%s", glob->arg,
                   skipped ? "; folders do, and to have all that is in them, end it with /**" : "; look at its spelling");
}

const struct source_kind source_glob = { takes, open_glob, next, close_glob, true };
