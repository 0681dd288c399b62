/* fit: fits the last layer of the demo's network and writes the finished model with its labels. */
#include "tests/demo/fit.h"

#include <stdio.h>
#include <string.h>

static int run(char **argv, struct why *why)
{
    CLEANUP(samples_freep) struct samples *samples = NULL;
    CLEANUP(fit_done) struct fit fit = { 0 };
    int r = samples_read(argv[1], argv[2], &samples, why);
    if (r >= 0)
        r = fit_make(samples, &fit, why);
    if (r >= 0)
        r = fit_write_labels(argv[5], samples, why);
    if (r >= 0)
        r = fit_write_model(argv[4], argv[3], samples, &fit, why);
    if (r >= 0)
        printf("fitted to %zu images of %zu classes; left out one by one, %zu are told right\n", samples->count,
               samples->named, fit.right);
    return r;
}

int main(int argc, char **argv)
{
    if (argc != 6) {
        fprintf(stderr, "usage: fit FEATURES.npy PREDICTIONS.jsonl BACKBONE.safetensors MODEL.safetensors LABELS.txt\n");
        return 2;
    }
    struct why why = { "" };
    int r = run(argv, &why);
    if (r < 0)
        fprintf(stderr, "fit: %s\n", why.text[0] ? why.text : strerror(-r));
    return r < 0;
}
