/* Two runs over the same list give byte-identical tables, whatever the number of workers, the batch, the threads. */
#include "tests/cluster/lib/cluster.h"
#include "tests/cluster/lib/photos.h"

#include <limits.h>
#include <unistd.h>

/* Real photos and weights where they are at hand, else drawn ones: what is compared is ours with ours. */
struct material {
    char weights[PATH_MAX], images[PATH_MAX];
};

static void gather_drawn(struct material *material)
{
    snprintf(material->weights, sizeof(material->weights), "model.safetensors");
    snprintf(material->images, sizeof(material->images), "photos");
    model_write("model.safetensors", 1000);
    photos_draw("photos", 61);
    /* Failures are rows like others: they must not move anything. */
    write_text("photos/a/012-text.jpg", "not a picture");
    write_text("photos/b/empty.jpg", "");
}

static void gather_real(struct material *material)
{
    snprintf(material->weights, sizeof(material->weights), "%s/weights/resnet18-imagenet-pqf.safetensors", test_data());
    snprintf(material->images, sizeof(material->images), "%s/images/dogs/Images/n02106662-German_shepherd", test_data());
}

/* `more`: an option of workers that are started, or of daemons. */
static void run(const struct material *material, const char *job, const char *where, const char *who, const char *batch, const char *more)
{
    CHECK_INT(COORDINATE(job, "run", where, who, "--weights", material->weights, "--format", "jsonl,csv", "--batch", batch, more, "--truth", "-([^/]*)/",
                         "--job", job, material->images), 0);
}

static void compare(const struct material *material, const char *where, const char *who, const char *batch, const char *more)
{
    run(material, "other", where, who, batch, more);
    check_same_file("first/predictions.jsonl", "other/predictions.jsonl");
    check_same_file("first/predictions.csv", "other/predictions.csv");
    CHECK_INT(test_shell(NULL, "rm -r other"), 0);
}

static void compare_daemons(const struct material *material)
{
    struct daemon one, two, three;
    WORKER(&one, "one", "--engine-threads", "1");
    WORKER(&two, "two", "--engine-threads", "2", "--threads", "3");
    WORKER(&three, "three", "--engine-threads", "1", "--fetch-threads", "1");
    write_nodes("nodes", (const struct daemon *[]){ &one, &two, &three }, 3);
    compare(material, "--nodes", "nodes", "7", "--min-nodes=3");
    compare(material, "--nodes", "nodes", "60", "--min-nodes=3");
    daemon_stop(&one);
    daemon_stop(&two);
    daemon_stop(&three);
}

TEST_WITHIN(200, tables_of_drawn_photos_are_the_same_for_any_workers_batch_and_threads)
{
    struct material material;
    gather_drawn(&material);
    run(&material, "first", "--local", "1", "60", "--engine-threads=1");
    compare(&material, "--local", "4", "60", "--engine-threads=1");
    compare(&material, "--local", "1", "7", "--engine-threads=2");
    compare(&material, "--local", "2", "355", "--engine-threads=2");
    compare_daemons(&material);
}

TEST_WITHIN(200, tables_of_real_photos_are_the_same_for_any_workers_and_batch)
{
    struct material material;
    gather_real(&material);
    run(&material, "first", "--local", "1", "60", "--engine-threads=2");
    compare(&material, "--local", "4", "7", "--engine-threads=1");
    compare_daemons(&material);
}
