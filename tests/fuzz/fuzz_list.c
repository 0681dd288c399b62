/* Lists of paths from any bytes, both separators: every entry is an absolute path or an address within the limit, or a sentence follows. */
#include "coordinator/source/source.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char name[64], *args[] = { name };
    int fd = memfd_create("list", 0);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        return 0;
    snprintf(name, sizeof(name), "@/proc/self/fd/%d", fd);
    struct source *source;
    struct why why = { "" };
    assert(source_open(args, 1, &(struct source_options){ .null_separated = size % 2 }, &source, &why) == 0);
    struct rec_item item;
    int r;
    while ((r = source_next(source, &item, &why)) > 0)
        assert((item.uri.data[0] == '/' || strstr(item.uri.data, "://")) && item.uri.size < LIMIT_URI && strlen(item.uri.data) == item.uri.size &&
               item.base <= item.uri.size);
    assert(r == 0 || why.text[0]);
    source_close(source);
    close(fd);
    return 0;
}
