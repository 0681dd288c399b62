/* filesystem.h: what a folder lies on, as far as a database must know.
 *
 * Threads: any. Errors: none; what cannot be found out is taken for a local disk. */
#pragma once

#include <stdbool.h>

/* A network file system: processes on different machines do not see each other's mapped memory, so SQLite's WAL would be torn. */
bool filesystem_is_remote(const char *path);

/* The same for the `f_type` of statfs(2). */
bool filesystem_type_is_remote(unsigned long type);
