/* provider.h: what a source of credentials must do. One file each: provider_NAME.c; credentials.c knows their order.
 *
 * Threads:   a search belongs to one thread at a time.
 * Ownership: new credentials have one reference, the caller's.
 * Errors:    1: found; 0: this source is not configured here (`why`: what was looked for, a few words that fit into a list); negative: it is
 *            configured and failed, with a sentence. */
#pragma once

#include "common/s3/credentials.h"
#include "common/s3/profile.h"

#include <stddef.h>

#define CREDENTIALS_MAX_BYTES 65536 /* of any answer that holds some */

/* One search through the sources. The files are read anew for each. */
struct search {
    const struct s3_config *config;
    const struct profiles *profiles;
    const char *profile;
    int depth;               /* of source_profile behind source_profile */
    const atomic_bool *stop; /* true: nobody waits for the answer any more; NULL: never */
};

typedef int provider(const struct search *search, struct credentials **ret, struct why *why);

provider provider_environment;
provider provider_assume_role;
provider provider_web_identity;
provider provider_credentials_file;
provider provider_process;
provider provider_config_file;
provider provider_container;
provider provider_imds;

/* New ones; `expires_s` INFINITY for never. NULL: out of memory. */
struct credentials *credentials_new(const char *id, const char *secret, const char *token, double expires_s, const char *source);

/* The object that containers, IMDS and processes answer with [jansson]: AccessKeyId, SecretAccessKey, `token_name`, Expiration. 1 or negative. */
int credentials_from_json(const char *text, size_t size, const char *token_name, const char *source, struct credentials **ret, struct why *why);

/* "2026-01-31T12:00:00Z", with a fraction or an offset; seconds since 1970. -EINVAL for anything else. */
int credentials_time(const char *text, double *ret_s);
