#include "common/daemon.h"

#include "common/clock.h"

#include <stdarg.h>
#include <stdio.h>
#include <systemd/sd-daemon.h>

void daemon_ready(void)
{
    sd_notify(0, "READY=1");
}

void daemon_reloading(void)
{
    sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu", clock_now_ns() / NS_PER_US);
}

void daemon_stopping(uint64_t within_ns)
{
    sd_notifyf(0, "STOPPING=1\nEXTEND_TIMEOUT_USEC=%llu", within_ns / NS_PER_US);
}

void daemon_status(const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    for (char *c = text; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
    sd_notifyf(0, "STATUS=%s", text);
}

uint64_t daemon_watchdog_ns(void)
{
    uint64_t us;
    return sd_watchdog_enabled(0, &us) > 0 ? us * NS_PER_US : 0;
}

void daemon_alive(void)
{
    sd_notify(0, "WATCHDOG=1");
}
