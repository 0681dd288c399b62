/* provider_roles.c: roles that a profile or the environment names: assumed with other credentials, or with a token from a file. */
#include "common/s3/sts.h"

#include "common/bytes.h"
#include "common/cleanup.h"

#include <errno.h>
#include <string.h>

#define DEPTH_MAX       5
#define SESSION_DEFAULT "sleddog"

DEFINE_FREEP(credentials_release, struct credentials)

/* ---- a role assumed with other credentials ---------------------------------------------------------------------------------------- */

/* credential_source = Environment | Ec2InstanceMetadata | EcsContainer */
static int ask_source(const struct search *search, const char *name, struct credentials **ret, struct why *why)
{
    static const struct {
        const char *name;
        provider *provider;
    } sources[] = { { "Environment", provider_environment }, { "Ec2InstanceMetadata", provider_imds }, { "EcsContainer", provider_container } };
    for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
        if (strcmp(name, sources[i].name))
            continue;
        int r = sources[i].provider(search, ret, why);
        return r ? r : because_in(why, -ENOKEY, "credential_source = %s of profile %s", name, search->profile);
    }
    return because(why, -EINVAL, "credential_source of profile %s: \"%.40s\" is none of Environment, Ec2InstanceMetadata, EcsContainer", search->profile,
                   name);
}

/* A profile that names itself means its own keys. */
static int ask_profile(const struct search *search, const char *name, struct credentials **ret, struct why *why)
{
    static provider *const providers[] = { provider_assume_role, provider_web_identity, provider_credentials_file, provider_process, provider_config_file };
    struct search next = *search;
    next.profile = name;
    next.depth++;
    if (next.depth > DEPTH_MAX)
        return because(why, -ELOOP, "source_profile of profile %s: more than %d profiles behind each other; do they form a circle?", search->profile,
                       DEPTH_MAX);
    if (!profiles_has(search->profiles, name))
        return because(why, -ENOKEY, "source_profile of profile %s: there is no profile \"%.60s\"", search->profile, name);
    int r = 0;
    for (size_t i = strcmp(name, search->profile) ? 0 : 2; r == 0 && i < ARRAY_SIZE(providers); i++)
        r = providers[i](&next, ret, why);
    return r ? r : because(why, -ENOKEY, "source_profile of profile %s: profile %.60s has no credentials", search->profile, name);
}

static int ask_for_base(const struct search *search, struct credentials **ret, struct why *why)
{
    const char *profile = profiles_get(search->profiles, search->profile, "source_profile");
    const char *source = profiles_get(search->profiles, search->profile, "credential_source");
    if (profile)
        return ask_profile(search, profile, ret, why);
    if (source)
        return ask_source(search, source, ret, why);
    return because(why, -EINVAL, "profile %s has a role_arn, and neither source_profile nor credential_source", search->profile);
}

static const char *setting(const struct search *search, const char *name)
{
    return profiles_get(search->profiles, search->profile, name);
}

int provider_assume_role(const struct search *search, struct credentials **ret, struct why *why)
{
    const char *arn = setting(search, "role_arn"), *session = setting(search, "role_session_name");
    char source[96];
    if (!arn || setting(search, "web_identity_token_file"))
        return because(why, 0, "no role_arn");
    if (setting(search, "mfa_serial"))
        return because(why, -EOPNOTSUPP, "profile %s wants an MFA code, which nobody is here to type; sign in with the AWS command line, and let a profile "
                       "with credential_process = aws configure export-credentials --profile %s --format process hand it on", search->profile, search->profile);
    CLEANUP(credentials_releasep) struct credentials *base = NULL;
    int r = ask_for_base(search, &base, why);
    if (r < 0)
        return r;
    snprintf(source, sizeof(source), "the role of profile %.60s", search->profile);
    struct sts_role role = { .arn = arn, .session_name = session ? session : SESSION_DEFAULT, .external_id = setting(search, "external_id"),
                             .duration_s = setting(search, "duration_seconds"), .as = base, .source = source };
    return sts_assume(search, &role, ret, why);
}

/* ---- a role assumed with a token -------------------------------------------------------------------------------------------------- */

/* The token of a file, read anew each time: whoever put it there renews it. */
static int assume_with_token(const struct search *search, const char *path, const char *arn, const char *session, const char *source,
                             struct credentials **ret, struct why *why)
{
    CLEANUP(bytes_done) struct bytes token;
    bytes_init(&token, CREDENTIALS_MAX_BYTES);
    int r = bytes_append_file(&token, path, why);
    if (r < 0)
        return r == -EMSGSIZE ? because(why, r, "%s: %s: larger than tokens are", source, path) : because_in(why, r, "%s", source);
    while (token.size && strchr(" \t\r\n", token.data[token.size - 1]))
        token.data[--token.size] = '\0';
    if (!token.size)
        return because(why, -EINVAL, "%s: %s: the token's file is empty", source, path);
    struct sts_role role = { .arn = arn, .session_name = session ? session : SESSION_DEFAULT, .web_identity_token = token.data, .source = source };
    return sts_assume(search, &role, ret, why);
}

int provider_web_identity(const struct search *search, struct credentials **ret, struct why *why)
{
    const char *path = setting(search, "web_identity_token_file"), *arn = setting(search, "role_arn");
    if (path && arn) {
        char source[96];
        snprintf(source, sizeof(source), "the web identity of profile %.60s", search->profile);
        return assume_with_token(search, path, arn, setting(search, "role_session_name"), source, ret, why);
    }
    path = getenv("AWS_WEB_IDENTITY_TOKEN_FILE");
    arn = getenv("AWS_ROLE_ARN");
    const char *session = getenv("AWS_ROLE_SESSION_NAME");
    if (!path || !*path || search->config->profile_given || search->depth)
        return because(why, 0, "AWS_WEB_IDENTITY_TOKEN_FILE is not set");
    if (!arn || !*arn)
        return because(why, -ENOKEY, "AWS_WEB_IDENTITY_TOKEN_FILE is set, and AWS_ROLE_ARN is not");
    return assume_with_token(search, path, arn, session && *session ? session : NULL, "AWS_WEB_IDENTITY_TOKEN_FILE", ret, why);
}
