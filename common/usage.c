#include "common/usage.h"

#include "common/log.h"
#include "common/program.h"

#include <errno.h>

int usage_error(const char *command, const struct why *why)
{
    log_error("%s; see %s%s%s --help", why->text, program_called(), *command ? " " : "", command);
    return 2;
}

int usage_status(int r, const char *command, const struct why *why)
{
    if (r == -EINVAL)
        return usage_error(command, why);
    if (r < 0)
        log_error("%s", why->text);
    return r < 0;
}
