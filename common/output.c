#include "common/output.h"

#include "common/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int output_end(int status)
{
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    log_error("standard output: %s", errno ? strerror(errno) : "not all of it could be written");
    return status ? status : 1;
}
