/* selftest.c: the command `verify`. */
#include "common/log.h"
#include "common/output.h"
#include "common/usage.h"
#include "worker/commands.h"
#include "worker/verify.h"

#include <errno.h>
#include <unistd.h>

struct selftest_options {
    struct tuning tuning;
    bool help;
};

static const struct option_row rows[] = {
    TUNING_ROWS(struct selftest_options, tuning),
    { 'h', "help", OPTION_FLAG, offsetof(struct selftest_options, help), NULL, "print this help", 0, 0, NULL },
    { 0 },
};

static void print_check(bool good, const char *line)
{
    printf("%-6s %s\n", good ? "ok" : "WRONG", line);
}

int command_verify(int argc, char **argv)
{
    struct selftest_options options = { .tuning = TUNING_DEFAULTS };
    struct verify_result result;
    struct why why;
    int first;
    log_open("sleddog-worker verify", LOG_LEVEL_INFO);
    int r = options_parse(rows, &options, argc, argv, &first, &why);
    if (r == 0 && first < argc)
        r = because(&why, -EINVAL, "takes no arguments, \"%s\" was given", argv[first]);
    if (r == 0 && !options.help)
        r = tuning_check(&options.tuning, &why);
    if (r < 0)
        return usage_error("verify", &why);
    if (options.help) {
        puts("sleddog-worker verify [OPTIONS]: are the answers of this machine PyTorch's?\n");
        options_print(rows, stdout);
        return 0;
    }
    if (options.tuning.recheck)
        log_info("--recheck is left out: each network is looked at by itself");
    r = verify(&options.tuning, print_check, &result, &why);
    if (r < 0) {
        log_error("cannot be verified: %s", why.text);
        if (r == -ENOTRECOVERABLE)
            _exit(output_end(EXIT_DEVICE_LOST)); /* what a library does at an orderly end may wait for the GPU */
        return 1;
    }
    if (result.wrong)
        printf("%d of %d checks are wrong: do not trust the answers of this machine\n", result.wrong, result.checks);
    else
        printf("the answers of this machine are PyTorch's: %s\n", result.text);
    return result.wrong > 0;
}
