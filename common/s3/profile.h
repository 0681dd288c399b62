/* profile.h: the files `credentials` and `config` as the AWS command line reads them.
 *
 * ~/.aws/credentials (or AWS_SHARED_CREDENTIALS_FILE) has sections [name], ~/.aws/config (or AWS_CONFIG_FILE) has [default], [profile name] and
 * [services name]. "key = value" lines; '#' and ';' begin comment lines; indented lines below "s3 =" are nested keys, found as "s3.endpoint_url".
 * A key in `credentials` goes before the same one in `config`.
 *
 * Threads:   what was read is constant.
 * Ownership: profiles_read() to profiles_free(); values point into it.
 * Errors:    -EINVAL with file and line; a missing file is an empty one. */
#pragma once

#include "common/why.h"

#include <stdbool.h>
#include <stddef.h>

struct profiles;

/* The two files of this user. */
int profiles_read(struct profiles **ret, struct why *why);
void profiles_free(struct profiles *profiles); /* accepts NULL */

bool profiles_has(const struct profiles *profiles, const char *profile);
const char *profiles_get(const struct profiles *profiles, const char *profile, const char *name);             /* NULL: not there */
const char *profiles_get_in(const struct profiles *profiles, bool config, const char *profile, const char *name); /* of one of the files */

/* "s3", "endpoint_url": from the [services] section that the profile names, else NULL. */
const char *profiles_get_service(const struct profiles *profiles, const char *profile, const char *service, const char *name);

/* Both paths in words, for messages: "/home/me/.aws/credentials and /home/me/.aws/config". */
const char *profiles_where(const struct profiles *profiles);

/* An empty set, and the text of a file added to it. NULL: out of memory. */
struct profiles *profiles_new(void);
int profiles_add(struct profiles *profiles, const char *path, bool config, const char *text, size_t size, struct why *why);
