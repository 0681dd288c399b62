/* skew.h: how far this machine's clock is from that of a service, by the Date of its answers [curl.h].
 *
 * Threads: any. Ownership: none. Errors: none. */
#pragma once

#include <curl/curl.h>
#include <time.h>

#define SKEW_MIN_S 60 /* smaller differences are not why a signature was refused */

/* The Date of the answer to a finished request; 0: it has none that can be read. */
time_t skew_date(CURL *curl);

/* Seconds to add to this machine's clock; 0 when it is right enough, or `date` is 0: not told. */
time_t skew_of(time_t date);

/* Tells a person, who can do something about it. */
void skew_warn(time_t offset_s, const char *host);
