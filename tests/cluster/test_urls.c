/* Images by their web address: whole programs against a server in this process. */
#include "common/cleanup.h"
#include "tests/cluster/lib/cluster.h"
#include "tests/cluster/lib/photos.h"
#include "tests/cluster/lib/table.h"
#include "tests/cluster/lib/web.h"

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#define PHOTOS 40

/* The drawn photos at /a/000.jpg, /b/001.jpg, ..., and a list of their addresses. */
static struct web *serve_photos(const struct web_spec *spec, const char *query)
{
    struct web *web = web_start(spec);
    char path[64], address[32];
    photos_draw("photos", PHOTOS);
    FILE *list = fopen("list", "w");
    CHECK(list);
    for (int i = 0; i < PHOTOS; i++) {
        size_t size;
        snprintf(address, sizeof(address), "/%c/%03d.jpg", 'a' + i % 2, i);
        snprintf(path, sizeof(path), "photos%s", address);
        CLEANUP(freep) char *data = test_read_file(path, &size);
        web_put(web, address, data, size);
        fprintf(list, "%s%s\n", web_url(web, address), query);
    }
    fclose(list);
    return web;
}

static void check_same_rows(const char *job, const char *other)
{
    CHECK_INT(test_shell(NULL, "for f in %s %s; do sed 's/{\"uri\":\"[^\"]*\\/\\([^\"\\/]*\\)\"/\\1/' $f/predictions.jsonl | sort >$f.rows; done; cmp %s.rows %s.rows",
                         job, other, job, other), 0);
}

/* One answer in five is bad; the rows are those of the files. */
TEST(a_list_of_addresses_gives_the_rows_of_the_files_although_the_server_is_bad)
{
    struct web *web = serve_photos(&(struct web_spec){ .delay_ms = 5, .bad = 0.2, .kinds = "reset,truncate,503,500,429", .seed = 3 }, "");
    model_write("model.safetensors", 1000);
    CHECK_INT(COORDINATE("files", "run", "--weights", "model.safetensors", "--job", "files", "photos"), 0);
    CHECK_INT(COORDINATE("web", "run", "--local", "2", "--batch", "7", "--weights", "model.safetensors", "--job", "web", "--strict", "@list"), 0);
    check_same_rows("files", "web");
    CHECK(web_counts(web).bad > 0);
    check_contains("web.out", "failed requests repeated");
    web_stop(web);
}

/* A store in front of which something fails for every fifth request, and which is away for a while: signed requests, path style. */
TEST(an_object_store_that_is_bad_and_then_down_costs_no_image)
{
    struct web *web = serve_photos(&(struct web_spec){ .delay_ms = 20, .bad = 0.2, .kinds = "reset,truncate,503,500,429", .seed = 4 }, "");
    struct process run;
    char endpoint[64];
    snprintf(endpoint, sizeof(endpoint), "http://127.0.0.1:%d", web_port(web));
    setenv("AWS_ACCESS_KEY_ID", "id", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "secret", 1);
    CHECK_INT(test_shell(NULL, "sed -i 's,http://[^/]*/\\([ab]\\)/,s3://\\1/,' list && grep -q s3://a/000.jpg list"), 0);
    model_write("model.safetensors", 1000);
    CHECK_INT(COORDINATE("files", "run", "--weights", "model.safetensors", "--job", "files", "photos"), 0);
    BEGIN(&run, "run", "run", "--endpoint-url", endpoint, "--fetch-concurrency", "2", "--batch", "7", "--weights", "model.safetensors", "--job", "web", "--strict",
          "@list");
    WAIT_FOR(web_counts(web).requests > 5);
    web_down(web);
    WAIT_FOR(process_said(&run, "does not answer"));
    web_up(web);
    CHECK_INT(process_end(&run), 0);
    check_same_rows("files", "web");
    web_stop(web);
}

TEST(an_address_may_be_the_source_itself)
{
    struct web *web = serve_photos(&(struct web_spec){ 0 }, "");
    struct table table;
    CHECK_INT(COORDINATE("run", "run", "--engine", "sim", "--job", "job", web_url(web, "/a/000.jpg"), web_url(web, "/b/missing.jpg"), "photos/a/002.jpg"), 0);
    table_read(&table, "job/predictions.jsonl");
    CHECK_INT(table.count, 3);
    CHECK_STR(row_error_kind(table_find(&table, "/b/missing.jpg")), "not_found");
    CHECK_INT(table_count(&table, ""), 2);
    table_done(&table);
    web_stop(web);
}

TEST(queries_are_not_shown_anywhere)
{
    struct web *web = serve_photos(&(struct web_spec){ 0 }, "?session=hushhush");
    web_put(web, "/gone", "", 0);
    CHECK_INT(test_shell(NULL, "echo '%s' >>list", web_url(web, "/gone?session=hushhush&status=404")), 0);
    CHECK_INT(COORDINATE("run", "run", "--engine", "sim", "--job", "job", "--per-image", "--format", "jsonl,csv", "@list",
                         web_url(web, "/a/000.jpg?session=hushhush")), 0);
    CHECK_INT(COORDINATE("report", "report", "job", "--html", "page.html"), 0);
    CHECK_INT(COORDINATE("one", "report", "job", "--image", "gone?..."), 0);
    check_contains("one.out", "not_found");
    check_contains("job/predictions.jsonl", "/a/000.jpg?...\",\"name\":\"000\"");
    CHECK(access("job/000.jpg.json", F_OK) == 0);
    CHECK_INT(test_shell(NULL, "grep -r hushhush --include='*.jsonl' --include='*.csv' --include='*.json' --include='*.out' --include='*.err' "
                               "--include='*.html' --include='*.log' ."), 1);
    web_stop(web);
}

/* Nowhere but in the list, and in the file that is for its owner's eyes. */
static void check_hidden(const char *secret)
{
    CHECK_INT(test_shell(NULL, "find . -type f ! -name list ! -name again ! -name private.db -print0 | xargs -0 grep -l %s", secret), 123);
}

static long mode_of(const char *path)
{
    struct stat status;
    return stat(path, &status) < 0 ? -1 : (long)(status.st_mode & 0777);
}

/* A coordinator that is killed, and one that goes on: the worker needs what job.db may not have. */
TEST(signatures_in_addresses_survive_the_coordinator_and_are_in_no_other_file)
{
    struct web *web = serve_photos(&(struct web_spec){ .delay_ms = 30, .wants = "X-Amz-Signature=hushhush" },
                                   "?X-Amz-Credential=a%2Fb&X-Amz-Signature=hushhush&monkey=1");
    struct daemon daemon;
    struct process run;
    char source[256], command[8192];
    WORKER(&daemon, "one", "--engine", "sim", "--fetch-concurrency", "2");
    write_node("nodes", &daemon);
    snprintf(source, sizeof(source), "%s", web_url(web, "/a/000.jpg?X-Amz-Signature=hushhush"));
    BEGIN(&run, "run", "run", "--nodes", "nodes", "--batch", "4", "--job", "job", "@list", source);
    WAIT_FOR(job_done("job") > 4);
    snprintf(command, sizeof(command), "tr '\\0' ' ' </proc/%d/cmdline | grep -c hushhush", run.pid);
    CHECK_INT(test_shell(NULL, "%s", command), 1); /* `ps` does not show it either */
    process_signal(&run, SIGKILL);
    process_end(&run);
    CHECK(job_done("job") < PHOTOS);
    CHECK_INT(mode_of("job/private.db"), 0600);
    check_hidden("hushhush");
    CHECK_INT(COORDINATE("resume", "resume", "--nodes", "nodes", "--strict", "job"), 0);
    check_hidden("hushhush");
    CHECK(access("job/private.db", F_OK) < 0); /* nothing is left that could be asked for again */
    check_contains("job/predictions.jsonl", "/a/000.jpg?...\",\"name\":\"000\"");
    CHECK_INT(COORDINATE("report", "report", "job", "--html", "page.html"), 0);
    check_hidden("hushhush");
    daemon_stop(&daemon);
    web_stop(web);
}

TEST(a_retry_knows_the_signatures_of_what_failed_and_says_when_they_are_gone)
{
    struct web *web = serve_photos(&(struct web_spec){ .wants = "sig=hushhush" }, "?sig=hushhush");
    struct table table;
    CHECK_INT(test_shell(NULL, "sed -i 's/\\(01[0-9].jpg?\\)/\\1status=404\\&times=1\\&/' list"), 0);
    CHECK_INT(COORDINATE("run", "run", "--engine", "sim", "--batch", "7", "--job", "job", "@list"), 0);
    table_read(&table, "job/predictions.jsonl");
    CHECK_INT(table_count(&table, "not_found"), 10);
    table_done(&table);
    CHECK_INT(rename("job/private.db", "elsewhere"), 0);
    CHECK_INT(COORDINATE("gone", "retry", "--engine", "sim", "job"), 1);
    check_contains("gone.err", "job/private.db: is missing; it holds what the addresses of this job's images have besides what is shown");
    CHECK_INT(rename("elsewhere", "job/private.db"), 0);
    CHECK_INT(COORDINATE("retry", "retry", "--engine", "sim", "--strict", "job"), 0);
    CHECK(access("job/private.db", F_OK) < 0);
    check_hidden("hushhush");
    web_stop(web);
}

/* Nothing is looked at: even what is no picture passes. */
TEST(fetching_can_be_measured_alone)
{
    struct web *web = serve_photos(&(struct web_spec){ .delay_ms = 10 }, "");
    web_put(web, "/text", "no picture", 10);
    CHECK_INT(COORDINATE("run", "run", "--engine", "sim", "--decode", "none", "--fetch-loops", "2", "--fetch-concurrency", "16", "--job", "job", "--strict",
                         "@list", web_url(web, "/text")), 0);
    CHECK(web_counts(web).most_waiting <= 16);
    model_write("model.safetensors", 1000);
    CHECK_INT(COORDINATE("other", "run", "--decode", "none", "--weights", "model.safetensors", "--job", "other", "@list"), 2);
    check_contains("other.err", "--decode none");
    web_stop(web);
}

TEST(a_server_that_is_down_for_a_while_costs_nothing_but_time)
{
    struct web *web = serve_photos(&(struct web_spec){ .delay_ms = 20 }, "");
    struct process run;
    web_down(web);
    BEGIN(&run, "run", "run", "--engine", "sim", "--job", "job", "--strict", "--expiry", "2", "@list");
    WAIT_FOR(process_said(&run, "does not answer"));
    web_up(web);
    CHECK_INT(process_end(&run), 0);
    web_stop(web);
}

/* The worker and the coordinator end although the server never answers. */
TEST(a_run_that_waits_for_a_server_can_be_interrupted)
{
    struct web *web = serve_photos(&(struct web_spec){ 0 }, "?silent");
    struct process run;
    pid_t workers[4];
    BEGIN(&run, "run", "run", "--engine", "sim", "--job", "job", "@list");
    WAIT_FOR(web_counts(web).requests == PHOTOS);
    int count = workers_of(&run, workers, 4);
    CHECK_INT(count, 1);
    process_signal(&run, 2);
    CHECK_INT(process_end(&run), 130);
    WAIT_FOR(is_gone(workers[0]));
    WAIT_FOR(web_counts(web).open == 0);
    web_stop(web);
}

/* Long before the request would be given up for dead. */
TEST(a_worker_that_waits_for_a_server_leaves_when_it_is_asked_to)
{
    struct web *web = serve_photos(&(struct web_spec){ 0 }, "?silent");
    struct daemon daemon;
    struct process run;
    WORKER(&daemon, "one", "--engine", "sim", "--fetch-timeout", "600", "--drain-timeout", "500");
    write_node("nodes", &daemon);
    BEGIN(&run, "run", "run", "--nodes", "nodes", "--job", "job", "@list");
    WAIT_FOR(web_counts(web).requests == PHOTOS);
    daemon_stop(&daemon);
    process_signal(&run, 2);
    CHECK_INT(process_end(&run), 130);
    web_stop(web);
}

TEST(a_server_that_refuses_everything_stops_the_job_before_anything_is_kept)
{
    struct web *web = serve_photos(&(struct web_spec){ .bad = 1, .kinds = "403" }, "");
    CHECK_INT(COORDINATE("run", "run", "--engine", "sim", "--batch", "5", "--job", "job", "@list"), 1);
    check_contains("run.err", "denied");
    check_contains("run.err", "status 403");
    check_contains("run.err", "go on with:");
    CHECK_INT(job_done("job"), 0);
    web_misbehave(web, 0, NULL);
    CHECK_INT(COORDINATE("resume", "resume", "--engine", "sim", "job"), 0);
    CHECK_INT(job_done("job"), PHOTOS);
    web_stop(web);
}

/* Some are refused: rows like others. */
TEST(one_refused_image_among_many_is_a_row)
{
    struct web *web = serve_photos(&(struct web_spec){ 0 }, "");
    char list[512];
    struct table table;
    snprintf(list, sizeof(list), "%s\n%s\n", web_url(web, "/a/000.jpg?status=403"), web_url(web, "/a/002.jpg?status=403"));
    write_text("refused", list);
    CHECK_INT(COORDINATE("run", "run", "--engine", "sim", "--batch", "1", "--job", "job", "@refused", "@list"), 0);
    table_read(&table, "job/predictions.jsonl");
    CHECK_INT(table_count(&table, "denied"), 2);
    CHECK_INT(table_count(&table, ""), PHOTOS);
    table_done(&table);
    web_stop(web);
}
