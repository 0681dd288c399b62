#include "proto/messages.h"

#include "common/cleanup.h"
#include "tests/test.h"

static struct message decoded(const struct bytes *frame)
{
    struct message message;
    struct why why = { "" };
    int r = message_decode(frame->data, frame->size, &message, &why);
    if (r < 0)
        test_fail(__FILE__, __LINE__, "decode: %d %s", r, why.text);
    return message;
}

static struct message sample_result(struct rec_row *rows, struct rec_prediction *predictions)
{
    predictions[0] = (struct rec_prediction){ 151, 0.873112f };
    predictions[1] = (struct rec_prediction){ 999, 0.1f };
    rows[0] = (struct rec_row){ .predictions = predictions, .predictions_count = 2 };
    rows[1] = (struct rec_row){ .error = ROW_DECODE, .detail = "JPEG data ends", .values = { "\0\1\2\3", 4 } };
    return (struct message){ .kind = MESSAGE_result, .from = UINT64_MAX, .to = 7,
                             .result = { .epoch = 2, .batch = 1ull << 40, .attempt = 3, .rows = rows, .rows_count = 2 } };
}

TEST(a_result_survives_the_wire)
{
    struct rec_row rows[2];
    struct rec_prediction predictions[2];
    struct message sent = sample_result(rows, predictions);
    struct bytes frame;
    bytes_init(&frame, LIMIT_FRAME);
    CHECK_INT(message_encode(&sent, &frame), 0);
    struct message got = decoded(&frame);
    CHECK_INT(got.kind, MESSAGE_result);
    CHECK(got.from == UINT64_MAX && got.to == 7);
    CHECK(got.result.batch == 1ull << 40);
    CHECK_INT(got.result.rows_count, 2);
    CHECK_INT(got.result.rows[0].predictions[1].index, 999);
    CHECK(got.result.rows[0].predictions[0].probability == 0.873112f);
    CHECK_STR(got.result.rows[1].detail, "JPEG data ends");
    CHECK_INT(got.result.rows[1].values.size, 4);
    CHECK(!memcmp(got.result.rows[1].values.data, "\0\1\2\3", 4));
    message_free(&got);
    bytes_done(&frame);
}

TEST(every_kind_of_message_survives_the_wire_empty)
{
    for (int kind = 1; kind < MESSAGE_KINDS; kind++) {
        struct message sent = { .kind = (enum message_kind)kind, .from = 1, .to = 2 };
        struct bytes frame;
        bytes_init(&frame, LIMIT_FRAME);
        CHECK_INT(message_encode(&sent, &frame), 0);
        struct message got = decoded(&frame);
        CHECK_INT(got.kind, kind);
        message_free(&got);
        bytes_done(&frame);
    }
}

TEST(a_message_cut_anywhere_is_refused)
{
    struct rec_row rows[2];
    struct rec_prediction predictions[2];
    struct message sent = sample_result(rows, predictions);
    struct bytes frame;
    bytes_init(&frame, LIMIT_FRAME);
    message_encode(&sent, &frame);
    for (size_t size = 0; size < frame.size; size++) {
        char *cut = malloc(size + 1);
        memcpy(cut, frame.data, size);
        struct message got;
        CHECK(message_decode(cut, size, &got, NULL) < 0);
        free(cut);
    }
    bytes_append_char(&frame, 0);
    struct message got;
    CHECK_INT(message_decode(frame.data, frame.size, &got, NULL), -EBADMSG);
    bytes_done(&frame);
}

TEST(a_message_with_any_byte_changed_never_harms)
{
    struct rec_row rows[2];
    struct rec_prediction predictions[2];
    struct message sent = sample_result(rows, predictions);
    struct bytes frame;
    bytes_init(&frame, LIMIT_FRAME);
    message_encode(&sent, &frame);
    for (size_t at = 0; at < frame.size; at++)
        for (int value = 0; value < 256; value++) {
            char kept = frame.data[at];
            struct message got;
            frame.data[at] = (char)value;
            if (message_decode(frame.data, frame.size, &got, NULL) == 0)
                message_free(&got);
            frame.data[at] = kept;
        }
    bytes_done(&frame);
}

/* A hello of this version has no other number of fields; one of another version is understood as far as both know it. */
TEST(an_introduction_of_another_version_is_understood_and_a_wrong_one_of_this_version_is_not)
{
    static const struct { uint32_t protocol; int more; bool good; } cases[] = {
        { PROTOCOL_VERSION, 0, true }, { PROTOCOL_VERSION, 1, false }, { PROTOCOL_VERSION, -1, false }, { 99, 1, true }, { 2, -1, true }
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct message got, sent = { .kind = MESSAGE_hello, .from = 1, .hello = { .protocol = cases[i].protocol, .version = "7.0", .region = "here" } };
        struct bytes frame;
        bytes_init(&frame, LIMIT_FRAME);
        CHECK_INT(message_encode(&sent, &frame), 0);
        CHECK_INT((unsigned char)frame.data[0], 0xdc); /* array 16 */
        frame.data[2] = (char)(frame.data[2] + cases[i].more);
        if (cases[i].more > 0)
            bytes_append(&frame, "\xc0", 1); /* nil: of a type that this version does not have */
        else if (cases[i].more < 0)
            frame.size--;
        int r = message_decode(frame.data, frame.size, &got, NULL);
        CHECK_INT(r, cases[i].good ? 0 : -EBADMSG);
        if (r == 0) {
            CHECK_INT(got.hello.protocol, cases[i].protocol);
            CHECK_STR(got.hello.region, "here");
            message_free(&got);
        }
        bytes_done(&frame);
    }
}

TEST(an_introduction_that_says_nothing_but_its_version_has_no_field_missing)
{
    static const char frame[] = "\x95\x01\x05\x00\x63\xa3" "9.0"; /* [hello, from 5, to 0, protocol 99, "9.0"] */
    struct message got;
    CHECK_INT(message_decode(frame, sizeof(frame) - 1, &got, NULL), 0);
    CHECK_INT(got.hello.protocol, 99);
    CHECK_STR(got.hello.version, "9.0");
    CHECK_STR(got.hello.job, "");
    CHECK(got.hello.model_uri.data && !got.hello.model_uri.size);
    message_free(&got);
    CHECK_INT(message_decode("\x93\x01\x05\x00", 4, &got, NULL), -EBADMSG);
}

TEST(a_short_frame_that_claims_a_huge_list_costs_nothing)
{
    /* [result, 1, 1, epoch, batch, attempt, array32 of 2^32-1 ... */
    const char frame[] = "\x98\x0b\x01\x01\x01\x01\x01\xdd\xff\xff\xff\xff";
    struct message got;
    struct why why;
    CHECK_INT(MESSAGE_result, 0x0c);
    char own[sizeof(frame)];
    memcpy(own, frame, sizeof(frame));
    own[1] = MESSAGE_result;
    CHECK_INT(message_decode(own, sizeof(frame) - 1, &got, &why), -EMSGSIZE);
    CHECK_CONTAINS(why.text, "rows");
}

TEST(a_list_of_items_is_read_back_with_any_bytes_in_its_names)
{
    struct rec_item items[2] = { { .uri = { "/a\xff\n\0b", 6 }, .base = 1 }, { .uri = { "sim:1", 5 }, .size = 1ull << 50 } };
    struct bytes out;
    bytes_init(&out, 4096);
    CHECK_INT(items_encode(items, 2, &out), 0);
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct rec_item *got;
    uint32_t count;
    CHECK_INT(items_decode(out.data, out.size, &arena, &got, &count), 0);
    CHECK_INT(count, 2);
    CHECK(got[0].uri.size == 6 && !memcmp(got[0].uri.data, "/a\xff\n\0b", 6));
    CHECK(got[1].size == 1ull << 50);
    for (size_t size = 0; size < out.size; size++)
        CHECK_INT(items_decode(out.data, size, &arena, &got, &count) < 0, true);
    bytes_append_char(&out, '\0');
    CHECK_INT(items_decode(out.data, out.size, &arena, &got, &count), -EBADMSG);
    arena_done(&arena);
    bytes_done(&out);
}

TEST(a_message_prints_its_fields)
{
    struct message message = { .kind = MESSAGE_batch, .batch = { .epoch = 1, .batch = 7 } };
    struct bytes out;
    bytes_init(&out, 4096);
    CHECK_INT(message_print(&message, &out), 0);
    CHECK_STR(out.data, "batch{ epoch=1 batch=7 attempt=0 alone=0 call=0 number=0 items=[0] }");
    bytes_done(&out);
}
