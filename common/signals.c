#include "common/signals.h"

#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

static int fd = -1;
static sigset_t handled;

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
