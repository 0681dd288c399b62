/* bench_down.c: what a store that is down for a while costs: a run over objects of a store in this process that goes away in the midst of it, and comes back.
 *
 *     bench_down SECONDS COORDINATOR
 *
 * Prints how long the same run takes without that, how long it took, and when the first request came after the store was back. No row may be an error. */
#include "common/cleanup.h"
#include "common/clock.h"
#include "tests/bench/checks.h"
#include "tests/cluster/lib/web.h"
#include "tests/temporary.h"
#include "tests/test.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define OBJECTS 2000
#define SIZE    50000

static double now(void)
{
    return (double)clock_now_ns() / 1e9;
}

static void nap(double seconds)
{
    nanosleep(&(struct timespec){ (time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9) }, NULL);
}

static pid_t begin(const char *coordinator, const char *endpoint, const char *job)
{
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid)
        return pid;
    int log = open("log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    dup2(log, STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
    execl(coordinator, coordinator, "run", "--local", "1", "--engine", "sim", "--decode", "none", "--no-sign-request", "--region", "none", "--endpoint-url",
          endpoint, "--fetch-concurrency", "8", "--strict", "--job", job, "@list", NULL);
    _exit(127);
}

static double end(pid_t pid, double from)
{
    int status = 0;
    waitpid(pid, &status, 0);
    CHECK_INT(WIFEXITED(status) ? WEXITSTATUS(status) : 128, 0); /* --strict: no row is an error */
    return now() - from;
}

static void write_list(void)
{
    FILE *list = fopen("list", "w");
    CHECK(list);
    for (int i = 0; i < OBJECTS; i++)
        fprintf(list, "s3://bucket/%d/%04d.jpg\n", i % 10, i);
    fclose(list);
}

int main(int argc, char **argv)
{
    CHECK_INT(argc, 3);
    char folder[TEMPORARY_NAME], endpoint[64], *body = calloc(1, SIZE), *coordinator = realpath(argv[2], NULL);
    CHECK(coordinator && body && mkdtemp(temporary_name(folder, "bench-down")) && chdir(folder) == 0);
    struct web *web = web_start(&(struct web_spec){ .delay_ms = 20 });
    web_put(web, "*", body, SIZE);
    write_list();
    snprintf(endpoint, sizeof(endpoint), "http://127.0.0.1:%d", web_port(web));
    double down_s = atof(argv[1]), from = now();
    double plain = end(begin(coordinator, endpoint, "plain"), from);

    uint64_t before = web_counts(web).requests;
    from = now();
    pid_t pid = begin(coordinator, endpoint, "down");
    while (web_counts(web).requests < before + OBJECTS / 3)
        nap(0.01);
    web_down(web);
    nap(down_s);
    uint64_t stood = web_counts(web).requests;
    web_up(web);
    double up = now(), back;
    while (web_counts(web).requests == stood)
        nap(0.01);
    back = now() - up;
    double disturbed = end(pid, from);
    printf("down for %.0f s: %.1f s undisturbed, %.1f s with it, first request %.1f s after it was back; all %d images classified\n", down_s, plain, disturbed, back,
           OBJECTS);
    web_stop(web);
    free(body);
    free(coordinator);
    fflush(stdout);
    execlp("rm", "rm", "-rf", folder, NULL);
    return 1;
}
