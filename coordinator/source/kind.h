/* kind.h: what a kind of source is to source.c; one file a kind, all of them in its table.
 *
 * Threads:   as in source.h.
 * Ownership: `state` belongs to source.c from a successful open to close; the context outlives it.
 * Errors:    as in source.h. */
#pragma once

#include "coordinator/source/path.h"
#include "coordinator/source/source.h"

struct source_context {
    char cwd[PATH_SIZE]; /* empty: there is none any more */
    bool null_separated;
    struct s3_session *s3; /* NULL: none */
    bool stdin_taken; /* by an earlier "@-" */
    int interrupt_fd; /* readable once source_interrupt() was called */
    const struct filter *filter;
    uint64_t unwanted; /* by that filter: entries, and folders as a whole */
    bool told_job;     /* that files of a job are left out */
    uint64_t skipped;
    char first_skipped[PATH_SIZE];
};

struct source_kind {
    bool (*takes)(const char *arg); /* the first that does gets it */
    int (*open)(const char *arg, struct source_context *context, void **ret, struct why *why);
    int (*next)(void *state, struct rec_item *ret, struct why *why); /* 1, 0 at the end, negative errno */
    void (*close)(void *state);
    int (*go_on)(void *state, const char *uri, struct why *why); /* before the first next(): begin behind this item. 1; NULL: it cannot */
    bool in_order; /* rising bytewise by URI, each once: a list that was broken off goes on behind its last URI, whatever came or went since */
};

extern const struct source_kind source_s3, source_sim, source_list, source_folder, source_file, source_glob, source_url;

void source_skip(struct source_context *context, const char *path);

/* A file of a job, in or below this folder: see jobfiles.h. */
void source_leave_out(struct source_context *context, const char *folder);

/* 1 and an item for the address of an image (http://, https://, s3://), which must live as long; 0 for what has no scheme; negative errno for an
 * address that cannot be used. The sentence shows no query string. */
int source_remote(const char *text, struct rec_item *ret, struct why *why);

/* An item for a local path; `path` must live as long as the item. */
struct rec_item source_item(const char *path, size_t size, size_t base);
