/* other_release.h: read before a source of the worker, it makes that of another release. */
#pragma once

#include "proto/messages.h"

#undef PROTOCOL_VERSION
#define PROTOCOL_VERSION 99u
#undef SLEDDOG_VERSION
#define SLEDDOG_VERSION "9.9.9"
