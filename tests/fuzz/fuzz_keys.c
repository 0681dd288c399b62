/* fuzz_keys.c: any bytes as a file of keys: what is taken are public keys, each once, with notes that can be logged; or a sentence follows that shows none of it. */
#include "common/keys.h"

#include <assert.h>
#include <ctype.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct key_list list;
    struct why why = { "" };
    if (key_list_parse("fuzz", (const char *)data, size, &list, &why) < 0) {
        assert(!strncmp(why.text, "fuzz, line ", 11));
        return 0;
    }
    assert(list.count <= KEYS_MAX);
    for (int i = 0; i < list.count; i++) {
        const struct key_entry *entry = &list.entries[i];
        assert(key_is_public(entry->key) && strlen(entry->note) <= KEY_NOTE_MAX);
        for (const char *c = entry->note; *c; c++)
            assert(!iscntrl((unsigned char)*c));
        assert(key_list_find(&list, entry->key) == entry);
    }
    key_list_free(&list);
    return 0;
}
