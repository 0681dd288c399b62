/* why.h: the sentence that goes with an error code.
 *
 * A function that can fail for reasons a person must understand takes a last argument `struct why *why`
 * and ends with `return because(why, -EINVAL, "FILE: what is wrong; what to do", ...)`.
 *
 * Threads:   a struct why belongs to its caller.
 * Ownership: plain memory, nothing to free. `why` may be NULL: the code alone is returned.
 * Errors:    a sentence that does not fit is cut. */
#pragma once

struct why {
    char text[1024];
};

/* Writes the sentence and returns `r` (negative errno), so that it can end a function. */
int because(struct why *why, int r, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Puts "context: " before the sentence that is there already, and returns `r`. */
int because_in(struct why *why, int r, const char *format, ...) __attribute__((format(printf, 3, 4)));

#ifdef __clang_analyzer__ /* `make lint` cannot see from here that both return their `r`, and that -errno after a failure is not 0 */
#define negative_(r)            __extension__({ int r_ = (r); r_ < 0 ? r_ : -1; })
#define because(why, r, ...)    negative_((because)(why, r, __VA_ARGS__))
#define because_in(why, r, ...) negative_((because_in)(why, r, __VA_ARGS__))
#endif
