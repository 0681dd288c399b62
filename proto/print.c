/* print.c: messages for people. */
#include "proto/layout.h"

const char *message_name(enum message_kind kind)
{
    return kind > MESSAGE_none && kind < MESSAGE_KINDS ? message_layouts[kind]->name : "?";
}

static void print_field(const struct field *field, const char *base, struct bytes *out)
{
    const void *at = base + field->offset;
    bytes_printf(out, " %s=", field->name);
    switch (field->type) {
    case FIELD_U32:
        bytes_printf(out, "%u", *(const uint32_t *)at);
        break;
    case FIELD_U64:
        bytes_printf(out, "%llu", (unsigned long long)*(const uint64_t *)at);
        break;
    case FIELD_F32:
        bytes_printf(out, "%g", (double)*(const float *)at);
        break;
    case FIELD_BYTES:
        bytes_printf(out, "(%u bytes)", ((const struct span *)at)->size);
        break;
    case FIELD_TEXT:
        bytes_printf(out, "\"%s\"", *(const char *const *)at ? *(const char *const *)at : "");
        break;
    case FIELD_LIST:
        bytes_printf(out, "[%u]", *(const uint32_t *)(const void *)(base + field->count_offset));
        break;
    }
}

int message_print(const struct message *message, struct bytes *out)
{
    const struct layout *layout = message_layouts[message->kind];
    bytes_printf(out, "%s{", layout->name);
    for (int i = 0; i < layout->fields; i++)
        print_field(&layout->field[i], message_body((struct message *)message), out);
    bytes_append_text(out, " }");
    return bytes_error(out);
}
