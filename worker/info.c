/* info.c: engines, device and memory of this machine. */
#include "common/log.h"
#include "common/machine.h"
#include "common/thread.h"
#include "worker/commands.h"
#include "worker/engines.h"
#include "worker/image/preprocess.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* The line begins with it. */
static const char *without_name(const char *text, const char *name)
{
    size_t size = strlen(name);
    return !strncmp(text, "engine ", 7) && !strncmp(text + 7, name, size) && !strncmp(text + 7 + size, ": ", 2) ? text + 9 + size : text;
}

static void print_info(void)
{
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
            printf("%-9s not usable: %s\n", name, without_name(why.text, name));
        else
            printf("%-9s %s\n", name, text);
    }
}

struct info_options {
    bool help;
};

static const struct option_row rows[] = {
    { 'h', "help", OPTION_FLAG, offsetof(struct info_options, help), NULL, "print this help", 0, 0, NULL },
    { 0 },
};

int command_info(int argc, char **argv)
{
    struct info_options options = { 0 };
    struct why why;
    int first;
    log_open("sleddog-worker info", LOG_LEVEL_INFO);
    int r = options_parse(rows, &options, argc, argv, &first, &why);
    if (r == 0 && options.help) {
        puts("sleddog-worker info: engines, device and memory of this machine\n");
        options_print(rows, stdout);
        return 0;
    }
    if (r == 0 && first < argc)
        r = because(&why, -EINVAL, "takes no arguments, \"%s\" was given", argv[first]);
    if (r < 0) {
        log_error("%s", why.text);
        return 2;
    }
    print_info();
    return 0;
}
