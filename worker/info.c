/* info.c: engines, device and memory of this machine. */
#include "common/machine.h"
#include "common/thread.h"
#include "worker/commands.h"
#include "worker/engines.h"
#include "worker/image/preprocess.h"

#include <stdio.h>

int command_info(int argc, char **argv)
{
    if (argc > 1) {
        fprintf(stderr, "sleddog-worker info: takes no arguments, \"%s\" was given\n", argv[1]);
        return 2;
    }
    char decoders[128];
    printf("version   %s\n", SLEDDOG_VERSION);
    printf("host      %s\n", machine_host());
    printf("cpus      %d\n", thread_cpus());
    printf("memory    %.1f GiB\n", (double)machine_memory() / (1 << 30));
    preprocess_fingerprint(decoders, sizeof(decoders));
    printf("decoders  %s\n", decoders);
    const char *name;
    for (int i = 0; (name = engines_name(i)); i++) {
        const struct engine_ops *ops;
        struct why why;
        char text[512];
        if (engines_find(name, &ops, &why) < 0 || ops->probe(text, sizeof(text), &why) < 0)
            printf("%-9s not usable: %s\n", name, why.text);
        else
            printf("%-9s %s\n", name, text);
    }
    return 0;
}
