/* test_fetch_stalls.c: when a transfer counts as one that stands still. */
#include "tests/test.h"
#include "worker/fetch/getter.h"

#define STALL 1000

static struct transfer begun_at(uint64_t now)
{
    return (struct transfer){ .start_ns = now, .looked_ns = now };
}

TEST(what_brings_nothing_for_the_stall_time_has_stalled)
{
    struct transfer transfer = begun_at(5000);
    CHECK(!getter_has_stalled(STALL, &transfer, 5000 + STALL));
    CHECK(getter_has_stalled(STALL, &transfer, 5000 + STALL + 1));
}

TEST(what_moves_has_its_time_again)
{
    struct transfer transfer = begun_at(5000);
    transfer.size = 4096;
    CHECK(!getter_has_stalled(STALL, &transfer, 5900));
    CHECK(!getter_has_stalled(STALL, &transfer, 5900 + STALL));
    CHECK(getter_has_stalled(STALL, &transfer, 5900 + STALL + 1));
}

/* A byte now and then is no progress, but many of them together are. */
TEST(what_drips_has_stalled)
{
    struct transfer transfer = begun_at(0);
    for (uint64_t now = 100; now <= STALL; now += 100) {
        transfer.size += 400;
        CHECK(!getter_has_stalled(STALL, &transfer, now));
    }
    CHECK(getter_has_stalled(STALL, &transfer, STALL + 1)); /* 4000 bytes */
    transfer.size += 96;
    CHECK(!getter_has_stalled(STALL, &transfer, STALL + 2));
}

TEST(what_moves_only_just_has_stalled_in_the_end)
{
    struct transfer transfer = begun_at(0);
    for (uint64_t now = STALL; now <= 10 * STALL; now += STALL) {
        transfer.size += 5000;
        CHECK(!getter_has_stalled(STALL, &transfer, now));
    }
    transfer.size += 5000;
    CHECK(getter_has_stalled(STALL, &transfer, 10 * STALL + 1));
}
