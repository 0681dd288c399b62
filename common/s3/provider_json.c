#include "common/s3/provider.h"

#include "common/cleanup.h"
#include "common/json.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <string.h>
#include <time.h>

int credentials_time(const char *text, double *ret_s)
{
    struct tm tm = { .tm_year = 0 };
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    if (!rest)
        return -EINVAL;
    if (*rest == '.')
        rest += 1 + strspn(rest + 1, "0123456789");
    int hours = 0, minutes = 0;
    char sign = *rest;
    if ((sign == '+' || sign == '-') && sscanf(rest + 1, "%2d:%2d", &hours, &minutes) < 1)
        return -EINVAL;
    if (sign != '+' && sign != '-' && sign != 'Z' && sign)
        return -EINVAL;
    double offset_s = 3600.0 * hours + 60.0 * minutes;
    *ret_s = (double)timegm(&tm) - (sign == '-' ? -offset_s : offset_s);
    return 0;
}

static const char *get_text(const json_t *json, const char *name)
{
    const char *text = json_string_value(json_object_get(json, name));
    return text && *text ? text : NULL;
}

static int read_object(const json_t *json, const char *token_name, const char *source, struct credentials **ret, struct why *why)
{
    const char *id = get_text(json, "AccessKeyId"), *secret = get_text(json, "SecretAccessKey"), *code = get_text(json, "Code");
    const char *expiration = get_text(json, "Expiration"), *message = get_text(json, "Message");
    double expires_s = INFINITY;
    if (code && strcmp(code, "Success"))
        return because(why, -EACCES, "%s: %.60s%s%.200s", source, code, message ? ": " : "", message ? message : "");
    if (!id || !secret)
        return because(why, -EBADMSG, "%s: the answer has no AccessKeyId and SecretAccessKey", source);
    if (expiration && credentials_time(expiration, &expires_s) < 0)
        return because(why, -EBADMSG, "%s: the Expiration in the answer is no time", source);
    *ret = credentials_new(id, secret, get_text(json, token_name), expires_s, source);
    return *ret ? 1 : because(why, -ENOMEM, "out of memory");
}

int credentials_from_json(const char *text, size_t size, const char *token_name, const char *source, struct credentials **ret, struct why *why)
{
    CLEANUP(json_decrefp) json_t *json = json_read(text, size, JSON_REJECT_DUPLICATES, NULL);
    if (json_refused())
        return because(why, -ENOMEM, "out of memory");
    if (!json_is_object(json))
        return because(why, -EBADMSG, "%s: the answer is no JSON object", source);
    return read_object(json, token_name, source, ret, why);
}
