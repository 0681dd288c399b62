/* curve.h: CURVE key pairs (RFC 26), and who may connect (ZAP, RFC 27).
 *
 *     curve_pair_read("/etc/sleddog/worker.key", &pair, &why);
 *     zap_open(context, judge, arg, &zap, &why);        before the first link_bind_with() that has keys
 *
 * A bound link with keys lets nobody in without asking the handler: no handler, no guests.
 *
 * Threads:   a zap belongs to the loop's thread, which calls zap_answer() when zap_socket() is readable.
 * Ownership: zap_close(); curve_pair_wipe() forgets a pair.
 * Errors:    negative errno with a sentence. */
#pragma once

#include "common/keys.h"

#include <stdbool.h>

struct curve_pair {
    char public[KEY_TEXT], secret[KEY_TEXT];
};

int curve_pair_new(struct curve_pair *ret, struct why *why);
int curve_pair_read(const char *path, struct curve_pair *ret, struct why *why); /* of a secret key's file; the public one follows from it */
void curve_pair_wipe(struct curve_pair *pair);

struct zap;

/* Whether the owner of this public key, who connects from there, is let in. */
typedef bool zap_judge(void *arg, const char *address, const char *key);

int zap_open(void *context, zap_judge *judge, void *arg, struct zap **ret, struct why *why);
void zap_close(struct zap *zap); /* accepts NULL */
void *zap_socket(struct zap *zap);
void zap_answer(struct zap *zap); /* every question that is there */
