/* json.h: notices when jansson was refused memory, which jansson (2.14) itself does not always.
 *
 * Its writer may then leave out a key and its reader a letter, both without an error; in other places the reader calls it a syntax error.
 *
 *     json_watch();
 *     json_t *json = json_loads(...);
 *     if (json_refused()) ... whatever came out is not to be trusted: -ENOMEM
 *
 * Threads:   each watches its own calls.
 * Ownership: none taken. Errors: none. */
#pragma once

#include <stdbool.h>

void json_watch(void);
bool json_refused(void); /* since this thread's json_watch() */
void json_refuse(void);  /* so was what should have gone into jansson */
