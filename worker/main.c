/* main.c: sleddog-worker: options and commands. */
#include "common/cache.h"
#include "common/cleanup.h"
#include "common/log.h"
#include "common/machine.h"
#include "common/output.h"
#include "common/program.h"
#include "common/signals.h"
#include "common/usage.h"
#include "worker/commands.h"
#include "worker/memory.h"
#include "worker/worker.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#define OPTION(member) offsetof(struct worker_options, member)

static const struct option_row daemon_rows[] = {
    { 0, "config", OPTION_TEXT, OPTION(config), "FILE", "read options from FILE first: name = value lines", 0, 0, NULL },
    { 0, "listen", OPTION_TEXT, OPTION(listen), "ADDRESS:PORT", "where coordinators connect: *:5571 with keys, else 127.0.0.1:5571", 0, 0, NULL },
    { 0, "key", OPTION_TEXT, OPTION(key), "FILE", "this worker's secret key, made by sleddog-coordinator keygen", 0, 0, NULL },
    { 0, "authorized", OPTION_TEXT, OPTION(authorized), "FILE|DIR", "public keys of the coordinators that may use it; read again at SIGHUP", 0, 0, NULL },
    { 0, "insecure", OPTION_FLAG, OPTION(insecure), NULL, "listen beyond this machine although nothing is encrypted", 0, 0, NULL },
    { 0, "weights", OPTION_TEXT, OPTION(weights), "FILE|URL", "model for jobs that name none", 0, 0, NULL },
    { 0, "drain-timeout", OPTION_INT, OPTION(drain_timeout), "S",
      "after SIGTERM: seconds until results must be handed over, 30 by default", 0, 86400, NULL },
    TUNING_ROWS(struct worker_options, tuning),
    { 'v', "verbose", OPTION_FLAG, OPTION(verbose), NULL, "log more", 0, 0, NULL },
    { 'h', "help", OPTION_FLAG, OPTION(help), NULL, "print this help", 0, 0, NULL },
    { 'V', "version", OPTION_FLAG, OPTION(version), NULL, "print the version", 0, 0, NULL },
    { 0 },
};

static void print_help(void)
{
    puts("sleddog-worker: classifies images for a coordinator, or here and now\n"
         "\n"
         "  sleddog-worker [OPTIONS]                     the daemon\n"
         "  sleddog-worker classify [OPTIONS] FILE...    classify files here, without a cluster\n"
         "  sleddog-worker info                          engines and device of this machine\n"
         "  sleddog-worker weights FILE...               what weights files hold, and what is wrong with them\n"
         "  sleddog-worker verify [OPTIONS]              are the answers of this machine PyTorch's?\n"
         "  sleddog-worker calibrate [OPTIONS]           measures what int8 needs to know of a model\n"
         "\nOptions of the daemon:");
    options_print(daemon_rows, stdout);
    puts("\nOptions of classify:");
    options_print(classify_rows(), stdout);
    puts("\nManual: man sleddog-worker");
}

static const struct worker_options defaults = { .tuning = TUNING_DEFAULTS, .weights = "", .drain_timeout = 30 };

/* What can never work, whatever comes later. */
static int check_options(const struct worker_options *options, struct why *why)
{
    int r = tuning_check(&options->tuning, why);
    if (r == 0)
        r = door_check(options, why);
    if (r == 0 && (r = cache_check_given(options->weights, why)) < 0)
        because_in(why, r, "--weights");
    return r;
}

/* A configuration file gives defaults; the command line, read again after it, wins. */
static int read_options(struct worker_options *options, struct config **config, int argc, char **argv, struct why *why)
{
    int first;
    int r = options_parse(daemon_rows, options, argc, argv, &first, why);
    if (r == 0 && options->config) {
        r = config_read(options->config, daemon_rows, options, config, why);
        if (r == 0)
            r = options_parse(daemon_rows, options, argc, argv, &first, why);
    }
    if (r == 0 && first < argc)
        return because(why, -EINVAL, "\"%s\" is not a command; there are classify, info, weights, verify and calibrate", argv[first]);
    return r < 0 || options->help || options->version ? r : check_options(options, why);
}

DEFINE_FREEP(config_free, struct config)

static int the_argc;
static char **the_argv;

static int read_again(struct worker_options *ret, struct config **config, struct why *why)
{
    *ret = defaults;
    return read_options(ret, config, the_argc, the_argv, why);
}

static int run_daemon(int argc, char **argv)
{
    static const int handled[] = { SIGTERM, SIGINT, SIGHUP, 0 };
    struct worker_options options = defaults;
    CLEANUP(config_freep) struct config *config = NULL;
    struct why why;
    log_open("sleddog-worker", LOG_LEVEL_INFO);
    if (read_options(&options, &config, argc, argv, &why) < 0 || memory_check_limit((uint64_t)options.tuning.memory_limit, machine_resident(), &why) < 0)
        return usage_error("", &why);
    if (options.help) {
        print_help();
        return 0;
    }
    if (options.version) {
        puts("sleddog-worker " SLEDDOG_VERSION);
        return 0;
    }
    log_open("sleddog-worker", options.verbose ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
    the_argc = argc;
    the_argv = argv;
    options.rows = daemon_rows;
    options.read_again = read_again;
    int r = signals_open(handled);
    r = r < 0 ? because(&why, r, "signals: %s", strerror(-r)) : worker_run(&options, &why);
    if (r < 0) {
        log_error("%s", why.text);
        return 1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    memory_prepare();
    program_remember("sleddog-worker", argv[0]);
    static const struct {
        const char *name;
        int (*run)(int argc, char **argv);
    } commands[] = {
        { "classify", command_classify },
        { "info", command_info },
        { "weights", command_weights },
        { "verify", command_verify },
        { "calibrate", command_calibrate },
    };
    for (size_t i = 0; argc > 1 && i < ARRAY_SIZE(commands); i++)
        if (!strcmp(argv[1], commands[i].name))
            return output_end(commands[i].run(argc - 1, argv + 1));
    return output_end(run_daemon(argc, argv));
}
