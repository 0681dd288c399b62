/* sts.h: AWS's Security Token Service: other credentials for a role.
 *
 * The address: AWS_ENDPOINT_URL_STS, AWS_ENDPOINT_URL, endpoint_url of the profile (services section first), sts.REGION.amazonaws.com.
 * Source: "AWS Security Token Service API Reference", actions AssumeRole and AssumeRoleWithWebIdentity, version 2011-06-15.
 *
 * Threads: any. Ownership: new credentials have one reference. Errors: 1 when it worked, else negative with a sentence. */
#pragma once

#include "common/s3/provider.h"

struct sts_role {
    const char *arn;
    const char *session_name;
    const char *external_id;         /* NULL: none */
    const char *duration_s;          /* NULL: the role's */
    const char *web_identity_token;  /* NULL: `as` signs */
    const struct credentials *as;
    const char *source;              /* for messages */
};

int sts_assume(const struct search *search, const struct sts_role *role, struct credentials **ret, struct why *why);
