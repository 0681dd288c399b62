/* credentials.h: who we are to the store, found as AWS CLI finds it and renewed before it ends.
 *
 * Order: environment (not with --profile), assume-role profile, web identity, credentials file, credential_process, config file, container,
 * instance metadata (IMDSv2). SSO is left out: `credential_process = aws configure export-credentials` in a profile covers it.
 * What is temporary is renewed on a thread of its own, from 15 minutes before its end (or the last quarter of a short life); a failure is
 * logged and tried again: each minute, sooner towards the end, every 5 s after it.
 *
 * Threads:   any may take a snapshot, without waiting; credentials_open() and credentials_close() belong to the owner.
 * Ownership: a snapshot is constant and lives until the last credentials_release().
 * Errors:    -ENOKEY when none are found: the sentence lists what was tried; -EACCES and others when a configured source fails. */
#pragma once

#include "common/s3/config.h"
#include "common/why.h"

#include <stdatomic.h>

/* Constant once made, apart from its references. */
struct credentials {
    atomic_int references;
    char *id, *secret;
    char *token;       /* NULL: none */
    double expires_s;  /* seconds since 1970; INFINITY: never */
    char source[96];   /* "the environment", "profile work of ..." for messages */
};

void credentials_release(struct credentials *credentials); /* accepts NULL */

struct credentials_store;

/* Finds the first ones, which may take seconds where a service on the network is asked. */
int credentials_open(const struct s3_config *config, struct credentials_store **ret, struct why *why);
void credentials_close(struct credentials_store *store); /* soon; accepts NULL */

/* The present ones, to be released. They may have ended, when renewing fails: then the store refuses them. */
struct credentials *credentials_get(struct credentials_store *store);

/* The store has refused `old` as expired: renews at once, on the thread. Returns false when that is pointless: they came from the environment, or
 * their source has just said the same again. */
bool credentials_renew(struct credentials_store *store, const struct credentials *old);

/* Why the last renewal failed; "" if it did not. */
void credentials_trouble(struct credentials_store *store, struct why *ret);
