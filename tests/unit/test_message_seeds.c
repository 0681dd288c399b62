/* test_message_seeds.c: the fuzz target for messages begins with one of every kind, in tests/corpus/message. After a change of messages.def they
 * are written anew:
 *
 *     SLEDDOG_WRITE_SEEDS=1 SLEDDOG_BUILD=$PWD/build build/tests/unit/test_message_seeds */
#include "proto/layout.h"

#include "common/arena.h"
#include "common/cleanup.h"
#include "tests/test.h"

#include <math.h>
#include <sys/stat.h>

#define ELEMENTS 2 /* of a list */

static struct arena arena; /* of the lists */

static void fill(const struct layout *layout, char *at);

static void fill_list(const struct field *field, char *at)
{
    uint32_t *count = (uint32_t *)(at + field->count_offset);
    char *list = arena_take(&arena, ELEMENTS * field->record->size);
    CHECK(list);
    for (*count = 0; *count < ELEMENTS; (*count)++)
        fill(field->record, list + *count * field->record->size);
    *(void **)(at + field->offset) = list;
}

/* Something in every field. */
static void fill(const struct layout *layout, char *at)
{
    for (int i = 0; i < layout->fields; i++) {
        const struct field *field = &layout->field[i];
        void *value = at + field->offset;
        switch (field->type) {
        case FIELD_U32:
            *(uint32_t *)value = (uint32_t)i + 1;
            break;
        case FIELD_U64:
            *(uint64_t *)value = 1ull << (8 * i % 64);
            break;
        case FIELD_F32:
            *(float *)value = 0.25f;
            break;
        case FIELD_BYTES:
            *(struct span *)value = (struct span){ "/a\xff", 3 };
            break;
        case FIELD_TEXT:
            *(const char **)value = "text";
            break;
        case FIELD_LIST:
            fill_list(field, at);
            break;
        }
    }
}

static struct message full_message(enum message_kind kind)
{
    struct message message = { .kind = kind, .from = 1, .to = 2 };
    fill(message_layouts[kind], message_body(&message));
    return message;
}

static void check_seed(const char *name, const void *data, size_t size)
{
    char path[4096];
    struct stat status;
    snprintf(path, sizeof(path), "%s/tests/corpus/message/%s", test_source(), name);
    if (getenv("SLEDDOG_WRITE_SEEDS"))
        test_write_file(path, data, size);
    size_t found = 0;
    CLEANUP(freep) char *content = stat(path, &status) == 0 ? test_read_file(path, &found) : NULL;
    if (!content || found != size || memcmp(content, data, size))
        test_fail(__FILE__, __LINE__, "%s is missing, or of another release; write the seeds anew, as %s says at its top", path, __FILE__);
}

static void encode(const struct message *message, struct bytes *out)
{
    bytes_init(out, LIMIT_FRAME);
    CHECK_INT(message_encode(message, out), 0);
}

TEST(the_fuzzer_begins_with_a_message_of_every_kind)
{
    arena_init(&arena, 1 << 20);
    for (int kind = 1; kind < MESSAGE_KINDS; kind++) {
        struct message message = full_message((enum message_kind)kind), again;
        CLEANUP(bytes_done) struct bytes frame;
        struct why why = { "" };
        encode(&message, &frame);
        if (message_decode(frame.data, frame.size, &again, &why) < 0)
            test_fail(__FILE__, __LINE__, "%s: %s", message_layouts[kind]->name, why.text);
        message_free(&again);
        check_seed(message_layouts[kind]->name, frame.data, frame.size);
    }
    arena_done(&arena);
}

TEST(and_with_two_that_are_not_what_they_seem)
{
    CLEANUP(bytes_done) struct bytes nan, huge;
    arena_init(&arena, 1 << 20);
    struct message message = full_message(MESSAGE_result);
    message.result.rows[0].predictions[0].probability = NAN;
    encode(&message, &nan);
    check_seed("not-a-number", nan.data, nan.size);
    message = (struct message){ .kind = MESSAGE_result, .from = 1, .to = 2, .result = { .epoch = 3, .batch = 4, .attempt = 5 } };
    encode(&message, &huge);
    char *list = memchr(huge.data + 1, 0x90, huge.size - 1); /* no elements: then 2^32 - 1 */
    CHECK(list);
    huge.size = (size_t)(list - huge.data);
    bytes_append(&huge, "\xdd\xff\xff\xff\xff", 5);
    check_seed("huge-list", huge.data, huge.size);
    arena_done(&arena);
}
