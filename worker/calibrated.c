#include "worker/calibrated.h"

#include "common/log.h"
#include "worker/engines.h"
#include "worker/same_file.h"

#include <errno.h>
#include <string.h>

/* A GPU's own choice is no int8, so it does not ask for them. */
static bool are_wanted(const struct tuning *tuning, enum precision precision)
{
    const struct engine_ops *ops;
    if (precision == PRECISION_INT8)
        return true;
    return precision == PRECISION_AUTO && engines_find(tuning->engine, &ops, NULL) == 0 && !strcmp(ops->name, "onednn");
}

static int choose_path(struct calibrated *it, const struct tuning *tuning, const struct model *model, struct why *why)
{
    const char *path = tuning->ranges ? tuning->ranges : model->ranges;
    if (!*path)
        return ranges_path(model->weights, it->path, sizeof(it->path), why);
    if (strlen(path) >= sizeof(it->path))
        return because(why, -ENAMETOOLONG, "%.100s...: the name is too long", path);
    strcpy(it->path, path);
    return 0;
}

int calibrated_find(struct calibrated *it, const struct tuning *tuning, const struct model *model, struct engine_spec *spec, struct why *why)
{
    struct why trouble = { "" };
    *it = (struct calibrated){ .path = "" };
    if (!are_wanted(tuning, spec->precision))
        return 0;
    int r = choose_path(it, tuning, model, why);
    if (r < 0)
        return r;
    if (stat(it->path, &it->state) < 0)
        it->state.st_ino = 0;
    r = ranges_open(it->path, spec->weights, spec->network, spec->mean, spec->std, &it->ranges, &trouble);
    if (r == 0) {
        spec->ranges = &it->ranges;
        return 0;
    }
    if (r != -ENOENT || spec->precision == PRECISION_INT8 || (tuning->ranges && !it->state.st_ino))
        return because(why, r == -ENOENT ? -EINVAL : r, "%s%s", trouble.text, r == -ENOENT && !it->state.st_ino ? "; int8 needs them, sleddog-worker calibrate makes them" : "");
    if (it->state.st_ino)
        log_warning("%s; computing in f32", trouble.text);
    return 0;
}

bool calibrated_is_current(const struct calibrated *it)
{
    struct stat now;
    if (!*it->path)
        return true;
    return stat(it->path, &now) < 0 ? !it->state.st_ino : same_file(&it->state, &now);
}
