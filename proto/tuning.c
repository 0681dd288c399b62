#include "proto/tuning.h"

#include "common/cleanup.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

static const struct option_row rows[] = {
    TUNING_ROWS(struct { struct tuning tuning; }, tuning),
    { 0 },
};

/* "0,1". What "cpu" means is an engine's affair. */
static bool is_list(const char *devices)
{
    bool inside = false;
    for (const char *at = devices; *at; at++) {
        if (*at == ',' ? !inside : *at < '0' || *at > '9')
            return false;
        inside = *at != ',';
    }
    return inside;
}

static int check_devices(const struct tuning *tuning, struct why *why)
{
    const char *devices = tuning->devices;
    bool cpu = devices && !strcmp(devices, "cpu") && strcmp(tuning->engine, "cudnn");
    if (!devices || !*devices || cpu)
        return 0;
    if (strcmp(devices, "all") && !is_list(devices))
        return because(why, -EINVAL, "--devices %.64s: not a list like 0,1, and not \"all\"", devices);
    if (!strcmp(tuning->engine, "onednn"))
        return because(why, -EINVAL, "--devices %.64s: names GPUs, and engine onednn computes on the CPU; leave the option out", devices);
    return 0;
}

static int check_precision(const struct tuning *tuning, struct why *why)
{
    const char *precision = tuning->precision;
    if (!strcmp(tuning->engine, "onednn") && (!strcmp(precision, "f16") || !strcmp(precision, "bf16")))
        return because(why, -EINVAL, "--precision %s: engine onednn computes in f32 or int8; give one of these, or auto", precision);
    if (tuning->recheck && strcmp(precision, "int8") && strcmp(precision, "auto"))
        return because(why, -EINVAL, "--recheck %" PRId64 ": computes again what int8 leaves undecided, but --precision %s was asked for; leave one of the two out",
                       tuning->recheck, precision);
    return 0;
}

int tuning_check(const struct tuning *tuning, struct why *why)
{
    if (!strcmp(tuning->decode, "none") && strcmp(tuning->engine, "sim"))
        return because(why, -EINVAL, "--decode none: gives no answers worth having; it is for measuring, with --engine sim");
    int r = check_precision(tuning, why);
    if (r == 0)
        r = check_devices(tuning, why);
    return r < 0 ? r : s3_options_check(&tuning->s3, why);
}

int tuning_arguments(const struct tuning *tuning, struct bytes *out)
{
    for (const struct option_row *row = rows; row->name; row++) {
        const void *at = (const char *)tuning + row->offset;
        bool is_text = row->type == OPTION_CHOICE || row->type == OPTION_TEXT;
        const char *text = is_text ? *(const char *const *)at : NULL;
        if ((is_text && !text) || (row->type == OPTION_FLAG && !*(const bool *)at))
            continue;
        bytes_printf(out, "--%s", row->name);
        bytes_append_char(out, '\0');
        if (row->type == OPTION_FLAG)
            continue;
        if (is_text)
            bytes_append_text(out, text);
        else
            bytes_printf(out, "%" PRId64, *(const int64_t *)at);
        bytes_append_char(out, '\0');
    }
    return bytes_error(out);
}

bool tuning_is_own(const char *name)
{
    static const struct option_row own[] = {
        TUNING_OWN_ROWS(struct { struct tuning tuning; }, tuning),
    };
    for (size_t i = 0; i < ARRAY_SIZE(own); i++)
        if (!strcmp(own[i].name, name))
            return true;
    return false;
}

bool tuning_knows_precision(const char *word)
{
    static const struct option_row job[] = {
        TUNING_JOB_ROWS(struct { struct tuning tuning; }, tuning),
        { 0 },
    };
    struct { struct tuning tuning; } any = { TUNING_DEFAULTS };
    struct why why;
    return options_set(job, &any, "precision", word, &why) == 0;
}
