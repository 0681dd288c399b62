/* glob.c: the files that a pattern matches. The components before the first wildcard are the folder to walk; the others are the pattern. */
#include "coordinator/source/pattern.h"
#include "coordinator/source/walk.h"

#include "common/cleanup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct glob {
    struct walk *walk;
    struct source_context *context;
    uint64_t found, skipped_before;
    struct pattern pattern;
    char *components; /* what it points into */
    char arg[];    /* as given, for messages */
};

static void close_glob(void *state)
{
    struct glob *glob = state;
    walk_close(glob->walk);
    free(glob->components);
    free(glob);
}

DEFINE_FREEP(close_glob, struct glob)

static uint64_t match(const void *arg, const char *name, uint64_t states)
{
    const struct glob *glob = arg;
    return pattern_match(&glob->pattern, name, states);
}

static bool takes(const char *arg)
{
    return arg[pattern_wildcard_at(arg)] != '\0';
}

/* Splits the argument into the folder before the first wildcard and the pattern below it. */
static int split(struct glob *glob, char folder[static PATH_SIZE], struct why *why)
{
    size_t size = path_name(glob->arg, pattern_wildcard_at(glob->arg));
    CLEANUP(freep) char *before = size ? strndup(glob->arg, size) : strdup(".");
    glob->components = strdup(glob->arg + size);
    if (!before || !glob->components)
        return -ENOMEM;
    int r = path_absolute(glob->context->cwd, before, folder, why);
    return r < 0 ? r : pattern_parse(&glob->pattern, glob->components, false, glob->arg, why);
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
        r = walk_open(folder, match, glob, PATTERN_START, context, &glob->walk, why);
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

const struct source_kind source_glob = { takes, open_glob, next, close_glob, NULL, true };
