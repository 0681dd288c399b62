#include "coordinator/sockets.h"

#include "tests/test.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static bool exists(const char *path)
{
    struct stat status;
    return lstat(path, &status) == 0;
}

static void bind_socket(const char *folder, const char *name)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    CHECK(snprintf(address.sun_path, sizeof(address.sun_path), "%.90s/%s", folder, name) < (int)sizeof(address.sun_path));
    CHECK_INT(bind(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&address, sizeof(address)), 0);
}

static void leave_things(const struct sockets *sockets)
{
    char path[256];
    bind_socket(sockets->folder, "1");
    bind_socket(sockets->folder, "256");
    snprintf(path, sizeof(path), "%s/1.crumbs", sockets->folder);
    test_write_file(path, "x", 1);
}

static void use(const char *job)
{
    struct sockets first, second;
    struct why why;
    char folder[108];
    CHECK_INT(sockets_open(job, &first, &why), 0);
    leave_things(&first);
    strcpy(folder, first.folder);
    free(first.link); /* its process was killed */
    CHECK_INT(sockets_open(job, &second, &why), 0);
    CHECK(!strcmp(folder, second.folder) || !exists(folder));
    leave_things(&second);
    strcpy(folder, second.folder);
    sockets_close(&second);
    CHECK(!exists(folder));
    sockets_close(&second); /* closed already */
}

TEST(workers_listen_in_the_job_directory_and_what_was_left_there_is_cleaned)
{
    struct sockets sockets;
    struct why why;
    struct stat status;
    CHECK_INT(mkdir("job", 0777), 0);
    use("job");
    CHECK(!exists("job/sockets"));
    CHECK_INT(sockets_open("job", &sockets, &why), 0);
    CHECK_STR(sockets.folder, "job/sockets");
    CHECK(stat("job/sockets", &status) == 0 && (status.st_mode & 0777) == 0700);
    sockets_close(&sockets);
}

TEST(a_path_that_is_too_long_for_sockets_is_a_link_to_one_that_is_not)
{
    struct sockets sockets;
    struct why why;
    char job[200], link[256];
    memset(job, 'j', sizeof(job));
    job[120] = '\0';
    CHECK_INT(mkdir(job, 0777), 0);
    snprintf(link, sizeof(link), "%s/sockets", job);
    use(job);
    CHECK(!exists(link));
    CHECK_INT(sockets_open(job, &sockets, &why), 0);
    CHECK(!strncmp(sockets.folder, "/tmp/sleddog-", 13) && exists(link));
    sockets_close(&sockets);
    CHECK(!exists(link));
}

TEST(what_is_not_ours_stays)
{
    struct sockets sockets;
    struct why why;
    CHECK_INT(mkdir("job", 0777), 0);
    CHECK_INT(mkdir("job/sockets", 0777), 0);
    test_write_file("job/sockets/letter", "x", 1);
    CHECK_INT(sockets_open("job", &sockets, &why), 0); /* elsewhere */
    sockets_close(&sockets);
    CHECK(exists("job/sockets/letter"));
    CHECK_INT(unlink("job/sockets/letter"), 0);
    CHECK_INT(rmdir("job/sockets"), 0);
    CHECK_INT(mkdir("elsewhere", 0777), 0);
    bind_socket("elsewhere", "1");
    CHECK_INT(symlink("elsewhere", "job/sockets"), 0);
    CHECK_INT(sockets_open("job", &sockets, &why), 0);
    sockets_close(&sockets);
    CHECK(exists("elsewhere/1"));
}
