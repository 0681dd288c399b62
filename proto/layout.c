#include "proto/layout.h"

#include "common/cleanup.h"

/* Field tables. A local typedef SELF lets one offsetof() serve every struct. */
#define U32(name)              { #name, FIELD_U32, offsetof(SELF, name), 0, 0, NULL },
#define U64(name)              { #name, FIELD_U64, offsetof(SELF, name), 0, 0, NULL },
#define F32(name)              { #name, FIELD_F32, offsetof(SELF, name), 0, 0, NULL },
#define BYTES(name, limit)     { #name, FIELD_BYTES, offsetof(SELF, name), 0, limit, NULL },
#define TEXT(name, limit)      { #name, FIELD_TEXT, offsetof(SELF, name), 0, limit, NULL },
#define LIST(rec, name, limit) { #name, FIELD_LIST, offsetof(SELF, name), offsetof(SELF, name##_count), limit, &layout_##rec },
#define LAYOUT(struct_name, layout_name, ...)                                              \
    static const struct field *fields_of_##layout_name(int *ret_count)                     \
    {                                                                                      \
        typedef struct struct_name SELF;                                                   \
        static const struct field fields[] = { __VA_ARGS__ };                              \
        *ret_count = (int)ARRAY_SIZE(fields);                                              \
        return fields;                                                                     \
    }
#define RECORD(name, ...)                   \
    LAYOUT(rec_##name, name, __VA_ARGS__)   \
    struct layout layout_##name = { #name, sizeof(struct rec_##name), 0, NULL };
#define MESSAGE(name, to, ...) \
    LAYOUT(msg_##name, name, __VA_ARGS__) \
    static struct layout layout_##name = { #name, sizeof(struct msg_##name), 0, NULL };
#include "proto/messages.def"
#undef MESSAGE
#undef RECORD

#define RECORD(name, ...)
#define MESSAGE(name, to, ...) [MESSAGE_##name] = &layout_##name,
const struct layout *const message_layouts[MESSAGE_KINDS] = {
#include "proto/messages.def"
};
#undef MESSAGE
#undef RECORD

__attribute__((constructor)) static void fill_layouts(void)
{
#define RECORD(name, ...)       layout_##name.field = fields_of_##name(&layout_##name.fields);
#define MESSAGE(name, to, ...)  layout_##name.field = fields_of_##name(&layout_##name.fields);
#include "proto/messages.def"
#undef MESSAGE
#undef RECORD
}
