/* bench_export [ROWS]: CPU time a row for each kind of export, top-5 rows with names as Stanford Dogs has them. */
#include "common/clock.h"
#include "coordinator/export/export.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int run(const char *name, unsigned formats, uint64_t rows, const struct labels *labels)
{
    struct export_options options = { .directory = "build/bench-export", .formats = formats, .labels = labels, .rows = rows };
    struct exporters *exporters;
    struct why why = { "" };
    int r = exporters_open(&options, &exporters, &why);
    uint64_t begin = clock_thread_cpu_ns();
    for (uint64_t i = 0; i < rows && r == 0; i++) {
        char uri[128];
        int size = snprintf(uri, sizeof(uri), "s3://b/dogs/Images/n02085620-Chihuahua/n02085620_%u.jpg", (unsigned)(i % 100000));
        struct rec_prediction top[5];
        for (uint32_t k = 0; k < 5; k++)
            top[k] = (struct rec_prediction){ (uint32_t)(i * 7 + k * 131) % 1000, (float)(i % 999983) / 1e6f };
        struct rec_item item = { .uri = { uri, (uint32_t)size }, .base = 19 };
        struct rec_row row = { .predictions = top, .predictions_count = 5, .detail = "" };
        struct export_row out = { &item, &row, { uri + 29, 9 }, MATCH_TRUE };
        r = exporters_row(exporters, &out, &why);
    }
    uint64_t end = clock_thread_cpu_ns();
    if (r == 0)
        r = exporters_close(exporters, &why);
    if (r < 0)
        fprintf(stderr, "bench_export: %s\n", why.text);
    else
        printf("%-10s %6.3f us of CPU a row\n", name, (double)(end - begin) / (double)rows / 1e3);
    return r;
}

int main(int argc, char **argv)
{
    uint64_t rows = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
    struct labels *labels;
    if (labels_open(NULL, &labels, NULL) < 0)
        return 1;
    int r = run("jsonl", EXPORT_JSONL, rows, labels);
    if (r == 0)
        r = run("csv", EXPORT_CSV, rows, labels);
    if (r == 0)
        r = run("per-image", EXPORT_PER_IMAGE, rows / 100, labels);
    labels_close(labels);
    return r < 0;
}
