/* hostport.h: "host:port", "1.2.3.4:port", "[::1%eth0]:port": is it well formed? Nothing is looked up.
 *
 * Threads:   no state.
 * Ownership: a problem is a constant text.
 * Errors:    a problem, for the end of a sentence; NULL: none. */
#pragma once

#include <stddef.h>

#define HOST_MAX 255 /* bytes of a host */

/* Where the colon before the port is, or the end of the text. */
const char *hostport_split(const char *text, const char **problem);

/* A name or an address, an IPv6 one with its brackets. */
const char *hostport_check_host(const char *host, size_t size);

/* What follows the colon; 0: no port. */
int hostport_port(const char *text);
