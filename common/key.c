#include "common/key.h"

#include "common/cleanup.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <openssl/evp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include <zmq.h>

#define KEY_BYTES 32

/* ---- texts ---- */

bool key_is_valid(const char *text)
{
    static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";
    uint64_t group = 0;
    for (int i = 0; i < KEY_TEXT - 1; i++) {
        const char *digit = text[i] ? strchr(digits, text[i]) : NULL;
        if (!digit)
            return false;
        group = group * 85 + (uint64_t)(digit - digits);
        if (i % 5 == 4 && group > UINT32_MAX)
            return false;
        group = i % 5 == 4 ? 0 : group;
    }
    return !text[KEY_TEXT - 1];
}

void key_wipe(char key[KEY_TEXT])
{
    explicit_bzero(key, KEY_TEXT);
}

bool key_is_first(const char *line, size_t size)
{
    char word[KEY_TEXT];
    size_t length = 0;
    while (length < size && line[length] && !isspace((unsigned char)line[length]))
        length++;
    if (length != KEY_TEXT - 1)
        return false;
    memcpy(word, line, length);
    word[length] = '\0';
    bool valid = key_is_valid(word);
    key_wipe(word);
    return valid;
}

bool key_may_be_in(const char *text)
{
    size_t length = 0;
    for (; *text && length < KEY_MOST; text++)
        length = isspace((unsigned char)*text) ? 0 : length + 1;
    return length >= KEY_MOST;
}

static bool ends_as_file(const char *name)
{
    size_t size = strlen(name);
    return size > 4 && (!strcmp(name + size - 4, ".pub") || !strcmp(name + size - 4, ".key"));
}

bool key_is_no_path(const char *given)
{
    return key_is_first(given, strlen(given)) && !ends_as_file(given) && access(given, F_OK) < 0;
}

/* ---- kinds ---- */

DEFINE_FREEP(EVP_PKEY_free, EVP_PKEY)
DEFINE_FREEP(EVP_PKEY_CTX_free, EVP_PKEY_CTX)

/* 5 L - 1, L being the order of the base point: a multiple of 8 with its highest bit set, as X25519 wants its numbers, and -1 for points of that order. A point and
 * its negative have the same x, which is all there is of a key. */
static const uint8_t same[KEY_BYTES] = { 0xa0, 0x23, 0xcd, 0xd0, 0x83, 0xef, 0x5b, 0xb8, 0x2f, 0x10, 0xd6, 0x2e, 0x59, 0xe1, 0x5a, 0x68,
                                         0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0x50 };

/* False: it is no point of that group. An OpenSSL without X25519 cannot tell, and so lets it pass. */
static bool stays(const uint8_t point[KEY_BYTES])
{
    uint8_t moved[KEY_BYTES];
    size_t size = sizeof(moved);
    CLEANUP(EVP_PKEY_freep) EVP_PKEY *number = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, same, KEY_BYTES);
    CLEANUP(EVP_PKEY_freep) EVP_PKEY *peer = EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, point, KEY_BYTES);
    CLEANUP(EVP_PKEY_CTX_freep) EVP_PKEY_CTX *context = number ? EVP_PKEY_CTX_new(number, NULL) : NULL;
    if (!context || !peer || EVP_PKEY_derive_init(context) <= 0 || EVP_PKEY_derive_set_peer(context, peer) <= 0)
        return true;
    bool same_point = EVP_PKEY_derive(context, moved, &size) > 0 && !memcmp(moved, point, KEY_BYTES);
    explicit_bzero(moved, sizeof(moved));
    return same_point;
}

bool key_is_public(const char *key)
{
    uint8_t bytes[KEY_BYTES];
    bool public = key_is_valid(key) && zmq_z85_decode(bytes, key) && stays(bytes);
    explicit_bzero(bytes, sizeof(bytes));
    return public;
}

static bool says_secret(const char *note)
{
    return !strncasecmp(note, "secret key", 10);
}

/* NAME.key and NAME.pub: the other of a pair. False: the name does not say which that is. */
static bool other_of_pair(const char *path, const char *ending, const char *other, char ret[PATH_MAX])
{
    size_t size = strlen(path), length = strlen(ending);
    bool paired = size > length && size < PATH_MAX && !strcmp(path + size - length, ending);
    snprintf(ret, PATH_MAX, "%.*s%s", (int)(paired ? size - length : 0), path, other);
    return paired;
}

static int refuse_secret(const char *path, bool certain, struct why *why)
{
    char other[PATH_MAX];
    bool paired = other_of_pair(path, ".key", ".pub", other);
    if (paired)
        return because(why, -EINVAL, "a secret key, and a public one is wanted; give %s", other);
    if (certain)
        return because(why, -EINVAL, "a secret key, and a public one is wanted; give the .pub file of its pair");
    return because(why, -EINVAL, "no public key: mistyped, or a secret one; give what a .pub file has");
}

static int refuse_public(const char *path, struct why *why)
{
    char other[PATH_MAX];
    if (other_of_pair(path, ".pub", ".key", other))
        return because(why, -EINVAL, "a public key, and a secret one is wanted; give %s", other);
    return because(why, -EINVAL, "a public key, and a secret one is wanted; give the .key file of its pair (should this be a secret key, of which 1 in 32 looks "
                   "like a public one, write \"secret key\" behind it)");
}

int key_check_kind(const char *path, const char *key, const char *note, enum key_kind wanted, struct why *why)
{
    bool secret = says_secret(note), public = !secret && key_is_public(key);
    if (wanted == KEY_PUBLIC && !public)
        return refuse_secret(path, secret, why);
    if (wanted == KEY_SECRET && public)
        return refuse_public(path, why);
    return 0;
}
