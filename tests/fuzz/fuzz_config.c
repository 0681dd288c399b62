/* fuzz_config.c: any bytes as a configuration file: what is set is within its limits, or a sentence names file and line. */
#include "common/cleanup.h"
#include "common/options.h"

#include <assert.h>
#include <string.h>
#include <sys/mman.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct target {
    bool flag;
    int64_t number, size;
    const char *text, *choice;
};

static const struct option_row table[] = {
    { 0, "flag", OPTION_FLAG, offsetof(struct target, flag), NULL, "", 0, 0, NULL },
    { 0, "number", OPTION_INT, offsetof(struct target, number), "N", "", -5, 100, NULL },
    { 0, "size", OPTION_SIZE, offsetof(struct target, size), "SIZE", "", 1, 1ll << 50, NULL },
    { 0, "text", OPTION_TEXT, offsetof(struct target, text), "TEXT", "", 0, 0, NULL },
    { 0, "choice", OPTION_CHOICE, offsetof(struct target, choice), "NAME", "", 0, 0, "red|green" },
    { 0 },
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    struct target target = { .size = 1, .text = "", .choice = "red" };
    struct config *config;
    struct why why = { "" };
    CLEANUP(closep) int fd = memfd_create("config", 0);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        return 0;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (config_read(path, table, &target, &config, &why) < 0) {
        assert(!strncmp(why.text, path, strlen(path)));
        return 0;
    }
    assert(target.number >= -5 && target.number <= 100 && target.size >= 1 && target.size <= 1ll << 50);
    assert(!strcmp(target.choice, "red") || !strcmp(target.choice, "green"));
    assert(!strchr(target.text, '\n') && strlen(target.text) < size + 1);
    config_free(config);
    return 0;
}
