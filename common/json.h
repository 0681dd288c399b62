/* json.h: jansson (2.14) where there is not memory enough.
 *
 * Its writer may then leave out a key without an error, and is watched:
 *
 *     json_watch();
 *     ... json_pack(), json_write() ...
 *     if (json_refused()) ... whatever came out is not to be trusted: -ENOMEM
 *
 * Its reader may lose a letter of a string, the closing quote too, and then reads and writes beyond its buffer. So texts are read by json_read(), which
 * leaves the reader at the first refusal and frees what that had taken.
 *
 * Threads:   each watches its own calls.
 * Ownership: what is read is the caller's, json_decref(). So is what is written, free(): not so with json_dumps(), since jansson's blocks are not malloc's.
 * Errors:    json_read: NULL; json_refused() says whether it was memory, else `error` what is wrong with the text. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct json_t;
struct json_error_t;

void json_watch(void);
bool json_refused(void); /* since this thread's json_watch() */
void json_refuse(void);  /* so was what should have gone into jansson */

/* Flags as json_loads() has them; `error` may be NULL. They begin with json_watch(). */
struct json_t *json_read(const char *text, size_t size, size_t flags, struct json_error_t *error);
struct json_t *json_read_file(FILE *file, size_t flags, struct json_error_t *error);

char *json_write(const struct json_t *json, size_t flags); /* as json_dumps() */
