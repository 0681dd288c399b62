/* labels.h: the names of a network's classes, built in (ImageNet-1k) or from a file.
 *
 * A file has one class a line, in class order, optionally beginning with its WordNet id: "n01440764 tench, Tinca tinca".
 * A UTF-8 byte order mark, CRLF, blanks around a name and empty lines at the end are tolerated.
 *
 * Threads:   constant once open; any may ask.
 * Ownership: labels_close() frees; names live as long as their labels.
 * Errors:    -EINVAL with the number of the line, -ENOMEM, or what the file system says. */
#pragma once

#include "common/cleanup.h"
#include "common/why.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LABELS_MAX      65536u /* classes */
#define LABELS_LINE_MAX 1024u  /* bytes of a line without its end */

struct labels;

/* `path` NULL: the built-in names. */
int labels_open(const char *path, struct labels **ret, struct why *why);
void labels_close(struct labels *labels);
DEFINE_FREEP(labels_close, struct labels)

/* The same from memory; `name` is for messages. */
int labels_parse(const char *name, const char *data, size_t size, struct labels **ret, struct why *why);

uint32_t labels_count(const struct labels *labels);
const char *labels_name(const struct labels *labels, uint32_t i);    /* NULL beyond the last class */
const char *labels_wordnet(const struct labels *labels, uint32_t i); /* NULL: has none */
bool labels_have_wordnet(const struct labels *labels);               /* any class has one */
bool labels_have_digits(const struct labels *labels);                /* any name has a digit in it; ImageNet's have none */

/* 'n' and eight digits. */
bool labels_is_wordnet(const char *text, size_t size);
