/* machine.h: what this machine and this process are.
 *
 * Threads: any. Errors: none; 0 or "?" for what cannot be told. */
#pragma once

#include <stddef.h>
#include <stdint.h>

const char *machine_host(void);
const char *machine_owner(void);     /* "user@host" */
uint64_t machine_memory(void);       /* bytes of RAM, or what its control groups allow */
uint64_t machine_resident(void);     /* bytes this process holds */

/* Raises the soft limit on open files as far as it goes, and no further than is enough for anything. */
void machine_raise_files(void);

/* Path of a file beside the running program. */
int machine_beside(const char *name, char *path, size_t size);
