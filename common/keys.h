/* keys.h: CURVE keys (RFC 26) as texts and files.
 *
 * A file with a key (key.h) has it as the first word of a line; what follows it is a note, and lines that begin with '#',
 * as no key can, are comments. A list is such a file with a public key a line, or a folder whose NAME.pub files are read.
 *
 * A secret key where a public one is wanted is refused, and the other way round.
 *
 * A secret key must be ours or root's, and nobody else may read it; the group may where it is root's (root:sleddog 0640, and what systemd passes on as a
 * credential). A name without '/' is looked for in $CREDENTIALS_DIRECTORY first.
 *
 * Threads:   no state.
 * Ownership: key_list_free() frees.
 * Errors:    -EINVAL, -EPERM (modes, owner), -EMSGSIZE or the file system's, naming the file; no sentence ever holds what may be a secret. */
#pragma once

#include "common/key.h"

#include <stddef.h>

#define KEYS_MAX     1024 /* of a list */
#define KEY_NOTE_MAX 63   /* bytes of a note that are kept */

struct key_entry {
    char key[KEY_TEXT];
    char note[KEY_NOTE_MAX + 1]; /* whose it is, for logs; "" */
};

struct key_list {
    struct key_entry *entries;
    int count;
};

int key_read_secret(const char *path, char ret[KEY_TEXT], struct why *why);
int key_read_public(const char *path, char ret[KEY_TEXT], struct why *why);

int key_list_read(const char *path, struct key_list *ret, struct why *why);
int key_list_parse(const char *name, const char *text, size_t size, struct key_list *ret, struct why *why);
void key_list_free(struct key_list *list);
const struct key_entry *key_list_find(const struct key_list *list, const char *key); /* NULL: not on it */

bool key_list_remove(struct key_list *list, const char *key); /* whether it was on it */

/* Makes a file that must not be there yet. The text is one line. */
int key_write(const char *path, const char *key, const char *note, bool secret, struct why *why);
