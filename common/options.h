/* options.h: a program's options as one table: read from the command line, from a configuration file, and printed by --help.
 *
 * Each row says where in the caller's struct the value goes: FLAG a bool, INT and SIZE an int64_t, TEXT and CHOICE a
 * const char *, TEXTS a struct texts. Fields that no option sets keep what the caller put there: its defaults. In a configuration file a line is "name = value",
 * name as on the command line without the dashes; flags take yes or no; '#' begins a comment line. "config", the option
 * that names such a file, is none that a file may have.
 *
 * Threads:   any, on separate targets.
 * Ownership: texts point into argv, or into the configuration's memory (config_free()).
 * Errors:    -EINVAL with a sentence naming the option, or the file and line. */
#pragma once

#include "common/why.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum option_type {
    OPTION_FLAG,
    OPTION_INT,    /* min..max */
    OPTION_SIZE,   /* bytes, with an optional K, M, G or T (powers of 1024); min..max */
    OPTION_TEXT,
    OPTION_CHOICE, /* one of the words in `choices`, separated by '|' */
    OPTION_TEXTS,  /* may be given several times */
};

/* Where an OPTION_TEXTS goes. */
#define TEXTS_MAX 64
struct texts {
    const char *text[TEXTS_MAX];
    int count;
};

struct option_row {
    char letter;         /* 0: none */
    const char *name;    /* NULL ends the table */
    enum option_type type;
    size_t offset;       /* in the target struct */
    const char *value;   /* what the value is called in --help: "N", "FILE" */
    const char *help;    /* one sentence; begins in lower case */
    int64_t min, max;
    const char *choices;
};

/* Parses argv[1..] into `target`; an empty text is refused. `ret_first` is the index of the first operand; operands are moved behind the options. */
int options_parse(const struct option_row *table, void *target, int argc, char **argv, int *ret_first, struct why *why);

/* Whether these words, which options_parse() has taken, give the option of this name, be it its default. */
bool options_given(const struct option_row *table, int argc, char **argv, const char *name);

/* Sets one option by name, as a configuration file does. */
int options_set(const struct option_row *table, void *target, const char *name, const char *value, struct why *why);

/* Whether two targets have different values for this row. */
bool options_differ(const struct option_row *row, const void *a, const void *b);

/* "  -b, --batch N        images a batch ..." lines */
void options_print(const struct option_row *table, FILE *out);

/* A configuration file that has been read; keeps the texts its options point to. After an error the target's texts may point
 * nowhere. */
struct config;
int config_read(const char *path, const struct option_row *table, void *target, struct config **ret, struct why *why);
void config_free(struct config *config); /* accepts NULL */
