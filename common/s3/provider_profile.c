/* provider_profile.c: keys that stand in one of the two files. */
#include "common/s3/provider.h"

#include <errno.h>
#include <math.h>

static int from_file(const struct search *search, bool config, struct credentials **ret, struct why *why)
{
    const char *id = profiles_get_in(search->profiles, config, search->profile, "aws_access_key_id");
    const char *secret = profiles_get_in(search->profiles, config, search->profile, "aws_secret_access_key");
    const char *token = profiles_get_in(search->profiles, config, search->profile, "aws_session_token");
    const char *file = config ? "config" : "credentials";
    char source[96];
    if (!id)
        return because(why, 0, "profile %.60s has no key in the %s file", search->profile, file);
    if (!secret)
        return because(why, -ENOKEY, "profile %s of the %s file has an aws_access_key_id and no aws_secret_access_key (%s)", search->profile, file,
                       profiles_where(search->profiles));
    snprintf(source, sizeof(source), "profile %.60s of the %s file", search->profile, file);
    *ret = credentials_new(id, secret, token, INFINITY, source);
    return *ret ? 1 : because(why, -ENOMEM, "out of memory");
}

int provider_credentials_file(const struct search *search, struct credentials **ret, struct why *why)
{
    return from_file(search, false, ret, why);
}

int provider_config_file(const struct search *search, struct credentials **ret, struct why *why)
{
    return from_file(search, true, ret, why);
}
