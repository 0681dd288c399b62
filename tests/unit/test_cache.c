/* Weights from the web, against a server on this machine that behaves well and badly. */
#include "common/cache.h"
#include "common/cache_address.h"

#include "common/clock.h"
#include "common/download.h"
#include "tests/cluster/lib/cluster.h"
#include "tests/random_weights.h"
#include "tests/test.h"

#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int port;

/* Serves `file`; ends with the test. */
static void serve(const char *file, const char *more)
{
    struct timespec nap = { 0, 20 * NS_PER_MS };
    unlink("port");
    CHECK_INT(test_shell(NULL, "python3 %s/tests/golden/http_server.py %s %s </dev/null >server.log 2>&1 &", test_source(), file, more), 0);
    for (int i = 0; i < 1000 && access("port", F_OK) < 0; i++)
        nanosleep(&nap, NULL);
    char *text = test_read_file("port", NULL);
    port = atoi(text);
    free(text);
    unsetenv("http_proxy");
    unsetenv("https_proxy");
    unsetenv("all_proxy");
}

static const char *url(const char *rest)
{
    static char text[512];
    snprintf(text, sizeof(text), "http://127.0.0.1:%d/%s", port, rest);
    return text;
}

static int count_requests(void)
{
    size_t size = 0;
    char *text = access("requests", F_OK) == 0 ? test_read_file("requests", &size) : NULL;
    int lines = 0;
    for (size_t i = 0; i < size; i++)
        lines += text[i] == '\n';
    free(text);
    return lines;
}

static void get(const char *uri, const char *sha256, struct cached *ret)
{
    struct why why;
    if (cache_get("cache/deep", uri, sha256, NULL, NULL, ret, &why) < 0)
        test_fail(__FILE__, __LINE__, "%s", why.text);
}

static void refuse(const char *uri, const char *sha256, int code, const char *part)
{
    struct cached file;
    struct why why = { "" };
    CHECK_INT(cache_get("cache", uri, sha256, NULL, NULL, &file, &why), code);
    CHECK_CONTAINS(why.text, part);
}

static const char abc[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"; /* sha256 of "abc" */

TEST(a_file_is_downloaded_once_and_whole)
{
    struct cached file, again;
    test_write_file("abc", "abc", 3);
    serve("abc", "");
    get(url("models/some%20model.pth"), "", &file);
    CHECK_STR(file.sha256, abc);
    CHECK_CONTAINS(file.path, "cache/deep/");
    CHECK_CONTAINS(file.path, "_some_20model.pth");
    char *content = test_read_file(file.path, NULL);
    CHECK_STR(content, "abc");
    free(content);
    get(url("models/some%20model.pth"), abc, &again);
    CHECK_STR(again.path, file.path);
    CHECK_INT(count_requests(), 1);
    get(url("models/other.pth"), "", &again);
    CHECK(strcmp(again.path, file.path));
    CHECK_INT(count_requests(), 2);
    get(url("moved/x.pth"), "", &again);
    CHECK_INT(count_requests(), 4);
}

TEST(the_hash_must_be_the_one_that_is_wanted)
{
    static const char other[] = "0000000000000000000000000000000000000000000000000000000000000000";
    struct cached file;
    char pinned[700];
    test_write_file("abc", "abc", 3);
    serve("abc", "");
    snprintf(pinned, sizeof(pinned), "%s#sha256=%s", url("file"), abc);
    get(pinned, "", &file);
    get(pinned, abc, &file);
    CHECK_INT(count_requests(), 1);
    refuse(pinned, other, -EBADMSG, "and the job wants 000000000000...");
    refuse(url("file"), other, -EBADMSG, "its sha256 is ba7816bf8f01..., and 000000000000... is wanted");
    get(url("model-ba7816bf.pth"), "", &file);
    get(url("12ab34cd.pth"), "", &file); /* a name, no claim */
    CHECK_INT(sha256_check_name(file.path, abc, NULL), 0);
    refuse(url("model-12ab34cd.pth"), "", -EBADMSG, "begins with 12ab34cd, and it begins with ba7816bf");
    CHECK_INT(test_shell(NULL, "test -z \"$(find cache -maxdepth 1 -type f)\""), 0);
}

TEST(a_cached_file_that_is_not_right_any_more_is_fetched_again)
{
    struct cached file;
    test_write_file("abc", "abc", 3);
    serve("abc", "");
    get(url("file"), abc, &file);
    test_write_file(file.path, "abd", 3);
    get(url("file"), abc, &file);
    CHECK_STR(file.sha256, abc);
    CHECK_INT(count_requests(), 2);
}

TEST(what_goes_wrong_is_said_and_leaves_nothing)
{
    test_write_file("abc", "abcdefgh", 8);
    serve("abc", "");
    refuse(url("missing"), "", -ENOENT, "the server has no such file (status 404)");
    refuse(url("forbidden"), "", -EACCES, "refuses it (status 403)");
    refuse(url("broken"), "", -EIO, "status 503; try again later");
    refuse(url("cut"), "", -EIO, "ended before the whole file");
    refuse(url("circle"), "", -EIO, "redirects");
    refuse(url("away"), "", -EIO, "redirects to an address that is not followed");
    refuse(url("page"), "", -EIO, "the server sent a web page, not a file");
    refuse(url("huge"), "", -EFBIG, "larger than");
    refuse("http://127.0.0.1:1/x", "", -EIO, "is there a network here?");
    CHECK_INT(test_shell(NULL, "test -z \"$(find cache -maxdepth 1 -type f)\""), 0);
    struct cached file;
    struct why why;
    test_write_file("plain", "", 0);
    CHECK_INT(cache_get("plain/sub", url("file"), "", NULL, NULL, &file, &why), -ENOTDIR);
    CHECK_CONTAINS(why.text, "cannot make the cache's folder");
}

TEST(a_full_disk_is_told)
{
    struct why why;
    test_write_file("abc", "abc", 3);
    serve("abc", "");
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    CHECK(fd >= 0);
    CHECK_INT(download(url("file"), fd, 100, &why), -ENOSPC);
    CHECK_CONTAINS(why.text, "cannot write what comes: No space left on device");
    CHECK_INT(download(url("file"), fd, 2, &why), -EFBIG);
    close(fd);
    download_stop();
    fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    CHECK_INT(download(url("file"), fd, 100, &why), -ECANCELED);
    close(fd);
}

TEST(the_longest_address_is_kept_whole_and_a_longer_one_refused)
{
    struct cache_address address;
    struct why why;
    char longest[CACHE_URL_MAX + 1] = "https://host/";
    memset(longest + strlen(longest), 'x', sizeof(longest) - strlen(longest) - 2);
    CHECK_INT(strlen(longest), CACHE_URL_MAX - 1);
    CHECK_INT(cache_address_parse(longest, &address, &why), 0);
    CHECK_STR(address.url, longest);
    strcat(longest, "x");
    CHECK_INT(cache_address_parse(longest, &address, &why), -EINVAL);
    CHECK_CONTAINS(why.text, "is longer than");
    memcpy(longest, "https://me:hush@host/", strlen("https://me:hush@host/"));
    CHECK_INT(cache_address_parse(longest, &address, &why), -EINVAL);
    CHECK_CONTAINS(why.text, "https://host/xxx");
    CHECK(!strstr(why.text, "hush"));
}

TEST(in_the_key_of_an_object_only_a_whole_hash_is_one)
{
    static const char pin[] = "#sha256=0123456789abcdef0123456789abcdef0123456789ABCDEF0123456789abcdef";
    struct cache_address address;
    struct why why;
    char uri[200];
    CHECK_INT(cache_address_parse("s3://bucket/a#sha256=b#c", &address, &why), 0);
    CHECK_STR(address.url, "s3://bucket/a#sha256=b#c");
    CHECK_STR(address.sha256, "");
    snprintf(uri, sizeof(uri), "s3://bucket/a#b%s", pin);
    CHECK_INT(cache_address_parse(uri, &address, &why), 0);
    CHECK_STR(address.url, "s3://bucket/a#b");
    CHECK_STR(address.sha256, "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");
}

TEST(impossible_addresses_are_refused_before_anything_is_sent)
{
    CHECK(cache_is_url("http://a/b") && cache_is_url("https://a") && cache_is_url("s3://a/b") && !cache_is_url("/http://a"));
    refuse("https://host/file#sha256=123", "", -EINVAL, "64 hex digits");
    refuse("https://host/file#main", "", -EINVAL, "64 hex digits");
    refuse("https://host/a file", "", -EINVAL, "write it as %20");
    refuse("https://host/a\x7f" "file", "", -EINVAL, "write it as %7F");
    struct why why;
    static const char *const secret[] = { "https://me:hush@host/f#x", "https://h/f?X-Amz-Signature=hush#x", "https://h/f?a=1&sig=hush#sha256=1" };
    for (int i = 0; i < 3; i++) {
        CHECK_INT(cache_check_url(secret[i], &why), -EINVAL);
        CHECK(!strstr(why.text, "hush"));
    }
    CHECK_INT(cache_check_url("https://host/a@b?download=true", &why), 0);
    CHECK_INT(cache_check_url("s3://bucket/a #b?c.pth", &why), 0); /* any letter is one of a key */
    refuse("s3://bucket", "", -EINVAL, "a bucket, not a file in it");
    CHECK_INT(cache_check_given("ftp://me:hush@host/x.pth", &why), -ENOTSUP);
    CHECK_STR(why.text, "ftp:// is not read; copy the file and give its path, or an address with https:// or s3://");
    CHECK_INT(cache_check_given("http://host/x.pth", &why), -EINVAL);
    CHECK_CONTAINS(why.text, "over http:// anybody on the way can replace the file");
    CHECK_INT(cache_check_given("http://host/x-0123abcd.pth", &why), 0);
    CHECK_INT(cache_check_given("http://127.0.0.1:80/x.pth", &why), 0);
    CHECK_INT(cache_check_given("s3://bucket", &why), -EINVAL);
    CHECK_INT(cache_check_given("s3://bucket/x.pth", &why), 0);
    CHECK_INT(cache_check_given("../no such/file:", &why), 0);
    CHECK_INT(cache_check_given("", &why), 0);
    refuse("s3://bucket/#sha256=0000000000000000000000000000000000000000000000000000000000000000", "", -EINVAL, "a bucket, not a file in it");
}

TEST(over_plain_http_only_a_known_file_is_taken)
{
    struct cached file;
    struct why why;
    setenv("http_proxy", "http://127.0.0.1:1", 1); /* nothing leaves this machine */
    refuse("http://host.invalid/model.pth", "", -EINVAL, "http://host.invalid/model.pth#sha256=<its 64 hex digits>");
    refuse("http://127.0.0.1.invalid/model.pth", "", -EINVAL, "over http:// anybody on the way can replace the file; use https://");
    refuse("http://host.invalid/model-20260131.pth", "", -EINVAL, "use https://");
    CHECK_INT(cache_get("cache", "http://host.invalid/model-0123abcd.pth", "", NULL, NULL, &file, &why), -EIO);
    CHECK_INT(cache_get("cache", "http://host.invalid/model.pth", abc, NULL, NULL, &file, &why), -EIO);
    CHECK_INT(cache_get("cache", "https://host.invalid/model.pth", "", NULL, NULL, &file, &why), -EIO);
}

static pid_t fetch_until_killed(const char *uri)
{
    fflush(NULL);
    pid_t pid = fork();
    struct cached file;
    if (pid == 0) {
        cache_get("cache", uri, "", NULL, NULL, &file, NULL);
        _exit(1);
    }
    return pid;
}

/* Parts with something in them. */
static int count_parts(void)
{
    glob_t found;
    int parts = 0;
    struct stat status;
    if (glob("cache/part-*", 0, NULL, &found) == 0)
        for (size_t i = 0; i < found.gl_pathc; i++)
            parts += stat(found.gl_pathv[i], &status) == 0 && status.st_size > 0;
    globfree(&found);
    return parts;
}

TEST(what_a_killed_process_was_fetching_is_removed_and_what_a_living_one_fetches_is_not)
{
    struct cached file;
    struct why why;
    struct timespec nap = { 0, 10 * NS_PER_MS };
    test_write_file("abc", "abc", 3);
    serve("abc", "");
    pid_t killed = fetch_until_killed(url("stuck/model.pickle")), living = fetch_until_killed(url("stuck/model.pth"));
    for (int i = 0; i < 2000 && count_parts() < 2; i++)
        nanosleep(&nap, NULL);
    CHECK_INT(count_parts(), 2);
    CHECK_INT(kill(killed, SIGKILL), 0);
    CHECK_INT(waitpid(killed, NULL, 0), killed);
    CHECK_INT(cache_get("cache", url("file.pickle"), "", NULL, NULL, &file, &why), 0);
    CHECK_INT(count_parts(), 1);
    CHECK_INT(kill(living, SIGKILL), 0);
    CHECK_INT(waitpid(living, NULL, 0), living);
    CHECK_INT(cache_get("cache", url("another.pth"), "", NULL, NULL, &file, &why), 0);
    CHECK_INT(count_parts(), 0);
    CHECK_INT(test_shell(NULL, "test $(ls cache | wc -l) = 2"), 0);
}

TEST(https_trusts_the_authorities_it_is_told)
{
    struct cached file;
    char text[128];
    test_write_file("abc", "abc", 3);
    CHECK_INT(test_shell(NULL, "openssl req -x509 -newkey rsa:2048 -nodes -keyout key -out certificate -days 2 -subj /CN=test "
                               "-addext subjectAltName=IP:127.0.0.1 2>openssl.log"), 0);
    serve("abc", "certificate key");
    snprintf(text, sizeof(text), "https://127.0.0.1:%d/file", port);
    refuse(text, "", -EIO, "the server's certificate is not trusted");
    setenv("SSL_CERT_FILE", "certificate", 1);
    get(text, abc, &file);
    snprintf(text, sizeof(text), "https://127.0.0.1:%d/circle", port);
    refuse(text, "", -EIO, "redirects");
    snprintf(text, sizeof(text), "https://127.0.0.1:%d/down", port);
    refuse(text, "", -EIO, "not followed (only https:// is)");
}

TEST(the_cache_is_where_the_environment_says)
{
    struct cached file;
    struct why why;
    char here[4096], expected[4200];
    test_write_file("abc", "abc", 3);
    serve("abc", "");
    CHECK(getcwd(here, sizeof(here)));
    setenv("HOME", here, 1);
    unsetenv("XDG_CACHE_HOME");
    CHECK_INT(cache_get(NULL, url("file"), "", NULL, NULL, &file, &why), 0);
    snprintf(expected, sizeof(expected), "%s/.cache/sleddog/", here);
    CHECK(!strncmp(file.path, expected, strlen(expected)));
    setenv("XDG_CACHE_HOME", here, 1);
    CHECK_INT(cache_get(NULL, url("file"), "", NULL, NULL, &file, &why), 0);
    snprintf(expected, sizeof(expected), "%s/sleddog/", here);
    CHECK(!strncmp(file.path, expected, strlen(expected)));
    unsetenv("XDG_CACHE_HOME");
    unsetenv("HOME");
    CHECK_INT(cache_get(NULL, url("file"), "", NULL, NULL, &file, &why), -ENOENT);
    CHECK_CONTAINS(why.text, "give --cache DIR");
}

/* The programs, end to end. */
TEST(a_job_and_its_workers_use_what_the_coordinator_downloaded)
{
    char *output;
    struct why why;
    if (random_weights_write("w", network_find("resnet18"), 1000, DTYPE_BF16, 1, &why) < 0)
        test_fail(__FILE__, __LINE__, "%s", why.text);
    if (test_shell(NULL, "/usr/bin/python3 -c 'from PIL import Image; Image.new(\"RGB\", (64, 64)).save(\"p.jpg\")'"))
        test_skip("no python3-pil");
    serve("w", "");
    const char *weights = url("resnet18.safetensors");
    int r = test_shell(&output, "%s/sleddog-coordinator run --local 2 --strict --cache c --weights %s --job job p.jpg", test_build(), weights);
    if (r)
        test_fail(__FILE__, __LINE__, "%d: %s", r, output);
    CHECK_CONTAINS(output, "downloading http://127.0.0.1");
    free(output);
    CHECK_INT(count_requests(), 1);
    CHECK_INT(test_shell(&output, "%s/sleddog-worker classify --cache c --weights %s p.jpg", test_build(), weights), 0);
    CHECK(!strstr(output, "downloading"));
    free(output);
    CHECK_INT(test_shell(&output, "%s/sleddog-worker weights --cache other %s", test_build(), weights), 0);
    CHECK_CONTAINS(output, "network     resnet18");
    free(output);
    CHECK_INT(count_requests(), 2);
    CHECK_INT(test_shell(&output, "%s/sleddog-coordinator run --cache c --weights %s --job job2 p.jpg", test_build(), url("missing")), 1);
    CHECK_CONTAINS(output, "the server has no such file");
    free(output);
}

TEST(a_node_fetches_for_itself_what_the_coordinator_hashed)
{
    struct daemon daemon;
    struct why why;
    if (random_weights_write("w", network_find("resnet18"), 1000, DTYPE_BF16, 1, &why) < 0)
        test_fail(__FILE__, __LINE__, "%s", why.text);
    if (test_shell(NULL, "/usr/bin/python3 -c 'from PIL import Image; Image.new(\"RGB\", (64, 64)).save(\"p.jpg\")'"))
        test_skip("no python3-pil");
    serve("w", "");
    const char *weights = url("resnet18.safetensors");
    WORKER(&daemon, "one", "--cache", "own");
    write_node("nodes", &daemon);
    CHECK_INT(COORDINATE("run", "run", "--nodes", "nodes", "--strict", "--cache", "c", "--weights", weights, "--job", "job", "p.jpg"), 0);
    CHECK_INT(count_requests(), 2);
    daemon_stop(&daemon);
    check_contains("job/summary.json", weights);
}
