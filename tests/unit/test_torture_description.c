/* test_torture_description.c: what a job is told, nodes, truth, description and sources, with every single allocation refused; jansson's too. */
#include "coordinator/nodelist.h"
#include "coordinator/source/source.h"
#include "coordinator/truth.h"
#include "tests/test.h"
#include "tests/torture.h"
#include "tests/torture_spec.h"

#include <sys/stat.h>

/* ---- descriptions ---- */

static struct nodelist nodes;

static int use_nodelist(struct why *why)
{
    int r = nodelist_read("nodes", NULL, &nodes, why);
    if (r < 0)
        return r;
    CHECK_INT(nodes.count, 3);
    nodelist_free(&nodes);
    return 0;
}

static int use_truth(struct why *why)
{
    struct truth *truth;
    int r = truth_open("n[0-9]+-([^/]+)/", &truth, why);
    if (r < 0)
        return r;
    truth_close(truth);
    return 0;
}

static char *description;

static int use_new_spec(struct why *why)
{
    CLEANUP(spec_freep) struct spec *spec = NULL;
    CLEANUP(freep) char *json = NULL;
    int r = torture_spec(&spec, why);
    return r < 0 ? r : spec_to_json(spec, &json, why);
}

static int use_old_spec(struct why *why)
{
    CLEANUP(spec_freep) struct spec *spec = NULL;
    int r = spec_from_json(description, &spec, why);
    if (r == 0)
        CHECK(!strcmp(spec->sources[1], "/caf\xe9") && !strcmp(spec->truth, "(n[0-9]+)") && spec->batch == 3);
    return r;
}

TEST(descriptions_survive_refused_memory)
{
    test_write_file("labels", "a\nb\n", 4);
    test_write_file("nodes", "a\n[x]\nb:1 key=k.pub # c\n[::1]:7\n", 32);
    torture(use_nodelist);
    torture(use_truth);
    torture(use_new_spec);
    struct spec *spec;
    struct why why;
    CHECK(torture_spec(&spec, &why) == 0 && spec_to_json(spec, &description, &why) == 0);
    torture(use_old_spec);
    free(description);
    spec_free(spec);
}

/* ---- sources ---- */

static const char *source;
static int source_entries;

DEFINE_FREEP(source_close, struct source)

static int use_source(struct why *why)
{
    CLEANUP(source_closep) struct source *opened = NULL;
    char *args[] = { (char *)source };
    struct rec_item item;
    int entries = 0, r = source_open(args, 1, &(struct source_options){ .null_separated = false }, &opened, why);
    if (r < 0)
        return r;
    while ((r = source_next(opened, &item, why)) > 0)
        entries++;
    if (r == 0)
        CHECK_INT(entries, source_entries);
    return r;
}

static void torture_source(const char *arg, int entries)
{
    source = arg;
    source_entries = entries;
    torture(use_source);
}

TEST(sources_survive_refused_memory)
{
    for (int i = 0; i < 30; i++) {
        char path[64];
        snprintf(path, sizeof(path), "photos%s", i % 10 ? "" : i ? "/deep" : "");
        mkdir(path, 0777);
        snprintf(path, sizeof(path), "photos%s/%d.jpg", i < 10 ? "" : "/deep", i);
        test_write_file(path, "", 0);
    }
    test_write_file("list", "a.jpg\nb.jpg\n", 12);
    torture_source("photos", 30);
    torture_source("photos/**/?.jpg", 10);
    torture_source("photos/d*/*", 20);
    torture_source("photos/1.jpg", 1);
    torture_source("@list", 2);
    torture_source("sim:3", 3);
}
