#include "common/signals.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

static int fd = -1;
static sigset_t handled;
static const char *last_words;
static int last_status;

int signals_open(const int *list)
{
    sigemptyset(&handled);
    for (; *list; list++)
        sigaddset(&handled, *list);
    signal(SIGPIPE, SIG_IGN);
    if (sigprocmask(SIG_BLOCK, &handled, NULL) < 0)
        return -errno;
    fd = signalfd(-1, &handled, SFD_CLOEXEC | SFD_NONBLOCK);
    return fd < 0 ? -errno : 0;
}

int signals_fd(void)
{
    return fd;
}

int signals_read(void)
{
    struct signalfd_siginfo info;
    return read(fd, &info, sizeof(info)) == sizeof(info) ? (int)info.ssi_signo : 0;
}

void signals_close(void)
{
    if (fd < 0)
        return;
    close(fd);
    fd = -1;
    sigprocmask(SIG_UNBLOCK, &handled, NULL);
}

/* Only what may be called in a handler. */
static void end(int number)
{
    (void)number;
    ssize_t written = write(STDERR_FILENO, last_words, strlen(last_words));
    (void)written;
    _exit(last_status);
}

void signals_end_with(int number, const char *text, int status)
{
    struct sigaction action = { .sa_handler = text ? end : SIG_IGN };
    last_words = text ? text : last_words;
    last_status = text ? status : last_status;
    sigaction(number, &action, NULL);
}
