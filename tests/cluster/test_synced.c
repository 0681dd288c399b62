/* What a power cut takes is what was written and not synced. tests/preload/order.c writes down the order of both: what is moved into its place is on the disk
 * before, what says that something is safe is written after it. */
#include "tests/cluster/lib/cluster.h"
#include "tests/cluster/lib/lent.h"
#include "tests/cluster/lib/photos.h"
#include "tests/cluster/lib/preload.h"
#include "tests/cluster/lib/web.h"

#include "common/cleanup.h"

#include <limits.h>
#include <unistd.h>

/* ---- what happened ---- */

struct event {
    char *what, *path, *into; /* into: of a move */
};

struct order {
    char *text;
    struct event *events;
    long count;
};

static void order_done(struct order *order)
{
    free(order->text);
    free(order->events);
}

static void order_read(struct order *order)
{
    size_t size, lines = 0;
    *order = (struct order){ .text = test_read_file("order", &size) };
    for (size_t i = 0; i < size; i++)
        lines += order->text[i] == '\n';
    order->events = calloc(lines + 1, sizeof(*order->events));
    CHECK(order->events);
    for (char *line, *rest = order->text; (line = strsep(&rest, "\n")) && *line;) {
        struct event *event = &order->events[order->count++];
        event->what = strsep(&line, " ");
        event->path = strsep(&line, " ");
        event->into = line;
    }
    CHECK(order->count > 0);
}

/* Paths are known by their ends. */
static bool ends_in(const char *path, const char *end)
{
    size_t size = path ? strlen(path) : 0, length = strlen(end);
    return size >= length && !strcmp(path + size - length, end);
}

static bool is(const struct event *event, const char *what, const char *path)
{
    return !strcmp(event->what, what) && ends_in(event->path, path);
}

/* Before event number `before`; -1: never. */
static long last(const struct order *order, long before, const char *what, const char *path)
{
    long i = before - 1;
    while (i >= 0 && !is(&order->events[i], what, path))
        i--;
    return i;
}

static long first_behind(const struct order *order, long i, const char *what, const char *path)
{
    while (++i < order->count)
        if (is(&order->events[i], what, path))
            return i;
    return -1;
}

static bool is_on_disk(const struct order *order, long before, const char *path)
{
    return last(order, before, "write", path) <= last(order, before, "sync", path);
}

/* ---- checks ---- */

/* The last move to this place: whole before it, and in `folder` behind it. */
static void check_move(const struct order *order, const char *place, const char *folder)
{
    long i = order->count - 1;
    while (i >= 0 && !ends_in(order->events[i].into, place))
        i--;
    if (i < 0)
        test_fail(__FILE__, __LINE__, "nothing was moved to %s", place);
    if (last(order, i, "write", order->events[i].path) < 0 || !is_on_disk(order, i, order->events[i].path))
        test_fail(__FILE__, __LINE__, "%s was not on the disk when it was moved to %s", order->events[i].path, place);
    if (*folder && first_behind(order, i, "sync", folder) < 0)
        test_fail(__FILE__, __LINE__, "%s was moved, and its folder not synced", place);
}

/* Whenever `path` is written, what it relies on is on the disk. */
static void check_behind(const struct order *order, const char *path, const char *relied_on)
{
    long writes = 0;
    for (long i = 0; i < order->count; i++) {
        if (!is(&order->events[i], "write", path))
            continue;
        writes++;
        if (!is_on_disk(order, i, relied_on))
            test_fail(__FILE__, __LINE__, "%s was written (event %ld) when %s was not on the disk", path, i, relied_on);
    }
    CHECK(writes > 0 && last(order, order->count, "write", relied_on) >= 0);
}

static void check_end(const struct order *order, const char *path)
{
    if (last(order, order->count, "write", path) < 0 || !is_on_disk(order, order->count, path))
        test_fail(__FILE__, __LINE__, "%s was not on the disk at the end", path);
}

/* What is started from now on writes its order down, until preload_none(). */
static void write_order(const char *options)
{
    char orders[PATH_MAX + 32], here[PATH_MAX];
    CHECK(getcwd(here, sizeof(here)));
    snprintf(orders, sizeof(orders), "%s/order %s", here, options);
    preload("order", "SLEDDOG_ORDER", orders);
}

static int coordinate_in_order(const char *options, const char *const *arguments)
{
    write_order(options);
    int status = coordinate("run", arguments);
    preload_none();
    return status;
}

/* ---- what is written ---- */

#define RUN ARGV("run", "--engine", "sim", "--batch", "1", "--emit", "logits", "--per-image", "--format", "jsonl,csv", "--output", "out", "--job", "job", "sim:2000")

TEST(tables_are_on_the_disk_before_they_take_their_place_and_the_job_before_it_is_copied_together)
{
    CLEANUP(order_done) struct order order;
    CHECK_INT(coordinate_in_order("", RUN), 0);
    order_read(&order);
    check_move(&order, "/job/job.db", "/job");
    check_move(&order, "/out/predictions.jsonl", "/out");
    check_move(&order, "/out/predictions.csv", "/out");
    check_move(&order, "/out/logits.npy", "/out");
    check_move(&order, "/job/summary.json", "/job");
    check_behind(&order, "/job/job.db", "/job/job.db-wal");
    check_end(&order, "/job/job.db");
    long image = last(&order, order.count, "write", "/out/.sleddog.part");
    CHECK(image >= 0 && first_behind(&order, image, "syncall", "/out") > image);
}

TEST(a_job_on_a_network_file_system_is_synced_as_well)
{
    CLEANUP(order_done) struct order order;
    CHECK_INT(coordinate_in_order("remote", ARGV("run", "--engine", "sim", "--job", "job", "sim:300")), 0);
    order_read(&order);
    CHECK_INT(last(&order, order.count, "write", "/job/job.db-wal"), -1);
    check_move(&order, "/job/job.db", "/job");
    check_behind(&order, "/job/job.db", "/job/job.db-journal");
    check_end(&order, "/job/job.db");
}

/* What job.db knows of is in private.db. */
TEST(what_addresses_hide_is_on_the_disk_before_the_job_knows_of_them)
{
    CLEANUP(order_done) struct order order;
    struct web *web = web_start(&(struct web_spec){ 0 });
    photo_draw("photo.jpg", 1);
    size_t size;
    CLEANUP(freep) char *data = test_read_file("photo.jpg", &size);
    FILE *list = fopen("list", "w");
    CHECK(list);
    for (int i = 0; i < 40; i++) {
        char path[32];
        snprintf(path, sizeof(path), "/%d.jpg", i);
        web_put(web, path, data, size);
        fprintf(list, "%s?signature=%d\n", web_url(web, path), i);
    }
    fclose(list);
    CHECK_INT(coordinate_in_order("", ARGV("run", "--engine", "sim", "--batch", "4", "--job", "job", "@list")), 0);
    order_read(&order);
    check_behind(&order, "/job/job.db-wal", "/job/private.db");
    check_behind(&order, "/job/private.db", "/job/private.db-journal");
    web_stop(web);
}

TEST(a_model_is_on_the_disk_before_it_takes_its_place_in_a_cache)
{
    CLEANUP(order_done) struct order order;
    struct web *web = web_start(&(struct web_spec){ 0 });
    struct daemon daemon = { 0 };
    size_t size;
    photos_draw("photos", 2);
    lent_make("model.safetensors");
    CLEANUP(freep) char *data = test_read_file("model.safetensors", &size);
    web_put(web, "/model.safetensors", data, size);
    CLEANUP(freep) char *address = strdup(web_url(web, "/model.safetensors"));
    CHECK_INT(coordinate_in_order("", ARGV("run", "--engine", "sim", "--cache", "mine", "--job", "first", "--weights", address, "sim:10")), 0);
    web_down(web);
    write_order("");
    WORKER(&daemon, "worker", "--cache", "cache0", LENT_ENGINE);
    preload_none();
    write_node("nodes", &daemon);
    CHECK_INT(COORDINATE("run", "run", "--nodes", "nodes", "--cache", "mine", "--job", "second", "--weights", address, "photos"), 0);
    daemon_stop(&daemon);
    order_read(&order);
    check_move(&order, "_model.safetensors", "");
    check_move(&order, strchr(lent_in_cache[0], '/'), "");
    web_stop(web);
}

TEST(keys_are_on_the_disk_when_they_are_shown)
{
    CLEANUP(order_done) struct order order;
    CHECK_INT(coordinate_in_order("", ARGV("keygen", "keys")), 0);
    order_read(&order);
    check_end(&order, "/keys/coordinator.key");
    check_end(&order, "/keys/coordinator.pub");
    check_end(&order, "/keys/worker.key");
}
