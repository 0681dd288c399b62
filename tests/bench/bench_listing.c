/* bench_listing.c: what a long listing costs the coordinator, and how soon the first image leaves.
 *
 *     bench_listing COORDINATOR PREFIXES KEYS
 *
 * A store that makes up its keys (PREFIXES prefixes with KEYS keys each) is a part of this process. It answers listings at once and objects
 * never, so that the coordinator does nothing but list and hand out its first batches; `run` is ended when `status` says that the list is
 * complete. Printed: time to the first request for an object, time and CPU of the coordinator, its peak memory. */
#include "common/bytes.h"
#include "common/clock.h"
#include "tests/bench/checks.h"
#include "tests/origin.h"
#include "tests/test.h"

#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE 1000

static int prefixes, keys;
static atomic_ullong first_object_ns;
static atomic_int pages;

/* ---- the store ---- */

static void append_key(struct bytes *out, int prefix, int key)
{
    bytes_printf(out, "<Contents><Key>data/p%04d/image-%07d.jpg</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
                      "<ETag>&quot;0123456789abcdef0123456789abcdef&quot;</ETag><Size>110000</Size><StorageClass>STANDARD</StorageClass></Contents>",
                 prefix, key);
}

/* The number that a page begins with: the token is one. */
static int begin_of(const char *target)
{
    const char *token = strstr(target, "continuation-token=t");
    return token ? atoi(token + strlen("continuation-token=t")) : 0;
}

static void list_prefixes(struct bytes *out, int from, int to)
{
    for (int i = from; i < to; i++)
        bytes_printf(out, "<CommonPrefixes><Prefix>data/p%04d/</Prefix></CommonPrefixes>", i);
}

static void answer_listing(int fd, const char *target)
{
    const char *prefix = strstr(target, "prefix=data%2Fp");
    int number = prefix ? atoi(prefix + strlen("prefix=data%2Fp")) : -1, count = prefix ? keys : prefixes, from = begin_of(target);
    int to = from + PAGE < count ? from + PAGE : count;
    struct bytes out;
    bytes_init(&out, 16 << 20);
    bytes_printf(&out, "<?xml version=\"1.0\"?><ListBucketResult><EncodingType>url</EncodingType><IsTruncated>%s</IsTruncated>", to < count ? "true" : "false");
    if (to < count)
        bytes_printf(&out, "<NextContinuationToken>t%d</NextContinuationToken>", to);
    for (int i = from; prefix && i < to; i++)
        append_key(&out, number, i);
    if (!prefix)
        list_prefixes(&out, from, to);
    bytes_append_text(&out, "</ListBucketResult>");
    atomic_fetch_add(&pages, 1);
    origin_answer(fd, 200, "Content-Type: application/xml\r\n", out.data, out.size);
    bytes_done(&out);
}

static void answer(void *arg, int fd, const struct origin_request *request)
{
    (void)arg;
    unsigned long long none = 0;
    if (strstr(request->target, "list-type=2"))
        answer_listing(fd, request->target);
    else
        atomic_compare_exchange_strong(&first_object_ns, &none, clock_now_ns());
}

/* ---- the coordinator ---- */

static pid_t start(const char *program, const char *endpoint)
{
    pid_t pid = fork();
    if (pid)
        return pid;
    setenv("AWS_ACCESS_KEY_ID", "id", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "secret", 1);
    execl(program, program, "run", "--local", "1", "--engine", "sim", "--decode", "none", "--endpoint-url", endpoint, "--region", "us-east-1", "--job", "job",
          "s3://bucket/data/", (char *)NULL);
    _exit(127);
}

static bool is_listed(const char *program)
{
    char command[4096], line[65536] = "";
    snprintf(command, sizeof(command), "%s status --json job 2>/dev/null", program);
    FILE *pipe = popen(command, "r");
    size_t size = pipe ? fread(line, 1, sizeof(line) - 1, pipe) : 0;
    line[size] = '\0';
    pclose(pipe);
    const char *at = strstr(line, "\"listed\"");
    return at && strstr(at, "true") && strstr(at, "true") - at < 14;
}

/* The value behind `name` in /proc/PID/status, in kB. */
static long peak_kib(pid_t pid)
{
    char path[64], line[256];
    long kib = 0;
    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof(line), file))
        if (!strncmp(line, "VmHWM:", 6))
            kib = atol(line + 6);
    if (file)
        fclose(file);
    return kib;
}

static double cpu_s(pid_t pid)
{
    char path[64];
    unsigned long user = 0, system = 0;
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "r");
    if (file && fscanf(file, "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) != 2)
        user = system = 0;
    if (file)
        fclose(file);
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: bench_listing COORDINATOR PREFIXES KEYS\n");
        return 2;
    }
    prefixes = atoi(argv[2]);
    keys = atoi(argv[3]);
    double count = (double)prefixes * keys;
    struct origin *origin = origin_start(answer, NULL);
    uint64_t began = clock_now_ns();
    pid_t pid = start(argv[1], origin_url(origin));
    while (!is_listed(argv[1])) {
        if (waitpid(pid, NULL, WNOHANG) == pid)
            test_fail(__FILE__, __LINE__, "the coordinator ended before its list was complete");
        nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
    }
    double took = (double)(clock_now_ns() - began) / 1e9, cpu = cpu_s(pid);
    unsigned long long first = atomic_load(&first_object_ns);
    printf("%.0f keys in %d prefixes, %d pages: ", count, prefixes, atomic_load(&pages));
    if (first)
        printf("first image after %.2f s, ", (double)(first - began) / 1e9);
    else
        printf("no image before the list was complete, ");
    printf("listed after %.2f s, %.2f us of the coordinator's CPU a key, peak %.1f MB\n", took, cpu / count * 1e6, (double)peak_kib(pid) / 1024);
    kill(pid, SIGINT);
    waitpid(pid, NULL, 0);
    origin_stop(origin);
    return 0;
}
