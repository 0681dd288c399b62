/* Tables of truths from any bytes: read or refused with a sentence; what is found is a part of the file, and no name is used twice. */
#include "coordinator/truth_table.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const uris[] = { "/p/a.jpg", "a", "s3://b/id/x.y.z", "", "/", "./.a/.", "b.c" };
    struct truth_table *table;
    struct why why = { "" };
    size_t first;
    if (truth_table_parse("fuzz", (const char *)data, size, &table, &why) < 0) {
        assert(why.text[0]);
        return 0;
    }
    assert(truth_table_count(table));
    for (size_t i = 0; i < sizeof(uris) / sizeof(*uris); i++) {
        struct span truth = truth_table_find(table, (struct span){ uris[i], (uint32_t)strlen(uris[i]) });
        assert(!truth.data || (truth.size && truth.size <= size));
    }
    assert(truth_table_unused(table, &first) <= truth_table_count(table));
    truth_table_free(table);
    return 0;
}
