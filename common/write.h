/* write.h: the whole of something into a file.
 *
 * Threads: no state. Ownership: none. Errors: those of write(2); how much was written until then is not known. */
#pragma once

#include <stddef.h>

int write_all(int fd, const void *data, size_t size);
