/* torture.c: the wrapped functions, a table of what is alive, and the loop around a scenario.
 *
 * Only memory that was taken during a run is in the table, so what libc or a library allocated for us may be freed, and what
 * was taken before a run is nobody's leak. */
#include "tests/torture.h"

#include "common/cleanup.h"
#include "tests/test.h"

#include <dirent.h>
#include <dlfcn.h>
#include <execinfo.h>
#include <pthread.h>
#include <regex.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <zmq.h>

#define MOST_ALIVE (1u << 16)
#define DEPTH      16

struct block {
    void *memory;
    void *caller;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool active;        /* a run is on */
static bool ever_after;    /* refuse all from `refused_at` on */
static unsigned count;     /* allocations of this run */
static unsigned refused_at;
static unsigned alive;
static struct block blocks[MOST_ALIVE]; /* open addressing, by address */
static void *trace[DEPTH]; /* who asked for what was refused first */
static int trace_depth;

/* ---- where things came from ---- */

static void print_place(void *address)
{
    Dl_info info;
    char *text = NULL;
    if (!dladdr(address, &info) || !info.dli_fname)
        return;
    size_t offset = (size_t)((char *)address - (char *)info.dli_fbase) - 1;
    if (info.dli_fname[0] == '/')
        test_shell(&text, "addr2line -spfe '%s' 0x%zx", info.dli_fname, offset);
    else /* this program: the test's folder is not where it was started */
        test_shell(&text, "addr2line -spfe /proc/%d/exe 0x%zx", (int)getpid(), offset);
    fprintf(stderr, "    %s", text);
    free(text);
}

static void print_refused(void)
{
    active = false;
    fprintf(stderr, "allocation %u%s was refused, asked for by\n", refused_at, ever_after ? " and all after it" : "");
    for (int i = 2; i < trace_depth; i++)
        print_place(trace[i]);
}

static void died(int number)
{
    signal(number, SIG_DFL);
    print_refused();
    raise(number);
}

/* ---- the table ---- */

static struct block *find(const void *memory)
{
    size_t at = (uintptr_t)memory / 16 * 0x9e3779b97f4a7c15u >> 48;
    while (blocks[at % MOST_ALIVE].memory && blocks[at % MOST_ALIVE].memory != memory)
        at++;
    return &blocks[at % MOST_ALIVE];
}

/* Puts those behind a hole where find() will see them. */
static void forget(struct block *hole)
{
    hole->memory = NULL;
    alive--;
    for (size_t at = (size_t)(hole - blocks) + 1; blocks[at % MOST_ALIVE].memory; at++) {
        struct block moved = blocks[at % MOST_ALIVE];
        blocks[at % MOST_ALIVE].memory = NULL;
        *find(moved.memory) = moved;
    }
}

static void *kept(void *memory, void *caller)
{
    pthread_mutex_lock(&lock);
    if (memory && active && alive < MOST_ALIVE / 2) {
        *find(memory) = (struct block){ memory, caller };
        alive++;
    }
    pthread_mutex_unlock(&lock);
    return memory;
}

static void dropped(const void *memory)
{
    pthread_mutex_lock(&lock);
    struct block *block = memory ? find(memory) : NULL;
    if (block && block->memory)
        forget(block);
    pthread_mutex_unlock(&lock);
}

/* ---- the wrapped functions ---- */

static bool refused(void)
{
    pthread_mutex_lock(&lock);
    bool refuse = active && (++count == refused_at || (ever_after && count > refused_at));
    if (refuse && !trace_depth)
        trace_depth = backtrace(trace, DEPTH);
    pthread_mutex_unlock(&lock);
    if (refuse)
        errno = ENOMEM;
    return refuse;
}

/* ld's names for a function and for what stands in its place. */
#define WRAPPED(type, name, ...) \
    type __real_##name(__VA_ARGS__); \
    type __wrap_##name(__VA_ARGS__); \
    type __wrap_##name(__VA_ARGS__)
#define CALLER __builtin_return_address(0)

WRAPPED(void *, malloc, size_t size)
{
    return refused() ? NULL : kept(__real_malloc(size), CALLER);
}

WRAPPED(void *, calloc, size_t n, size_t size)
{
    return refused() ? NULL : kept(__real_calloc(n, size), CALLER);
}

WRAPPED(void, free, void *memory)
{
    dropped(memory);
    __real_free(memory);
}

WRAPPED(void *, realloc, void *memory, size_t size)
{
    if (refused())
        return NULL;
    dropped(memory);
    return kept(__real_realloc(memory, size), CALLER);
}

WRAPPED(char *, strdup, const char *text)
{
    return refused() ? NULL : kept(__real_strdup(text), CALLER);
}

WRAPPED(char *, strndup, const char *text, size_t size)
{
    return refused() ? NULL : kept(__real_strndup(text, size), CALLER);
}

int __wrap_asprintf(char **ret, const char *format, ...) __attribute__((format(printf, 2, 3)));
int __wrap_asprintf(char **ret, const char *format, ...)
{
    if (refused())
        return -1;
    va_list args;
    va_start(args, format);
    int length = vasprintf(ret, format, args);
    va_end(args);
    kept(*ret, CALLER);
    return length;
}

WRAPPED(FILE *, fopen, const char *path, const char *mode)
{
    return refused() ? NULL : __real_fopen(path, mode);
}

WRAPPED(DIR *, opendir, const char *path)
{
    return refused() ? NULL : __real_opendir(path);
}

WRAPPED(int, regcomp, regex_t *regex, const char *text, int flags)
{
    return refused() ? REG_ESPACE : __real_regcomp(regex, text, flags);
}

WRAPPED(int, pthread_create, pthread_t *id, const pthread_attr_t *attributes, void *(*run)(void *), void *arg)
{
    return refused() ? ENOMEM : __real_pthread_create(id, attributes, run, arg);
}

WRAPPED(int, eventfd, unsigned value, int flags)
{
    return refused() ? -1 : __real_eventfd(value, flags);
}

WRAPPED(void *, zmq_ctx_new, void)
{
    return refused() ? NULL : __real_zmq_ctx_new();
}

WRAPPED(void *, zmq_socket, void *context, int type)
{
    return refused() ? NULL : __real_zmq_socket(context, type);
}

/* ---- the loop ---- */

static int open_descriptors(void)
{
    int found = 0;
    DIR *dir = __real_opendir("/proc/self/fd");
    CHECK(dir);
    while (readdir(dir))
        found++;
    closedir(dir);
    return found;
}

static int run_once(scenario *run, unsigned at, struct why *why)
{
    *why = (struct why){ "" };
    if (alive) /* what a library keeps of the first run */
        memset(blocks, 0, sizeof(blocks));
    count = alive = 0;
    trace_depth = 0;
    refused_at = at;
    active = true;
    int r = run(why);
    active = false;
    return r;
}

static void check_nothing_left(int descriptors)
{
    int now = open_descriptors();
    if (!alive && now == descriptors)
        return;
    print_refused();
    for (size_t i = 0; i < MOST_ALIVE; i++)
        if (blocks[i].memory) {
            fprintf(stderr, "left over, taken by\n");
            print_place(blocks[i].caller);
        }
    test_fail(__FILE__, __LINE__, "%u blocks of memory left, %d descriptors", alive, now - descriptors);
}

static void check_answer(int r, const struct why *why, bool lenient)
{
    if ((r == -ENOMEM && why->text[0]) || (r == 0 && lenient))
        return;
    print_refused();
    test_fail(__FILE__, __LINE__, "the answer was %d (%s) \"%s\", expected ENOMEM and a sentence", r, strerror(-r), why->text);
}

static void repeat(scenario *run, bool lenient)
{
    struct why why;
    int descriptors = open_descriptors();
    for (unsigned at = 1;; at++) {
        int r = run_once(run, at, &why);
        check_nothing_left(descriptors);
        if (!trace_depth) {
            if (r < 0)
                test_fail(__FILE__, __LINE__, "nothing was refused, and the answer was %d \"%s\"", r, why.text);
            CHECK(at > 1);
            return;
        }
        check_answer(r, &why, lenient);
    }
}

static void torture_both_ways(scenario *run, bool lenient)
{
    struct why why;
    static const int deadly[] = { SIGSEGV, SIGBUS, SIGABRT, SIGFPE };
    for (size_t i = 0; i < ARRAY_SIZE(deadly); i++)
        signal(deadly[i], died);
    ever_after = false;
    backtrace(trace, DEPTH); /* loads what it needs */
    CHECK_INT(run_once(run, 0, &why), 0); /* so do the libraries */
    repeat(run, lenient);
    ever_after = true;
    repeat(run, lenient);
}

void torture(scenario *run)
{
    torture_both_ways(run, false);
}

void torture_lenient(scenario *run)
{
    torture_both_ways(run, true);
}
