#include "worker/fetch.h"

#include "tests/test.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

struct reserved {
    size_t size;
    int calls, answer;
};

static int reserve(void *arg, size_t size)
{
    struct reserved *reserved = arg;
    reserved->size = size;
    reserved->calls++;
    return reserved->answer;
}

static char *data;
static size_t size;
static struct why why;
static struct reserved reserved;
static bool here;

static enum row_error fetch_uri(const char *uri, size_t length)
{
    struct rec_item item = { .uri = { uri, (uint32_t)length } };
    reserved = (struct reserved){ .answer = reserved.answer };
    data = NULL;
    why.text[0] = '\0';
    return fetch(&item, &(struct fetch_reader){ .reserve = reserve, .arg = &reserved, .here = here }, &data, &size, &why);
}

/* A file of this test's folder. */
static enum row_error fetch_here(const char *name)
{
    char path[PATH_MAX + 300], folder[PATH_MAX];
    snprintf(path, sizeof(path), "%s/%s", getcwd(folder, sizeof(folder)), name);
    return fetch_uri(path, strlen(path));
}

TEST(a_file_is_read_whole_after_its_size_was_reserved)
{
    char bytes[100000];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)(i * 7);
    test_write_file("a\nname", bytes, sizeof(bytes));
    CHECK_INT(fetch_here("a\nname"), ROW_OK);
    CHECK(size == sizeof(bytes) && !memcmp(data, bytes, size));
    CHECK(reserved.size == sizeof(bytes) && reserved.calls == 1);
    free(data);
}

TEST(an_empty_file_is_a_file)
{
    test_write_file("empty", "", 0);
    CHECK_INT(fetch_here("empty"), ROW_OK);
    CHECK(size == 0 && data);
    free(data);
}

TEST(what_is_missing_is_not_found)
{
    test_write_file("file", "x", 1);
    CHECK_INT(fetch_here("missing"), ROW_NOT_FOUND);
    CHECK_STR(why.text, "no such file on the worker; on several nodes a path means a shared mount");
    CHECK_INT(fetch_here("file/below"), ROW_NOT_FOUND);
    CHECK_INT(symlink("nowhere", "dangling"), 0);
    CHECK_INT(fetch_here("dangling"), ROW_NOT_FOUND);
    CHECK_STR(why.text, "a symbolic link to nowhere, which is not there on the worker; on several nodes a path means a shared mount");
    CHECK(!reserved.calls && !data);
}

TEST(who_asks_on_this_machine_is_told_nothing_of_nodes)
{
    here = true;
    CHECK_INT(fetch_here("missing"), ROW_NOT_FOUND);
    CHECK_STR(why.text, "no such file");
    CHECK_INT(symlink("nowhere", "dangling"), 0);
    CHECK_INT(fetch_here("dangling"), ROW_NOT_FOUND);
    CHECK_STR(why.text, "a symbolic link to nowhere, which is not there");
}

TEST(what_may_not_be_read_is_denied)
{
    test_write_file("secret", "x", 1);
    CHECK_INT(chmod("secret", 0), 0);
    CHECK_INT(chmod(".", 0755), 0);
    if (geteuid() == 0 && seteuid(65534) < 0)
        test_skip("root reads everything, and this process may not become somebody else");
    CHECK_INT(fetch_here("secret"), ROW_DENIED);
    (void)!seteuid(getuid());
    CHECK_CONTAINS(why.text, "may not read");
}

TEST(folders_and_pipes_are_unsupported_and_hang_nobody)
{
    CHECK_INT(mkdir("folder", 0700), 0);
    CHECK_INT(mkfifo("fifo", 0600), 0);
    CHECK_INT(fetch_here("folder"), ROW_UNSUPPORTED);
    CHECK_CONTAINS(why.text, "a folder");
    CHECK_INT(fetch_here("fifo"), ROW_UNSUPPORTED);
    CHECK_CONTAINS(why.text, "not a regular file");
    CHECK_INT(fetch_uri("/dev/zero", 9), ROW_UNSUPPORTED);
    CHECK(!reserved.calls);
}

TEST(a_huge_file_is_refused_before_memory_is_taken)
{
    int fd = open("huge", O_CREAT | O_WRONLY, 0600);
    CHECK_INT(ftruncate(fd, ((off_t)1 << 30) + 1), 0);
    close(fd);
    CHECK_INT(fetch_here("huge"), ROW_TOO_LARGE);
    CHECK_CONTAINS(why.text, "larger than 1 GiB");
    CHECK(!reserved.calls);
}

TEST(odd_addresses_are_unsupported)
{
    CHECK_INT(fetch_uri("", 0), ROW_UNSUPPORTED);
    CHECK_INT(fetch_uri("relative", 8), ROW_UNSUPPORTED);
    CHECK_INT(fetch_uri("s3://bucket/key", 15), ROW_UNSUPPORTED);
    CHECK_CONTAINS(why.text, "cannot read such an address");
    CHECK_INT(fetch_uri("/etc/passwd\0x", 13), ROW_UNSUPPORTED);
    CHECK_CONTAINS(why.text, "NUL");
}

TEST(a_name_too_long_is_told_and_not_crashed_on)
{
    char name[PATH_MAX];
    memset(name, 'x', sizeof(name));
    name[0] = '/';
    name[PATH_MAX - 1] = '\0';
    CHECK_INT(fetch_uri(name, PATH_MAX - 1), ROW_FETCH);
    CHECK_CONTAINS(why.text, "cannot open: File name too long");
}

TEST(a_refused_reservation_stops_the_fetch)
{
    test_write_file("file", "x", 1);
    reserved.answer = -EPIPE;
    CHECK_INT(fetch_here("file"), ROW_FETCH);
    CHECK(!data && reserved.calls == 1);
}

static int shorten(void *arg, size_t asked)
{
    (void)asked;
    return truncate(arg, 3);
}

TEST(a_file_that_shrinks_while_it_is_read_is_an_error)
{
    char path[PATH_MAX + 10], here[PATH_MAX];
    test_write_file("shrinks", "0123456789", 10);
    snprintf(path, sizeof(path), "%s/shrinks", getcwd(here, sizeof(here)));
    struct rec_item item = { .uri = { path, (uint32_t)strlen(path) } };
    CHECK_INT(fetch(&item, &(struct fetch_reader){ .reserve = shorten, .arg = path }, &data, &size, &why), ROW_FETCH);
    CHECK_CONTAINS(why.text, "became shorter");
}
