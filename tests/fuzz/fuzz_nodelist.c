/* fuzz_nodelist.c: any bytes as a node list: every node is "host:port", said once, with a key at most, or a sentence follows. */
#include "common/cleanup.h"
#include "coordinator/nodelist.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int compare(const void *a, const void *b)
{
    return strcasecmp(*(char *const *)a, *(char *const *)b);
}

static void check_node(const struct nodelist_node *node)
{
    const char *colon = strrchr(node->name, ':');
    assert(colon && colon > node->name && atoi(colon + 1) >= 1 && atoi(colon + 1) <= 65535);
    assert(strlen(node->name) <= 255 + 6 && !strpbrk(node->name, " \t\r\n#/"));
    assert(!*node->key || (!node->key_file && key_is_public(node->key)));
    assert(!node->key_file || strstr(node->key_file, ".pub"));
    assert(node->line > 0);
}

static void parse(const uint8_t *data, size_t size, const struct texts *groups)
{
    struct nodelist list;
    struct why why = { "" };
    if (nodelist_parse("fuzz", (const char *)data, size, groups, &list, &why) < 0) {
        assert(why.text[0]);
        return;
    }
    assert(list.count >= 1 && list.count <= MAX_NODES);
    CLEANUP(freep) char **names = malloc((size_t)list.count * sizeof(*names));
    for (int i = 0; names && i < list.count; i++) {
        check_node(&list.nodes[i]);
        names[i] = list.nodes[i].name;
    }
    if (names)
        qsort(names, (size_t)list.count, sizeof(*names), compare);
    for (int i = 1; names && i < list.count; i++)
        assert(compare(&names[i - 1], &names[i]));
    nodelist_free(&list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    parse(data, size, NULL);
    parse(data, size, &(struct texts){ { "a", "b,c" }, 2 });
    return 0;
}
