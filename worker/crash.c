#include "worker/crash.h"

#include <signal.h>

static const int faults[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT };
static struct sigaction former[ARRAY_SIZE(faults)];
static struct crumbs *_Atomic crumbs;
static __thread struct crumb *mine __attribute__((tls_model("initial-exec")));

static void on_fault(int number, siginfo_t *info, void *context)
{
    (void)context;
    if (info->si_code != SI_USER && info->si_code != SI_QUEUE)
        crumbs_mark(crumbs, mine);
    for (size_t i = 0; i < ARRAY_SIZE(faults); i++)
        if (faults[i] == number)
            sigaction(number, &former[i], NULL);
    /* A fault comes again by itself, in its place; what was sent must be sent again. */
    if (info->si_code <= 0)
        raise(number);
}

void crash_watch(struct crumbs *marked)
{
    struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK };
    sigemptyset(&action.sa_mask);
    crumbs = marked;
    for (size_t i = 0; i < ARRAY_SIZE(faults); i++)
        sigaction(faults[i], &action, &former[i]);
}

void crash_ignore(void)
{
    crumbs = NULL;
}

void crash_thread(struct crumb *crumb, void *stack)
{
    stack_t alternate = { .ss_sp = stack, .ss_size = CRASH_STACK }, present;
    mine = crumb;
    /* A sanitizer brings its own, and wants to find it again. */
    if (sigaltstack(NULL, &present) == 0 && present.ss_flags & SS_DISABLE)
        sigaltstack(&alternate, NULL);
}
