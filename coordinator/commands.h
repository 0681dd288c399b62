/* commands.h: the commands of sleddog-coordinator. Each takes its own argv (argv[0] is its name) and returns the exit status:
 * 0 done; 1 failed; 2 usage; 3 with --strict, an image failed; 130 interrupted. */
#pragma once

int command_run(int argc, char **argv);
int command_resume(int argc, char **argv);
int command_retry(int argc, char **argv);
int command_status(int argc, char **argv);
int command_report(int argc, char **argv);
int command_export(int argc, char **argv);
int command_compare(int argc, char **argv);
int command_check(int argc, char **argv);
int command_nodes(int argc, char **argv);
int command_keygen(int argc, char **argv);

/* Help of one command, for `--help` and for the test that compares it with the manual. */
void run_help(void);
