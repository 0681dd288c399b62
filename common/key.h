/* key.h: one CURVE key as a text: 40 characters of Z85 (RFC 32). Is it one, and is it secret or public?
 *
 * The note of a secret key that keygen made says so. Other keys are told apart by their bits: a public key is a point of Curve25519 of the order that the base
 * point has, and of 32 secret keys, which are any bits, one looks like that. So what is no public key is known for certain, and what is no secret one is not:
 * of a key that looks public and is meant to be secret, its note must say that it is.
 *
 * Threads:   no state.
 * Ownership: who has a secret wipes it: key_wipe().
 * Errors:    -EINVAL with a sentence that tells what to give instead, and never the key. */
#pragma once

#include "common/why.h"

#include <stdbool.h>
#include <stddef.h>

#define KEY_TEXT 41 /* bytes of a key, with its NUL */

enum key_kind {
    KEY_PUBLIC,
    KEY_SECRET,
};

/* 40 characters of Z85 that stand for 32 bytes. */
bool key_is_valid(const char *text);

/* Whether such a text can be a public key. Multiplies by a number that leaves the points of the base point's group where they are, and moves all others (RFC 7748,
 * section 5). */
bool key_is_public(const char *text);

/* Whether a key of the file `path`, with this note, can be of that kind. */
int key_check_kind(const char *path, const char *key, const char *note, enum key_kind wanted, struct why *why);

/* Whether the first word of a line is one. */
bool key_is_first(const char *line, size_t size);

#define KEY_MOST 30 /* characters that are as good as a whole one: with a slip, or something missing */

/* Whether a text has a word that may be most of a key. Such words are not repeated. */
bool key_may_be_in(const char *text);

/* Whether a text that was given for a file's path is a key, perhaps with its note. Such texts are not repeated. */
bool key_is_no_path(const char *given);

void key_wipe(char key[KEY_TEXT]);
