#include "common/bytes.h"

#include "tests/test.h"

TEST(pieces_are_appended_in_order_and_end_in_a_nul)
{
    struct bytes b;
    bytes_init(&b, 100);
    CHECK_INT(bytes_append(&b, "a\0b", 3), 0);
    CHECK_INT(bytes_append_text(&b, "cd"), 0);
    CHECK_INT(bytes_append_char(&b, 'e'), 0);
    CHECK_INT(bytes_printf(&b, "%d-%s", 42, "x"), 0);
    CHECK_INT(b.size, 10);
    CHECK(!memcmp(b.data, "a\0bcde42-x", 11));
    bytes_done(&b);
}

TEST(many_small_appends_grow_it)
{
    struct bytes b;
    bytes_init(&b, 1 << 20);
    for (int i = 0; i < 100000; i++)
        bytes_append_char(&b, (char)i);
    CHECK_INT(bytes_error(&b), 0);
    CHECK_INT(b.size, 100000);
    for (int i = 0; i < 100000; i++)
        CHECK(b.data[i] == (char)i);
    bytes_done(&b);
}

TEST(the_cap_may_be_reached_and_not_passed)
{
    struct bytes b;
    bytes_init(&b, 4);
    CHECK_INT(bytes_append(&b, "1234", 4), 0);
    CHECK_INT(bytes_append(&b, "", 0), 0);
    CHECK_INT(bytes_append_char(&b, '5'), -EMSGSIZE);
    CHECK(!b.data && !b.size);
    CHECK_INT(bytes_append(&b, "1", 1), -EMSGSIZE);
    CHECK_INT(bytes_printf(&b, "1"), -EMSGSIZE);
    CHECK(!bytes_room(&b, 0) && !bytes_take(&b));
    CHECK_INT(bytes_error(&b), -EMSGSIZE);
    bytes_done(&b);
}

TEST(sizes_that_would_wrap_are_refused)
{
    struct bytes b;
    bytes_init(&b, SIZE_MAX / 2);
    bytes_append_char(&b, 'x');
    CHECK(!bytes_room(&b, SIZE_MAX - 1));
    CHECK_INT(bytes_error(&b), -EMSGSIZE);
    bytes_done(&b);
}

TEST(a_cleared_buffer_is_empty_and_works_again_after_an_error)
{
    struct bytes b;
    bytes_init(&b, 8);
    bytes_append_text(&b, "12345678");
    bytes_clear(&b);
    CHECK_INT(b.size, 0);
    CHECK_STR(b.data, "");
    bytes_append_text(&b, "123456789");
    CHECK_INT(bytes_error(&b), -EMSGSIZE);
    bytes_clear(&b);
    CHECK_INT(bytes_append_text(&b, "ok"), 0);
    CHECK_STR(b.data, "ok");
    bytes_done(&b);
}

TEST(room_may_be_filled_by_the_caller)
{
    struct bytes b;
    bytes_init(&b, 100);
    char *room = bytes_room(&b, 50);
    memcpy(room, "half", 4);
    bytes_grew(&b, 4);
    CHECK_STR(b.data, "half");
    CHECK_INT(b.size, 4);
    bytes_done(&b);
}

TEST(taking_hands_the_text_over_and_leaves_it_empty)
{
    struct bytes b;
    bytes_init(&b, 10);
    char *nothing = bytes_take(&b);
    CHECK_STR(nothing, "");
    bytes_append_text(&b, "text");
    char *text = bytes_take(&b);
    CHECK_STR(text, "text");
    CHECK(!b.data && !b.size && b.cap == 10);
    free(text);
    free(nothing);
    bytes_done(&b);
}

TEST(a_buffer_may_be_told_that_it_failed)
{
    struct bytes bytes;
    bytes_init(&bytes, 100);
    CHECK_INT(bytes_append_text(&bytes, "text"), 0);
    CHECK_INT(bytes_fail(&bytes, -ENOMEM), -ENOMEM);
    CHECK_INT(bytes_append_text(&bytes, "more"), -ENOMEM);
    CHECK(bytes_error(&bytes) == -ENOMEM && !bytes.data && !bytes.size);
    bytes_done(&bytes);
}
