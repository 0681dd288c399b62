/* error_words.c: one sentence for each fault: the object, what is wrong, what to do. */
#include "common/s3/error.h"

#include <string.h>

static int denied(const struct s3_error *error, const struct s3_subject *on, int r, struct why *why)
{
    if (!on->who)
        return because(why, r, "%s: the store refuses whoever does not sign; the object is not public: give a profile with --profile, or leave "
                       "--no-sign-request away", on->object);
    return because(why, r, "%s: access denied (%s) with the credentials of %s; they need s3:GetObject on its keys and s3:ListBucket on bucket %s, "
                   "and s3:PutObject where results go", on->object, *error->code ? error->code : "status 403", on->who, on->bucket);
}

static int expired(const struct s3_subject *on, int r, struct why *why)
{
    if (*on->trouble)
        return because(why, r, "%s: the session token of %s has expired, and there is no new one: %s", on->object, on->who, on->trouble);
    return because(why, r, "%s: the session token of %s has expired; renew it there, or use a source that is renewed by itself (a role, "
                   "credential_process)", on->object, on->who);
}

static int elsewhere(const struct s3_error *error, const struct s3_subject *on, int r, struct why *why)
{
    if (*error->region && strcmp(error->region, on->region))
        return because(why, r, "%s: bucket %s is in region %s, not %s; give --region %s", on->object, on->bucket, error->region, on->region,
                       error->region);
    if (*error->region)
        return because(why, r, "%s: %s refuses the request (status %ld) and says that the region is %s, which it was signed for; is the endpoint "
                       "right?", on->object, on->host, error->status, error->region);
    return because(why, r, "%s: %s says that bucket %s is elsewhere, and not where (status %ld); give its --region", on->object, on->host, on->bucket,
                   error->status);
}

static int other(const struct s3_error *error, const struct s3_subject *on, int r, struct why *why)
{
    if (error->status)
        return because(why, r, "%s: %s answered with status %ld%s%s%s%s; is it an S3 store, and the bucket's address right?", on->object, on->host,
                       error->status, *error->code ? ", " : "", error->code, *error->message ? ": " : "", error->message);
    return because(why, r, "%s: the request to %s failed: %s", on->object, on->host, error->message);
}

int s3_error_because(const struct s3_error *error, const struct s3_subject *on, struct why *why)
{
    int r = s3_error_errno(error);
    const char *who = on->who ? on->who : "nobody";
    switch (error->fault) {
    case S3_OK:
        return 0;
    case S3_NOT_FOUND:
        return because(why, r, "%s: %s has no such object; keys are exact: case, blanks and slashes count", on->object, on->host);
    case S3_NO_BUCKET:
        return because(why, r, "%s: there is no bucket %s at %s; check its name and --endpoint-url", on->object, on->bucket, on->host);
    case S3_DENIED:
        return denied(error, on, r, why);
    case S3_EXPIRED:
        return expired(on, r, why);
    case S3_BAD_ID:
        return because(why, r, "%s: %s does not know the access key (or token) of %s; is it for this store, and still active?", on->object, on->host, who);
    case S3_BAD_SECRET:
        return because(why, r, "%s: %s computes another signature: the secret key of %s does not belong to its access key, or the store does not "
                       "know that one", on->object, on->host, who);
    case S3_SKEW:
        return because(why, r, "%s: the clocks here and at %s differ by more than signatures allow; set this machine's clock (timedatectl set-ntp true)",
                       on->object, on->host);
    case S3_REGION:
        return elsewhere(error, on, r, why);
    case S3_CHANGED:
        return because(why, r, "%s: the object was changed since it was listed; run the job again to take the new one", on->object);
    case S3_RANGE:
        return because(why, r, "%s: the object is shorter than it was when it was listed", on->object);
    case S3_ARCHIVED:
        return because(why, r, "%s: the object lies in an archive (a cold storage class); restore it first", on->object);
    case S3_THROTTLED:
        return because(why, r, "%s: %s asks to slow down (%s), after all retries; fetch with less in flight, or try again later", on->object, on->host,
                       *error->code ? error->code : "status 429");
    case S3_SERVER:
        return because(why, r, "%s: %s has trouble (status %ld%s%s), after all retries; try again later", on->object, on->host, error->status,
                       *error->code ? ", " : "", error->code);
    case S3_TIMEOUT:
        return because(why, r, "%s: %s did not answer in time, after all retries; try again later", on->object, on->host);
    case S3_CONNECTION:
        return because(why, r, "%s: no connection to %s, or it broke off: %s; is the store up, and --endpoint-url right?", on->object, on->host,
                       error->message);
    case S3_CERTIFICATE:
        return because(why, r, "%s: the certificate of %s is not trusted (%s); if its authority is your own, name the file with its certificate in "
                       "--ca-bundle", on->object, on->host, error->message);
    case S3_STOPPED:
        return because(why, r, "%s: stopped", on->object);
    case S3_NO_MEMORY:
        return because(why, r, "%s: out of memory", on->object);
    case S3_OTHER:
        break;
    }
    return other(error, on, r, why);
}
