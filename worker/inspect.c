/* inspect.c: the command `weights`: what weights files hold, and what is wrong with them. */
#include "common/log.h"
#include "worker/commands.h"
#include "worker/weights/check.h"

#include <inttypes.h>
#include <string.h>

/* Statistics and counters are no parameters: nobody trains them. */
static bool is_parameter(const char *name)
{
    return !strstr(name, ".running_") && !strstr(name, ".num_batches_tracked");
}

static void print_content(const struct weights *weights)
{
    uint64_t parameters = 0;
    char types[64] = "";
    for (enum dtype dtype = DTYPE_F32; dtype < DTYPE_I64; dtype++)
        for (size_t i = 0; i < weights->count; i++)
            if (weights->tensors[i].dtype == dtype) {
                snprintf(types + strlen(types), sizeof(types) - strlen(types), "%s%s", *types ? ", " : "", dtype_name(dtype));
                break;
            }
    for (size_t i = 0; i < weights->count; i++)
        if (is_parameter(weights->tensors[i].name))
            parameters += weights->tensors[i].count;
    printf("  type        %s\n", types);
    printf("  parameters  %" PRIu64 "\n", parameters);
    printf("  format      %s, %zu tensors, %zu bytes\n", weights->format, weights->count, weights->size);
    printf("  sha256      %s\n", weights->sha256);
}

static int inspect(const char *path)
{
    CLEANUP(weights_closep) struct weights *weights = NULL;
    const struct network *network;
    struct why why;
    int classes;
    printf("%s\n", path);
    int r = weights_open(path, &weights, &why);
    if (r == 0 && (r = network_detect(weights, &network, &why)) == 0 && (r = weights_check(weights, network, &classes, &why)) == 0)
        printf("  network     %s\n  classes     %d\n", network->name, classes);
    if (weights)
        print_content(weights);
    if (r < 0)
        printf("  wrong       %s\n", why.text);
    return r;
}

int command_weights(int argc, char **argv)
{
    int wrong = 0;
    log_open("sleddog-worker weights", LOG_LEVEL_INFO);
    if (argc < 2 || argv[1][0] == '-') {
        log_error("give weights files: sleddog-worker weights FILE...");
        return 2;
    }
    for (int i = 1; i < argc; i++)
        wrong += inspect(argv[i]) < 0;
    return wrong > 0;
}
