/* credentials_bed.h: credentials searched for where only what a test puts there can be found.
 *
 *     credentials_bed_clear();
 *     credentials_bed_write("credentials", "[default]\naws_access_key_id=FILE\naws_secret_access_key=hush\n");
 *     credentials_bed_check_found(NULL, "FILE", NULL, "profile default of the credentials file");
 *
 * Threads:   the test's only one; a store that is open has its own (credentials.h).
 * Ownership: CLEANUP(credentials_bed_closep) ends what credentials_bed_open() made.
 * Errors:    fail the test, but for those of credentials_bed_open(), which are in what it returns. */
#pragma once

#include "common/s3/credentials.h"
#include "tests/test.h"

/* What opening came to: all that is there is open, `now` the first credentials. */
struct credentials_bed {
    struct s3_config *config;
    struct credentials_store *store;
    struct credentials *now;
    struct why why;
    int r;
};

/* An environment with nothing in it, and no services that could be found by chance; the files are `credentials` and `config` of this folder. */
void credentials_bed_clear(void);

void credentials_bed_write(const char *path, const char *text);

/* Searches as `profile`; NULL: none is named. */
struct credentials_bed credentials_bed_open(const char *profile);
void credentials_bed_closep(struct credentials_bed *opened);

/* The search finds these, whose secret is "hush"; `token` NULL: they have none. */
void credentials_bed_check_found(const char *profile, const char *id, const char *token, const char *source);

/* The search fails with this code and this part of its sentence, in which the secret is not. */
void credentials_bed_check_failed(const char *profile, int code, const char *part);
