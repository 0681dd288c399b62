/* main.c: sleddog-coordinator: finds the command. */
#include "common/cleanup.h"
#include "common/log.h"
#include "common/output.h"
#include "common/program.h"
#include "coordinator/commands.h"
#include "coordinator/limits.h"

#include <string.h>

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *synopsis, *purpose;
} commands[] = {
    { "run", command_run, "[OPTIONS] SOURCE...", "classify everything under SOURCE" },
    { "resume", command_resume, "[OPTIONS] JOBDIR", "go on with an interrupted job" },
    { "retry", command_retry, "[OPTIONS] JOBDIR", "run again only the images whose failure may pass" },
    { "status", command_status, "JOBDIR [--json]", "what is done, outstanding (who, since when), failed" },
    { "report", command_report, "JOBDIR [--classes | --json | --html FILE | --image URI]", "summary, accuracy, failures by kind; or one image's row" },
    { "export", command_export, "JOBDIR [--format LIST] [--per-image] [-o DIR|URI]", "write the tables of a complete job again" },
    { "compare", command_compare, "JOBDIR OTHER [--changes | --json]", "which answers of two jobs differ, and which of them are right" },
    { "check", command_check, "--nodes FILE [--require-gpu] [OPTIONS]", "one line a node: reachable, version, engine, device, busy" },
    { "nodes", command_nodes, "--nodes FILE [--group NAME] [--hosts]", "the nodes of a list, one a line, for scripts" },
    { "keygen", command_keygen, "DIR [NAME...]", "CURVE key pairs for coordinator and workers" },
};

#define LEFT 34 /* columns */

static void print_help(void)
{
    puts("sleddog-coordinator: batch image classification over a cluster of sleddog-workers\n");
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        char left[80];
        int size = snprintf(left, sizeof(left), "%s %s", commands[i].name, commands[i].synopsis);
        printf("  %-*s%s%-*s %s\n", LEFT, left, size > LEFT ? "\n  " : "", size > LEFT ? LEFT : 0, "", commands[i].purpose);
    }
    printf("  %-*s print the version\n", LEFT, "--version");
    printf("  %-*s its options\n", LEFT, "COMMAND --help");
    puts("\nExit status: 0 every image has a row; 1 the job failed; 2 usage; 3 with --strict, an image ended in an error, or more did than\n"
         "--max-errors allows; 130 interrupted, and it says how to go on.\n");
    run_help();
    puts("\nManual: man sleddog-coordinator");
}

int main(int argc, char **argv)
{
    log_open("sleddog-coordinator", LOG_LEVEL_INFO);
    program_remember("sleddog-coordinator", argv[0]);
    limits_prepare();
    if (argc < 2) {
        log_error("no command given; see %s --help", program_called());
        return 2;
    }
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
        print_help();
        return output_end(0);
    }
    if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
        puts("sleddog-coordinator " SLEDDOG_VERSION);
        return output_end(0);
    }
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
        if (!strcmp(argv[1], commands[i].name))
            return output_end(commands[i].run(argc - 1, argv + 1));
    log_error("there is no command \"%s\"; see %s --help", argv[1], program_called());
    return 2;
}
