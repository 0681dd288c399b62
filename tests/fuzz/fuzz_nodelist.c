/* fuzz_nodelist.c: any bytes as a node list: every node is "host:port", said once, or a sentence follows. */
#include "coordinator/nodelist.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct nodelist list;
    struct why why = { "" };
    if (nodelist_parse("fuzz", (const char *)data, size, &list, &why) < 0) {
        assert(why.text[0]);
        return 0;
    }
    assert(list.count >= 1 && list.count <= MAX_NODES);
    for (int i = 0; i < list.count; i++) {
        const char *colon = strrchr(list.nodes[i], ':');
        assert(colon && colon > list.nodes[i] && atoi(colon + 1) >= 1 && atoi(colon + 1) <= 65535);
        assert(strlen(list.nodes[i]) <= 255 + 6 && !strpbrk(list.nodes[i], " \t\r\n#/"));
        for (int k = 0; k < i; k++)
            assert(strcasecmp(list.nodes[i], list.nodes[k]));
    }
    nodelist_free(&list);
    return 0;
}
