/* test_courier.c: what a coordinator lends, on its way from the loop to the loader: in order, no more at once than there is room for, no more than was said. */
#include "worker/courier.h"

#include "common/clock.h"
#include "common/thread.h"
#include "tests/test.h"

#include <poll.h>

#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static char bytes[LIMIT_CHUNK];

struct scene {
    struct mailbox box;
    struct courier courier;
    struct cache_part part;
    uint64_t size;
    struct thread loader;
    int r;
    struct why why;
};

static void open_scene(struct scene *scene, uint64_t size)
{
    char path[PATH_MAX];
    struct why why;
    *scene = (struct scene){ .size = size, .part = CACHE_PART_NONE };
    CHECK_INT(mailbox_init(&scene->box), 0);
    CHECK_INT(courier_init(&scene->courier, &scene->box), 0);
    CHECK_INT(cache_content_path("cache", HASH, "", path, &why), 0);
    CHECK_INT(cache_part_open(path, size, &scene->part, &why), 0);
}

static void close_scene(struct scene *scene)
{
    cache_part_close(&scene->part);
    courier_done(&scene->courier);
    mailbox_done(&scene->box);
}

/* As courier_fetch() begins, with a loader that does not come to take anything. */
static void want(struct scene *scene)
{
    strcpy(scene->courier.sha256, HASH);
    scene->courier.size = scene->size;
    scene->courier.heard_ns = clock_now_ns();
}

static void deliver_of(struct scene *scene, const char *sha256, uint64_t offset, uint32_t size)
{
    courier_deliver(&scene->courier, &(struct msg_model_chunk){ .sha256 = sha256, .offset = offset, .data = { bytes, size }, .detail = "" });
}

static void deliver(struct scene *scene, uint64_t offset, uint32_t size)
{
    deliver_of(scene, HASH, offset, size);
}

static uint64_t next(struct scene *scene)
{
    char sha256[SHA256_HEX];
    uint64_t offset;
    uint32_t length;
    CHECK(courier_next(&scene->courier, sha256, &offset, &length));
    CHECK_STR(sha256, HASH);
    CHECK_INT(length, scene->size - offset < LIMIT_CHUNK ? scene->size - offset : LIMIT_CHUNK);
    return offset;
}

static bool asks(struct scene *scene)
{
    char sha256[SHA256_HEX];
    uint64_t offset;
    uint32_t length;
    return courier_next(&scene->courier, sha256, &offset, &length);
}

TEST(only_the_piece_that_comes_next_is_kept_and_none_that_reaches_beyond_the_end)
{
    struct scene scene;
    open_scene(&scene, 100);
    deliver(&scene, 0, 10); /* nothing is wanted */
    CHECK_INT(scene.courier.came, 0);
    want(&scene);
    deliver_of(&scene, "another", 0, 10);
    deliver(&scene, 10, 10);
    deliver(&scene, 0, 0);
    deliver(&scene, 0, 101);
    CHECK_INT(scene.courier.came, 0);
    deliver(&scene, 0, 60);
    deliver(&scene, 0, 60);
    deliver(&scene, 60, 41);
    CHECK_INT(scene.courier.came, 60);
    deliver(&scene, 60, 40);
    CHECK_INT(scene.courier.came, 100);
    CHECK_INT(scene.courier.waiting, 2);
    close_scene(&scene);
}

TEST(no_more_pieces_wait_for_the_loader_than_there_is_room_for)
{
    struct scene scene;
    open_scene(&scene, 100);
    want(&scene);
    for (uint64_t i = 0; i < 2 * COURIER_WINDOW; i++)
        deliver(&scene, i, 1);
    CHECK_INT(scene.courier.waiting, COURIER_WINDOW);
    CHECK_INT(scene.courier.came, COURIER_WINDOW);
    close_scene(&scene);
}

TEST(what_is_under_way_is_asked_for_once_and_again_when_it_may_be_lost)
{
    struct scene scene;
    open_scene(&scene, 9 * (uint64_t)LIMIT_CHUNK + 5);
    CHECK(!asks(&scene));
    want(&scene);
    for (uint64_t i = 0; i < COURIER_WINDOW; i++)
        CHECK_INT(next(&scene), i * LIMIT_CHUNK);
    CHECK(!asks(&scene));
    deliver(&scene, 0, LIMIT_CHUNK);
    courier_again(&scene.courier);
    CHECK_INT(next(&scene), LIMIT_CHUNK);
    courier_again(&scene.courier);
    deliver(&scene, LIMIT_CHUNK, LIMIT_CHUNK); /* it was only late */
    CHECK_INT(next(&scene), 2 * LIMIT_CHUNK);
    courier_cancel(&scene.courier);
    CHECK(!asks(&scene));
    close_scene(&scene);
}

TEST(silence_counts_only_while_something_is_under_way)
{
    struct scene scene;
    open_scene(&scene, LIMIT_CHUNK);
    want(&scene);
    CHECK(!courier_stalled(&scene.courier, scene.courier.heard_ns + 11, 10)); /* nothing was asked for */
    next(&scene);
    CHECK(!courier_stalled(&scene.courier, scene.courier.heard_ns + 10, 10));
    CHECK(courier_stalled(&scene.courier, scene.courier.heard_ns + 11, 10));
    CHECK_INT(next(&scene), 0);
    deliver(&scene, 0, LIMIT_CHUNK);
    CHECK(!courier_stalled(&scene.courier, scene.courier.heard_ns + 11, 10)); /* the loader has not taken it yet */
    close_scene(&scene);
}

/* ---- with a loader -------------------------------------------------------------------------------------------------------- */

static void fetch(void *arg)
{
    struct scene *scene = arg;
    scene->r = courier_fetch(&scene->courier, HASH, scene->size, &scene->part, &scene->why);
}

static void start(struct scene *scene)
{
    CHECK_INT(thread_start(&scene->loader, "load", fetch, scene), 0);
}

static void wait_for_mail(struct scene *scene)
{
    struct pollfd wait = { .fd = scene->box.fd, .events = POLLIN };
    CHECK_INT(poll(&wait, 1, -1), 1);
    CHECK(mailbox_take(&scene->box) == &scene->courier.mail);
    courier_took_mail(&scene->courier);
}

TEST(a_refusal_ends_a_fetch_and_says_nothing_of_the_next)
{
    struct scene scene;
    uint64_t end = 2 * (uint64_t)LIMIT_CHUNK + 7;
    open_scene(&scene, end);
    start(&scene);
    wait_for_mail(&scene);
    CHECK_INT(next(&scene), 0);
    courier_deliver(&scene.courier, &(struct msg_model_chunk){ .sha256 = HASH, .detail = "it is gone" });
    thread_join(&scene.loader);
    CHECK_INT(scene.r, -EREMOTEIO);
    CHECK_CONTAINS(scene.why.text, "it is gone");
    start(&scene);
    for (uint64_t at = 0; at < end;) {
        wait_for_mail(&scene);
        for (; asks(&scene); at += LIMIT_CHUNK)
            deliver(&scene, at, end - at < LIMIT_CHUNK ? (uint32_t)(end - at) : LIMIT_CHUNK);
    }
    thread_join(&scene.loader);
    CHECK_INT(scene.r, 0);
    CHECK_INT(scene.part.size, end);
    close_scene(&scene);
}

TEST(a_cancelled_fetch_ends_and_so_do_later_ones_until_it_is_allowed_again)
{
    struct scene scene;
    open_scene(&scene, 10);
    start(&scene);
    wait_for_mail(&scene);
    courier_cancel(&scene.courier);
    thread_join(&scene.loader);
    CHECK_INT(scene.r, -ECANCELED);
    fetch(&scene);
    CHECK_INT(scene.r, -ECANCELED);
    CHECK(courier_is_cancelled(&scene.courier));
    courier_allow(&scene.courier);
    wait_for_mail(&scene); /* of those that ended */
    start(&scene);
    wait_for_mail(&scene);
    CHECK_INT(next(&scene), 0);
    deliver(&scene, 0, 10);
    thread_join(&scene.loader);
    CHECK_INT(scene.r, 0);
    close_scene(&scene);
}
