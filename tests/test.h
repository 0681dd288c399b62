/* test.h: one file a subject, one TEST a sentence.
 *
 *     TEST(a_closed_queue_wakes_a_waiting_pop) { CHECK_INT(queue_pop(q, &item), -EPIPE); }
 *
 * TEST registers the function; the program's main() lives in test.c. Each test runs in a process of its own, in an empty
 * folder of its own (below $TMPDIR, or /tmp) that is its working directory, with a time limit; what it prints is shown only if it fails. Processes that
 * a test leaves behind in its process group are ended with it. */
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct test {
    const char *name;
    void (*run)(void);
    int seconds; /* time limit */
    struct test *next;
};

void test_register(struct test *test);

#define TEST_WITHIN(seconds_, name_)                                                   \
    static void test_##name_(void);                                                    \
    static struct test test_entry_##name_ = { #name_, test_##name_, seconds_, NULL };   \
    __attribute__((constructor)) static void test_register_##name_(void)               \
    {                                                                                  \
        test_register(&test_entry_##name_);                                            \
    }                                                                                  \
    static void test_##name_(void)

/* Time enough for a machine that does much else: what takes longer hangs. */
#define TEST(name) TEST_WITHIN(180, name)

__attribute__((noreturn, format(printf, 3, 4))) void test_fail(const char *file, int line, const char *format, ...);
__attribute__((noreturn, format(printf, 1, 2))) void test_skip(const char *format, ...);

/* A line that is shown below the test's name although it passes. */
__attribute__((format(printf, 1, 2))) void test_note(const char *format, ...);

#define CHECK(condition)                                            \
    do {                                                            \
        if (!(condition))                                           \
            test_fail(__FILE__, __LINE__, "not true: %s", #condition); \
    } while (0)

#define CHECK_INT(actual, expected)                                                                       \
    do {                                                                                                  \
        long long actual_ = (long long)(actual), expected_ = (long long)(expected);                       \
        if (actual_ != expected_)                                                                         \
            test_fail(__FILE__, __LINE__, "%s is %lld, expected %lld", #actual, actual_, expected_);      \
    } while (0)

#define CHECK_STR(actual, expected)                                                                       \
    do {                                                                                                  \
        const char *actual_ = (actual), *expected_ = (expected);                                          \
        if (!actual_ || strcmp(actual_, expected_))                                                       \
            test_fail(__FILE__, __LINE__, "%s is \"%s\", expected \"%s\"", #actual, actual_, expected_);  \
    } while (0)

#define CHECK_CONTAINS(text, part)                                                                        \
    do {                                                                                                  \
        const char *text_ = (text), *part_ = (part);                                                      \
        if (!text_ || !strstr(text_, part_))                                                              \
            test_fail(__FILE__, __LINE__, "%s is \"%s\", lacks \"%s\"", #text, text_, part_);             \
    } while (0)

/* Whether a sanitizer is in the program, which needs all the address space. */
#ifndef __has_feature
#define __has_feature(feature) 0
#endif
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || defined(__SANITIZE_ADDRESS__) || \
    defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

/* The shared test data (real weights, photos, PyTorch's answers): SLEDDOG_TEST_DATA, else ../shared/data beside the
 * checkout. Skips the test, saying so, when it is not there. */
const char *test_data(void);

/* The folder with the programs under test. */
const char *test_build(void);

/* The top of the source tree. */
const char *test_source(void);

/* Whole file as a string, to be freed; fails the test if it cannot be read. */
char *test_read_file(const char *path, size_t *ret_size);
void test_write_file(const char *path, const void *data, size_t size);

/* Runs a shell command line; returns its exit status and, if asked, what it printed on stdout and stderr together (to be freed). */
int test_shell(char **ret_output, const char *format, ...) __attribute__((format(printf, 2, 3)));
