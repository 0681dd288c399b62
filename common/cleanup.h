/* cleanup.h: resources that release themselves when they leave scope.
 *
 * CLEANUP(fn) struct thing *t = NULL;   calls fn(&t) at the end of the scope
 * return take(t);                       hands t over and leaves NULL behind
 *
 * Every destructor used here accepts a pointer to NULL. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CLEANUP(fn) __attribute__((cleanup(fn)))

#define take(pointer)                        \
    __extension__({                          \
        __typeof__(pointer) taken_ = (pointer); \
        (pointer) = NULL;                    \
        taken_;                              \
    })

/* DEFINE_FREEP(job_free, struct job) makes job_freep() for CLEANUP(). */
#define DEFINE_FREEP(fn, type)                                        \
    static inline __attribute__((unused)) void fn##p(type **pointer)  \
    {                                                                 \
        if (*pointer)                                                 \
            fn(*pointer);                                             \
        *pointer = NULL;                                              \
    }

static inline __attribute__((unused)) void freep(void *pointer)
{
    void **p = pointer;
    free(*p);
    *p = NULL;
}

static inline __attribute__((unused)) void closep(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static inline __attribute__((unused)) void fclosep(FILE **file)
{
    if (*file)
        fclose(*file);
    *file = NULL;
}

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
