/* commands.h: what sleddog-worker does besides being a daemon. Each returns an exit status. */
#pragma once

#include "common/options.h"

const struct option_row *classify_rows(void);
int command_classify(int argc, char **argv);
int command_info(int argc, char **argv);
int command_weights(int argc, char **argv);
int command_verify(int argc, char **argv);
int command_calibrate(int argc, char **argv);
