#include "tests/cluster/lib/system.h"

#include "common/cleanup.h"

#include <limits.h>
#include <stdarg.h>
#include <string.h>

static pid_t only_child(pid_t pid)
{
    char path[64];
    int child = 0;
    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid, (int)pid);
    CLEANUP(fclosep) FILE *file = fopen(path, "r");
    return file && fscanf(file, "%d", &child) == 1 ? child : 0;
}

static bool is_up(struct system *system)
{
    if (!process_running(&system->boot)) {
        CLEANUP(freep) char *err = process_err(&system->boot);
        if (process_end(&system->boot) == 77)
            test_skip("%s", err);
        test_fail(__FILE__, __LINE__, "it ended with %d: %s", system->boot.status, err);
    }
    system->pid = only_child(system->boot.pid);
    return system->pid && system_try(system, NULL, "systemctl is-system-running") == 0;
}

void system_boot(struct system *system)
{
    char program[PATH_MAX];
    *system = (struct system){ .pid = 0 };
    snprintf(program, sizeof(program), "%s/tests/systemd/boot", test_source());
    process_start(&system->boot, "boot", ARGV(program, test_build()));
    WAIT_FOR(is_up(system));
}

static int enter(const struct system *system, char **ret_output, const char *format, va_list args)
{
    char command[4096];
    vsnprintf(command, sizeof(command), format, args);
    test_write_file("command", command, strlen(command));
    return test_shell(ret_output, "nsenter -a -t %d sh -c \"$(cat command)\"", (int)system->pid);
}

int system_try(const struct system *system, char **ret_output, const char *format, ...)
{
    CLEANUP(freep) char *output = NULL;
    va_list args;
    va_start(args, format);
    int status = enter(system, &output, format, args);
    va_end(args);
    if (ret_output)
        *ret_output = take(output);
    return status;
}

char *system_do(const struct system *system, const char *format, ...)
{
    char *output;
    va_list args;
    va_start(args, format);
    int status = enter(system, &output, format, args);
    va_end(args);
    if (status) {
        CLEANUP(freep) char *journal = NULL;
        system_try(system, &journal, "journalctl --no-pager -n 40");
        test_fail(__FILE__, __LINE__, "%s: %d: %s\n%s", format, status, output, journal);
    }
    return output;
}

void system_path(const struct system *system, const char *path, char *ret, size_t size)
{
    snprintf(ret, size, "/proc/%d/root%s", (int)system->pid, path);
}

void system_write(const struct system *system, const char *path, const char *text)
{
    char outside[PATH_MAX];
    system_path(system, path, outside, sizeof(outside));
    free(system_do(system, "mkdir -p $(dirname %s)", path));
    test_write_file(outside, text, strlen(text));
}

char *system_property(const struct system *system, const char *unit, const char *property)
{
    char *value = system_do(system, "systemctl show --value -p %s %s", property, unit);
    value[strcspn(value, "\n")] = '\0';
    return value;
}

bool system_is(const struct system *system, const char *unit, const char *property, const char *value)
{
    CLEANUP(freep) char *present = system_property(system, unit, property);
    return !strcmp(present, value);
}

bool system_said(const struct system *system, const char *unit, const char *text)
{
    CLEANUP(freep) char *journal = system_do(system, "journalctl --no-pager -o cat -u %s", unit);
    return strstr(journal, text);
}
