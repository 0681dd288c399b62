#include "common/json.h"

#include "tests/test.h"

#include <jansson.h>

/* Keys come twice, so that what was taken early is given back before what was taken late. */
static const char text[] = "{\"a\": [1, {\"b\": \"short\", \"b\": \"a longer one than that, which needs a block of another size\"}], \"k\": {\"x\": [\"y\", \"z\"]}, \"k\": 2}";

TEST(what_is_replaced_while_a_text_is_read_is_freed_once)
{
    for (int i = 0; i < 100; i++) {
        json_t *json = json_read(text, strlen(text), 0, NULL);
        CHECK(json && json_integer_value(json_object_get(json, "k")) == 2);
        json_decref(json);
    }
    CHECK(!json_refused());
}

TEST(a_text_that_ends_early_leaves_nothing_behind)
{
    for (size_t size = 0; size < strlen(text); size++)
        CHECK(!json_read(text, size, 0, NULL));
    json_t *json = json_read(text, strlen(text), 0, NULL);
    CHECK(json);
    json_decref(json);
}

TEST(a_text_is_written_into_memory_that_free_takes)
{
    json_t *json = json_pack("{s[ii]}", "a", 1, 2);
    char *written = json_write(json, JSON_COMPACT);
    CHECK_STR(written, "{\"a\":[1,2]}");
    free(written);
    json_decref(json);
}

TEST(a_refusal_is_remembered_until_it_is_watched_for_again)
{
    json_watch();
    CHECK(!json_refused());
    json_refuse();
    CHECK(json_refused());
    json_watch();
    CHECK(!json_refused());
}
