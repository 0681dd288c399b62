/* daemon.h: what a service says to the system's service manager: ready, reloading, stopping, how it is, still alive [libsystemd].
 *
 * Without one ($NOTIFY_SOCKET is not set) nothing is said, and nobody watches.
 *
 * Threads:   the main thread's.
 * Errors:    none; what cannot be said is lost, and the manager draws its own conclusions.
 * Source:    sd_notify(3), sd_watchdog_enabled(3), systemd.service(5). */
#pragma once

#include <stdint.h>

void daemon_ready(void);

/* Reloading lasts until daemon_ready(). */
void daemon_reloading(void);

/* The end may take so long; it is asked for, because the manager's own patience may be shorter. */
void daemon_stopping(uint64_t within_ns);

/* One line for `systemctl status`. Bytes below space become '?': a foreign name cannot forge another line. */
void daemon_status(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* How often a sign of life is due; 0: nobody watches. */
uint64_t daemon_watchdog_ns(void);
void daemon_alive(void);
