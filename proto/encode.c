/* encode.c: structs to MessagePack, by the tables of layout.h. */
#include "proto/layout.h"

#include <mpack.h>
#include <string.h>

static void put_token(struct bytes *out, mpack_token_t token)
{
    char *room = bytes_room(out, MPACK_MAX_TOKEN_LEN);
    if (!room)
        return;
    char *at = room;
    size_t left = MPACK_MAX_TOKEN_LEN;
    mpack_tokbuf_t buffer = MPACK_TOKBUF_INITIAL_VALUE;
    mpack_write(&buffer, &at, &left, &token);
    bytes_grew(out, (size_t)(at - room));
}

static void put_fields(struct bytes *out, const struct layout *layout, const char *base);

static void put_list(struct bytes *out, const struct layout *record, const char *elements, uint32_t count)
{
    put_token(out, mpack_pack_array(count));
    for (uint32_t i = 0; i < count; i++) {
        put_token(out, mpack_pack_array((uint32_t)record->fields));
        put_fields(out, record, elements + i * record->size);
    }
}

static void put_field(struct bytes *out, const struct field *field, const char *base)
{
    const void *at = base + field->offset;
    switch (field->type) {
    case FIELD_U32:
        put_token(out, mpack_pack_uint(*(const uint32_t *)at));
        break;
    case FIELD_U64:
        put_token(out, mpack_pack_uint(*(const uint64_t *)at));
        break;
    case FIELD_F32:
        put_token(out, mpack_pack_float_fast((double)*(const float *)at));
        break;
    case FIELD_BYTES: {
        const struct span *span = at;
        put_token(out, mpack_pack_bin(span->size));
        bytes_append(out, span->data, span->size);
        break;
    }
    case FIELD_TEXT: {
        const char *text = *(const char *const *)at ? *(const char *const *)at : "";
        size_t length = strnlen(text, field->limit);
        put_token(out, mpack_pack_str((uint32_t)length));
        bytes_append(out, text, length);
        break;
    }
    case FIELD_LIST:
        put_list(out, field->record, *(const char *const *)at, *(const uint32_t *)(const void *)(base + field->count_offset));
        break;
    }
}

static void put_fields(struct bytes *out, const struct layout *layout, const char *base)
{
    for (int i = 0; i < layout->fields; i++)
        put_field(out, &layout->field[i], base);
}

int message_encode(const struct message *message, struct bytes *out)
{
    const struct layout *layout = message_layouts[message->kind];
    put_token(out, mpack_pack_array((uint32_t)layout->fields + 3));
    put_token(out, mpack_pack_uint(message->kind));
    put_token(out, mpack_pack_uint(message->from));
    put_token(out, mpack_pack_uint(message->to));
    put_fields(out, layout, message_body((struct message *)message));
    return bytes_error(out);
}

int items_encode(const struct rec_item *items, uint32_t count, struct bytes *out)
{
    put_list(out, &layout_item, (const char *)items, count);
    return bytes_error(out);
}

int rows_encode(const struct rec_row *rows, uint32_t count, struct bytes *out)
{
    put_list(out, &layout_row, (const char *)rows, count);
    return bytes_error(out);
}
