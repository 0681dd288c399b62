/* Sizes that nobody owns: made-up images, an engine without arithmetic, four workers. */
#include "tests/cluster/lib/cluster.h"

#include "common/cleanup.h"

#include <inttypes.h>

#define FEW  100000
#define MANY 1000000

/* Row i is image i, and there are `expected` of them. */
static void check_order(const char *path, long expected)
{
    CLEANUP(fclosep) FILE *file = fopen(path, "r");
    CLEANUP(freep) char *line = NULL;
    size_t size = 0;
    long count = 0;
    CHECK(file);
    for (; getline(&line, &size, file) > 0; count++) {
        char begin[64];
        snprintf(begin, sizeof(begin), "{\"uri\":\"sim:%ld\",", count);
        if (strncmp(line, begin, strlen(begin)))
            test_fail(__FILE__, __LINE__, "%s: line %ld is %s", path, count + 1, line);
        CHECK(strstr(line, "\"error\":null}\n"));
    }
    CHECK_INT(count, expected);
}

static void run(struct process *process, const char *job, long count)
{
    char source[32], table[64];
    snprintf(source, sizeof(source), "sim:%ld", count);
    BEGIN(process, job, "run", "--local", "4", "--engine", "sim", "--job", job, source);
    CHECK_INT(process_end(process), 0);
    snprintf(table, sizeof(table), "%s/predictions.jsonl", job);
    check_order(table, count);
    fprintf(stderr, "%ld images: %.1f MiB at most, %.2f us of CPU an image\n", count, (double)process->peak_kib / 1024,
            process->cpu_s * 1e6 / (double)count);
}

TEST(a_million_images_take_the_coordinator_no_more_memory_than_a_tenth_of_them)
{
    struct process few, many;
    if (is_sanitized())
        test_skip("a sanitizer's memory is not ours; the rows are checked by the other tests");
    run(&few, "few", FEW);
    CHECK_INT(test_shell(NULL, "rm -r few"), 0);
    run(&many, "many", MANY);
    CHECK(many.peak_kib < 100 * 1024);
    /* What is in flight differs from run to run, but does not grow with the list. */
    CHECK(many.peak_kib < few.peak_kib + few.peak_kib / 4 + 8 * 1024);
}

static long images_of(const struct daemon *daemon, const char *report)
{
    char mark[64];
    snprintf(mark, sizeof(mark), "127.0.0.1:%d", daemon->port);
    const char *at = strstr(report, mark);
    long images = 0;
    CHECK(at);
    for (at += strlen(mark); *at == ' '; at++)
        ;
    for (; *at == ',' || (*at >= '0' && *at <= '9'); at++)
        images = *at == ',' ? images : images * 10 + (*at - '0');
    return images;
}

TEST(a_slow_worker_among_four_does_less_and_changes_nothing)
{
    struct daemon slow, others[3];
    WORKER(&slow, "slow", "--engine", "sim", "--sim-cost-us", "5000");
    WORKER(&others[0], "one", "--engine", "sim", "--engine-threads", "1", "--sim-cost-us", "100");
    WORKER(&others[1], "two", "--engine", "sim", "--engine-threads", "1", "--sim-cost-us", "100");
    WORKER(&others[2], "three", "--engine", "sim", "--engine-threads", "1", "--sim-cost-us", "100");
    write_nodes("nodes", (const struct daemon *[]){ &slow, &others[0], &others[1], &others[2] }, 4);
    CHECK_INT(COORDINATE("run", "run", "--nodes", "nodes", "--min-nodes", "4", "--mixed", "--job", "job", "sim:40000"), 0);
    CHECK_INT(COORDINATE("fast", "run", "--local", "1", "--engine", "sim", "--job", "fast", "sim:40000"), 0);
    check_order("job/predictions.jsonl", 40000);
    check_same_file("job/predictions.jsonl", "fast/predictions.jsonl");
    CLEANUP(freep) char *report = read_text("run.out");
    long sum = images_of(&slow, report);
    CHECK(sum > 0);
    for (int i = 0; i < 3; i++) {
        CHECK(images_of(&others[i], report) > images_of(&slow, report));
        sum += images_of(&others[i], report);
    }
    CHECK_INT(sum, 40000);
}

TEST(lists_of_batches_of_one_and_of_4096_come_out_the_same)
{
    CHECK_INT(COORDINATE("one", "run", "--local", "3", "--engine", "sim", "--batch", "1", "--job", "one", "sim:9999"), 0);
    CHECK_INT(COORDINATE("large", "run", "--local", "3", "--engine", "sim", "--batch", "4096", "--job", "large", "sim:9999"), 0);
    check_order("one/predictions.jsonl", 9999);
    check_same_file("one/predictions.jsonl", "large/predictions.jsonl");
}
