/* decode.c: MessagePack to structs, by the tables of layout.h.
 *
 * Tokens (libmpack) are walked straight into structs: nothing is allocated that a limit in messages.def and the rest of the frame do
 * not both allow, so a short frame that claims a huge list costs nothing. Numbers must be non-negative integers (floats for F32), and
 * a frame must end where its last field ends. */
#include "proto/layout.h"

#include <errno.h>
#include <mpack.h>
#include <stdbool.h>
#include <string.h>

struct reader {
    const char *at;
    size_t left;
    struct arena *arena;
    struct why *why;
    const char *place; /* the field being read, for the complaint */
};

static int bad(struct reader *reader, const char *what)
{
    return because(reader->why, -EBADMSG, "field %s: %s", reader->place, what);
}

static int get_token(struct reader *reader, mpack_token_t *token)
{
    mpack_tokbuf_t buffer = MPACK_TOKBUF_INITIAL_VALUE;
    *token = (mpack_token_t){ 0 };
    if (!reader->left || mpack_read(&buffer, &reader->at, &reader->left, token) != MPACK_OK)
        return bad(reader, "the frame ends or is not MessagePack");
    return 0;
}

static int get_uint(struct reader *reader, uint64_t max, uint64_t *ret)
{
    mpack_token_t token;
    int r = get_token(reader, &token);
    if (r < 0)
        return r;
    if (token.type != MPACK_TOKEN_UINT)
        return bad(reader, "not a non-negative integer");
    uint64_t value = mpack_unpack_uint(token);
    if (value > max)
        return bad(reader, "number too large");
    *ret = value;
    return 0;
}

static int get_float(struct reader *reader, float *ret)
{
    mpack_token_t token;
    int r = get_token(reader, &token);
    if (r < 0)
        return r;
    if (token.type != MPACK_TOKEN_FLOAT)
        return bad(reader, "not a floating-point number");
    *ret = (float)mpack_unpack_float_fast(token);
    return 0;
}

static int get_array(struct reader *reader, uint32_t limit, uint32_t *ret)
{
    mpack_token_t token;
    int r = get_token(reader, &token);
    if (r < 0)
        return r;
    if (token.type != MPACK_TOKEN_ARRAY)
        return bad(reader, "not an array");
    if (token.length > limit || token.length > reader->left)
        return because(reader->why, -EMSGSIZE, "field %s: %u elements, more than the frame or the limit allows", reader->place, token.length);
    *ret = token.length;
    return 0;
}

/* The bytes stay in the frame; the caller copies them. */
static int get_string(struct reader *reader, mpack_token_type_t type, uint32_t limit, struct span *ret)
{
    mpack_token_t token;
    int r = get_token(reader, &token);
    if (r < 0)
        return r;
    if (token.type != type)
        return bad(reader, type == MPACK_TOKEN_BIN ? "not bin" : "not a string");
    if (token.length > limit || token.length > reader->left)
        return because(reader->why, -EMSGSIZE, "field %s: %u bytes, more than the frame or the limit allows", reader->place, token.length);
    *ret = (struct span){ reader->at, token.length };
    reader->at += token.length;
    reader->left -= token.length;
    return 0;
}

static int copy_string(struct reader *reader, struct span *span)
{
    if (!span->size) {
        span->data = "";
        return 0;
    }
    char *copy = arena_take(reader->arena, (size_t)span->size + 1);
    if (!copy)
        return because(reader->why, -ENOMEM, "field %s: out of memory", reader->place);
    span->data = memcpy(copy, span->data, span->size);
    return 0;
}

static int get_bytes(struct reader *reader, uint32_t limit, struct span *ret)
{
    int r = get_string(reader, MPACK_TOKEN_BIN, limit, ret);
    return r < 0 ? r : copy_string(reader, ret);
}

static int get_text(struct reader *reader, uint32_t limit, const char **ret)
{
    struct span span;
    int r = get_string(reader, MPACK_TOKEN_STR, limit, &span);
    if (r < 0)
        return r;
    if (memchr(span.data, '\0', span.size))
        return bad(reader, "a NUL inside a text");
    r = copy_string(reader, &span);
    if (r < 0)
        return r;
    *ret = span.data;
    return 0;
}

static int get_fields(struct reader *reader, const struct layout *layout, char *base);

static int get_list(struct reader *reader, const struct layout *record, uint32_t limit, char **ret, uint32_t *ret_count)
{
    uint32_t count, fields;
    int r = get_array(reader, limit, &count);
    if (r < 0)
        return r;
    char *elements = arena_take(reader->arena, count * record->size);
    if (!elements)
        return because(reader->why, -ENOMEM, "field %s: out of memory", reader->place);
    for (uint32_t i = 0; i < count; i++) {
        r = get_array(reader, 64, &fields);
        if (r < 0)
            return r;
        if (fields != (uint32_t)record->fields)
            return bad(reader, "a record with another number of fields");
        r = get_fields(reader, record, elements + i * record->size);
        if (r < 0)
            return r;
    }
    *ret = elements;
    *ret_count = count;
    return 0;
}

static int get_field(struct reader *reader, const struct field *field, char *base)
{
    void *at = base + field->offset;
    uint64_t number;
    int r;
    reader->place = field->name;
    switch (field->type) {
    case FIELD_U32:
        r = get_uint(reader, UINT32_MAX, &number);
        if (r == 0)
            *(uint32_t *)at = (uint32_t)number;
        return r;
    case FIELD_U64:
        return get_uint(reader, UINT64_MAX, at);
    case FIELD_F32:
        return get_float(reader, at);
    case FIELD_BYTES:
        return get_bytes(reader, field->limit, at);
    case FIELD_TEXT:
        return get_text(reader, field->limit, at);
    case FIELD_LIST:
        return get_list(reader, field->record, field->limit, at, (uint32_t *)(void *)(base + field->count_offset));
    }
    return -EBADMSG;
}

static int get_fields(struct reader *reader, const struct layout *layout, char *base)
{
    for (int i = 0; i < layout->fields; i++) {
        int r = get_field(reader, &layout->field[i], base);
        if (r < 0)
            return r;
    }
    return 0;
}

/* Who are you, and no: what programs of different versions must understand of each other. */
static bool is_for_all_versions(uint64_t kind)
{
    return kind == MESSAGE_hello || kind == MESSAGE_probe || kind == MESSAGE_refuse || kind == MESSAGE_status;
}

/* Fields of another version that are missing. */
static void clear_fields(const struct layout *layout, int from, char *base)
{
    for (int i = from; i < layout->fields; i++) {
        if (layout->field[i].type == FIELD_TEXT)
            *(const char **)(base + layout->field[i].offset) = "";
        else if (layout->field[i].type == FIELD_BYTES)
            *(struct span *)(base + layout->field[i].offset) = (struct span){ "", 0 };
    }
}

static int get_head(struct reader *reader, struct message *message, int *ret_fields)
{
    uint32_t fields;
    uint64_t kind;
    reader->place = "head";
    int r = get_array(reader, 64, &fields);
    if (r < 0)
        return r;
    if (!fields)
        return bad(reader, "an empty message");
    r = get_uint(reader, UINT32_MAX, &kind);
    if (r < 0)
        return r;
    if (kind == MESSAGE_none || kind >= MESSAGE_KINDS)
        return bad(reader, "an unknown kind of message");
    *ret_fields = (int)fields - 3;
    if (*ret_fields != message_layouts[kind]->fields && (*ret_fields < 1 || !is_for_all_versions(kind)))
        return bad(reader, "a message with another number of fields");
    message->kind = (enum message_kind)kind;
    r = get_uint(reader, UINT64_MAX, &message->from);
    return r < 0 ? r : get_uint(reader, UINT64_MAX, &message->to);
}

static int get_body(struct reader *reader, struct message *message, int fields)
{
    struct layout layout = *message_layouts[message->kind];
    bool same = fields == layout.fields;
    if (fields < layout.fields) {
        clear_fields(&layout, fields, message_body(message));
        layout.fields = fields;
    }
    int r = get_fields(reader, &layout, message_body(message));
    if (r == 0 && !same && message->kind == MESSAGE_hello && message->hello.protocol == PROTOCOL_VERSION)
        r = bad(reader, "a message with another number of fields");
    if (!same)
        reader->left = 0; /* what this version does not know */
    return r;
}

int message_decode(const void *frame, size_t size, struct message *ret, struct why *why)
{
    if (size > LIMIT_FRAME)
        return because(why, -EMSGSIZE, "a frame of %zu bytes, the limit is %u", size, LIMIT_FRAME);
    struct message message = { 0 };
    arena_init(&message.arena, LIMIT_DECODED);
    struct reader reader = { frame, size, &message.arena, why, "head" };
    int fields = 0;
    int r = get_head(&reader, &message, &fields);
    if (r == 0)
        r = get_body(&reader, &message, fields);
    if (r == 0 && reader.left)
        r = bad(&reader, "bytes after the last field");
    if (r < 0) {
        arena_done(&message.arena);
        return r;
    }
    *ret = message;
    return 0;
}

void message_free(struct message *message)
{
    arena_done(&message->arena);
}

static int list_decode(const struct layout *record, const void *data, size_t size, struct arena *arena, char **ret, uint32_t *ret_count)
{
    struct reader reader = { data, size, arena, NULL, record->name };
    char *elements;
    uint32_t count;
    int r = get_list(&reader, record, LIMIT_BATCH, &elements, &count);
    if (r < 0)
        return r;
    if (reader.left)
        return -EBADMSG;
    *ret = elements;
    *ret_count = count;
    return 0;
}

int items_decode(const void *data, size_t size, struct arena *arena, struct rec_item **ret, uint32_t *ret_count)
{
    char *elements;
    int r = list_decode(&layout_item, data, size, arena, &elements, ret_count);
    if (r == 0)
        *ret = (struct rec_item *)(void *)elements;
    return r;
}

int rows_decode(const void *data, size_t size, struct arena *arena, struct rec_row **ret, uint32_t *ret_count)
{
    char *elements;
    int r = list_decode(&layout_row, data, size, arena, &elements, ret_count);
    if (r == 0)
        *ret = (struct rec_row *)(void *)elements;
    return r;
}
