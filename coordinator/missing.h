/* missing.h: which nodes a job has to do without, and why, as far as is known: they do not answer, load the model, refuse. In few words, however many they
 * are: the first few, and how many more.
 *
 * Threads: the loop's. Ownership: none. Errors: a text that does not fit is cut. */
#pragma once

#include <stddef.h>

#define MISSING_TEXT 880 /* a sentence of a struct why has room for it */

struct coordinator;

/* "a:5571 does not answer; b:5571 loading; and 3 more"; "": all nodes are ready. Returns how many are not. */
int missing_describe(const struct coordinator *c, char text[MISSING_TEXT]);
