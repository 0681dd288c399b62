/* layout.h: the fields of every struct in messages.def as tables, for the codec and the printer.
 *
 * Threads: constant once the program has started. */
#pragma once

#include "proto/messages.h"

#include <stddef.h>

enum field_type { FIELD_U32, FIELD_U64, FIELD_F32, FIELD_BYTES, FIELD_TEXT, FIELD_LIST };

struct field {
    const char *name;
    enum field_type type;
    size_t offset, count_offset; /* in the struct; count_offset for lists */
    uint32_t limit;
    const struct layout *record; /* of a list's elements */
};

struct layout {
    const char *name;
    size_t size; /* of the struct, bytes */
    int fields;
    const struct field *field;
};

/* By enum message_kind; [MESSAGE_none] is NULL. */
extern const struct layout *const message_layouts[MESSAGE_KINDS];

/* struct layout layout_item, layout_row, ... */
#define RECORD(name, ...)      extern struct layout layout_##name;
#define MESSAGE(name, to, ...)
#include "proto/messages.def"
#undef RECORD
#undef MESSAGE

/* Where a message's own fields begin: the union of struct message. */
static inline char *message_body(struct message *message)
{
    return (char *)&message->hello;
}
