/* pattern.h: which names a pattern such as Images/n02*.d/dog?.jpg wants, component by component.
 *
 * * ? [...] stay within one component, a component ** stands for any depth, none included; a leading dot needs a dot. The pattern is a small
 * automaton: state i means that components 0..i-1 have matched and i is next. All states of a folder are one bit set, so that a "**", which is entered
 * and passed at once, costs nothing, and nothing is found twice.
 *
 * Threads:   constant once parsed. Ownership: points into the text that it was parsed from. Errors: -EINVAL with a sentence. */
#pragma once

#include "common/why.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PATTERN_COMPONENTS 60 /* bits of a state set, less PATTERN_ENTRY */
#define PATTERN_ENTRY      (1ull << 63)
#define PATTERN_START      1ull

struct pattern {
    int count;
    const char *component[PATTERN_COMPONENTS];
};

/* Where the first wildcard stands; strlen(text) if there is none. */
size_t pattern_wildcard_at(const char *text);

/* Cuts `text` at its slashes. `exact`: components are kept as they are, empty ones and "." too, as an object store means them. `name` is for the
 * message. */
int pattern_parse(struct pattern *pattern, char *text, bool exact, const char *name, struct why *why);

/* What a name in a folder with these states leads to: PATTERN_ENTRY if a file of this name is wanted, and the states to enter a folder of this name
 * with; 0: neither. */
uint64_t pattern_match(const struct pattern *pattern, const char *name, uint64_t states);

/* Whether a folder with these states is wanted to any depth. */
bool pattern_is_deep(const struct pattern *pattern, uint64_t states);
