/* must.h: calls that end with a `struct why`, named `why` in the call: some must go well, and some must not.
 *
 * Errors: a test that fails. */
#pragma once

#include "tests/test.h"

#include "common/why.h"

#define MUST(call)                                                         \
    do {                                                                   \
        struct why why_ = { "" }, *const why = &why_;                      \
        int r_ = (call);                                                   \
        if (r_ < 0)                                                        \
            test_fail(__FILE__, __LINE__, "%s: %d: %s", #call, r_, why_.text); \
    } while (0)

/* With this code and this part of its sentence, in which `secret` is not. */
#define REFUSED_WITHOUT(secret, call, code, part)     \
    do {                                              \
        struct why why_ = { "" }, *const why = &why_; \
        CHECK_INT((call), (code));                    \
        CHECK_CONTAINS(why_.text, (part));            \
        CHECK(!strstr(why_.text, (secret)));          \
    } while (0)
