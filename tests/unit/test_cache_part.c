/* Files of the cache that come in pieces, and how much of all is kept. */
#include "common/cache_part.h"

#include "common/cache_limit.h"
#include "common/cleanup.h"
#include "tests/test.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" /* of "abc" */

static struct why why;
static char path[PATH_MAX];

static void place(void)
{
    CHECK_INT(cache_content_path("cache", ABC, "", path, &why), 0);
    CHECK_STR(path, "cache/sha256-" ABC);
}

TEST(a_file_that_came_in_pieces_gets_its_name_when_its_hash_is_right)
{
    struct cache_part part;
    char hex[SHA256_HEX];
    place();
    CHECK_INT(cache_part_open(path, 3, &part, &why), 0);
    CHECK_INT(part.size, 0);
    CHECK_INT(cache_part_append(&part, "ab", 2, &why), 0);
    cache_part_close(&part);
    CHECK(access(path, F_OK) < 0);
    CHECK_INT(cache_part_open(path, 3, &part, &why), 0); /* another process, perhaps: it goes on */
    CHECK_INT(part.size, 2);
    CHECK_INT(part.found, 2);
    CHECK_INT(cache_part_append(&part, "c", 1, &why), 0);
    CHECK_INT(cache_part_finish(&part, path, ABC, &why), 0);
    cache_part_close(&part);
    CHECK_INT(sha256_file(path, hex, &why), 0);
    CHECK_STR(hex, ABC);
    CHECK(access("cache/half-" ABC, F_OK) < 0);
}

TEST(wrong_content_never_gets_the_name_and_is_thrown_away)
{
    struct cache_part part;
    place();
    CHECK_INT(cache_part_open(path, 3, &part, &why), 0);
    CHECK_INT(cache_part_append(&part, "abd", 3, &why), 0);
    CHECK_INT(cache_part_finish(&part, path, ABC, &why), -EBADMSG);
    CHECK_CONTAINS(why.text, "and ba7816bf8f01... is wanted; it is thrown away");
    cache_part_close(&part);
    CHECK(access(path, F_OK) < 0 && access("cache/half-" ABC, F_OK) < 0);
}

TEST(a_half_file_longer_than_the_whole_begins_anew)
{
    struct cache_part part;
    place();
    test_write_file("cache/half-" ABC, "abcd", 4);
    CHECK_INT(cache_part_open(path, 3, &part, &why), 0);
    CHECK_INT(part.size, 0);
    cache_part_close(&part);
}

TEST(one_process_writes_a_half_file_and_another_is_told)
{
    struct cache_part part, other;
    place();
    CHECK_INT(cache_part_open(path, 3, &part, &why), 0);
    pid_t child = fork();
    if (child == 0)
        _exit(cache_part_open(path, 3, &other, &why) == -EAGAIN ? 0 : 1);
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    cache_part_close(&part);
    CHECK_INT(cache_part_open(path, 3, &other, &why), 0);
    cache_part_close(&other);
}

TEST(only_a_hash_is_a_name)
{
    CHECK_INT(cache_content_path("cache", "../../etc/passwd", "", path, &why), -EINVAL);
    CHECK_INT(cache_content_path("cache", "", "", path, &why), -EINVAL);
    CHECK_INT(cache_content_path("cache", "BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD", "", path, &why), -EINVAL);
}

TEST(a_half_file_is_no_way_to_another_file)
{
    struct cache_part part;
    place();
    test_write_file("victim", "precious", 8);
    CHECK_INT(symlink("../victim", "cache/half-" ABC), 0);
    CHECK(cache_part_open(path, 3, &part, &why) < 0);
    CHECK_INT(unlink("cache/half-" ABC), 0);
    CHECK_INT(mkfifo("cache/half-" ABC, 0600), 0);
    CHECK(cache_part_open(path, 3, &part, &why) < 0);
}

/* ---- how much is kept ---- */

static void keep_file(const char *name, size_t size, time_t used)
{
    CLEANUP(freep) char *data = calloc(1, size);
    char file[300];
    snprintf(file, sizeof(file), "cache/%s", name);
    mkdir("cache", 0700);
    test_write_file(file, data, size);
    CHECK_INT(utimensat(AT_FDCWD, file, (struct timespec[]){ { .tv_sec = used }, { .tv_nsec = UTIME_OMIT } }, 0), 0);
}

static bool is_kept(const char *name)
{
    char file[300];
    snprintf(file, sizeof(file), "cache/%s", name);
    return access(file, F_OK) == 0;
}

TEST(what_was_used_longest_ago_leaves_first_and_what_is_not_ours_stays)
{
    keep_file("sha256-a", 100, 3000);
    keep_file("half-b", 100, 1000);
    keep_file("0123456789abcdef_c.pth", 100, 2000);
    keep_file("crumbs-of-somebody", 100, 1);
    CHECK_INT(cache_make_room("cache", 300, 0, &why), 0);
    CHECK_INT(cache_make_room("cache", 300, 50, &why), 1);
    CHECK(!is_kept("half-b"));
    CHECK_INT(cache_make_room("cache", 300, 150, &why), 1);
    CHECK(!is_kept("0123456789abcdef_c.pth"));
    CHECK(is_kept("sha256-a") && is_kept("crumbs-of-somebody"));
    CHECK_INT(cache_make_room("cache", 0, 1000, &why), 0); /* no limit */
}

TEST(one_file_may_have_the_room_of_all)
{
    keep_file("sha256-a", 100, 1000);
    keep_file("sha256-b", 100, 2000);
    CHECK_INT(cache_make_room("cache", 200, 200, &why), 2);
    CHECK(!is_kept("sha256-a") && !is_kept("sha256-b"));
}

TEST(what_is_no_file_takes_no_room_and_stays_whatever_its_name)
{
    keep_file("sha256-a", 100, 1000);
    CHECK_INT(mkdir("cache/sha256-folder", 0700), 0);
    CHECK_INT(mkfifo("cache/half-pipe", 0600), 0);
    CHECK_INT(symlink("sha256-a", "cache/sha256-link"), 0);
    CHECK_INT(cache_make_room("cache", 200, 100, &why), 0);
    CHECK_INT(cache_make_room("cache", 200, 200, &why), 1);
    CHECK(!is_kept("sha256-a") && is_kept("sha256-folder") && is_kept("half-pipe"));
    CHECK_INT(unlink("cache/sha256-link"), 0);
}

TEST(what_is_in_use_stays_and_counts_as_used)
{
    keep_file("sha256-old", 100, 1000);
    keep_file("sha256-new", 100, 2000);
    int fd = cache_hold("cache/sha256-old");
    CHECK(fd >= 0);
    CHECK_INT(cache_make_room("cache", 200, 100, &why), 1);
    CHECK(is_kept("sha256-old") && !is_kept("sha256-new"));
    CHECK_INT(cache_make_room("cache", 200, 150, &why), -EFBIG);
    CHECK_CONTAINS(why.text, "no room for 150 bytes: 100 are in use, and --cache-limit is 200");
    close(fd);
    keep_file("sha256-later", 50, 1500);
    CHECK_INT(cache_make_room("cache", 200, 100, &why), 1); /* held a moment ago: used later than that one */
    CHECK(is_kept("sha256-old") && !is_kept("sha256-later"));
}

TEST(more_than_the_limit_is_refused_and_nothing_is_removed_for_it)
{
    keep_file("sha256-a", 100, 1000);
    CHECK_INT(cache_make_room("cache", 200, 201, &why), -EFBIG);
    CHECK_CONTAINS(why.text, "201 bytes more are too much for a cache that --cache-limit keeps below 200");
    CHECK(is_kept("sha256-a"));
}
