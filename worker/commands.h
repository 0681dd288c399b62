/* commands.h: what sleddog-worker does besides being a daemon. Each returns an exit status. */
#pragma once

#include "common/options.h"

#define EXIT_DEVICE_LOST 75 /* EX_TEMPFAIL of sysexits.h: this process cannot reach its GPU any more, a new one may; start it again */

const struct option_row *classify_rows(void);
int command_classify(int argc, char **argv);
int command_info(int argc, char **argv);
int command_weights(int argc, char **argv);
int command_verify(int argc, char **argv);
int command_calibrate(int argc, char **argv);
