/* Embeddings: a row of an array for each line of the table, and never all of them in memory. */
#include "tests/cluster/lib/cluster.h"
#include "tests/cluster/lib/photos.h"

#include "common/cleanup.h"

#include <sys/stat.h>

#define FEW  2000
#define MANY 30000

static void expect_python(const char *code)
{
    CLEANUP(freep) char *output = NULL;
    write_text("judge.py", code);
    int status = test_shell(&output, "/usr/bin/python3 -c 'import numpy' 2>/dev/null || exit 77; /usr/bin/python3 judge.py");
    if (status == 77)
        test_skip("no judge: python3-numpy for /usr/bin/python3");
    if (status)
        test_fail(__FILE__, __LINE__, "%s", output);
}

TEST(predictions_jsonl_says_which_row_is_which_image)
{
    photos_draw("photos", 11);
    write_text("photos/b/003-bad.jpg", "");
    model_write("model.safetensors", 5);
    write_text("names", "a\nb\nc\nd\ne\n");
    CHECK_INT(test_shell(NULL, "ls photos/*/*.jpg | sort -r >list; echo photos/a/000.jpg >>list"), 0);
    CHECK_INT(COORDINATE("there", "run", "--weights", "model.safetensors", "--labels", "names", "--emit", "features", "--truth", "/([ab])/",
                         "--job", "there", "photos"), 0);
    check_contains("there.out", "not judged: features are no predictions");
    CHECK_INT(COORDINATE("page", "report", "there", "--html", "page.html"), 0);
    check_contains("page.html", "There are none: no image has a prediction");
    CHECK_INT(COORDINATE("back", "run", "--local", "2", "--batch", "3", "--weights", "model.safetensors", "--labels", "names", "--emit", "features",
                         "--job", "back", "@list"), 0);
    expect_python("import json, numpy\n"
                  "def read(job):\n"
                  "    uris = [json.loads(line)['uri'] for line in open(job + '/predictions.jsonl')]\n"
                  "    return uris, numpy.load(job + '/features.npy', mmap_mode='r')\n"
                  "(uris, there), (others, back) = read('there'), read('back')\n"
                  "assert len(uris) == 12 and len(others) == 13 and others[12] == uris[0] and others[:12] == uris[::-1]\n"
                  "for i, uri in enumerate(others):\n"
                  "    assert numpy.array_equal(back[i], there[uris.index(uri)], equal_nan=True), uri\n"
                  "assert len({row.tobytes() for row in there}) == 12\n"); /* and no two images share one */
}

static long run(const char *job, long count)
{
    struct process process;
    struct stat state;
    char source[32], path[64];
    snprintf(source, sizeof(source), "sim:%ld", count);
    BEGIN(&process, job, "run", "--local", "2", "--engine", "sim", "--emit", "features", "--job", job, source);
    CHECK_INT(process_end(&process), 0);
    snprintf(path, sizeof(path), "%s/features.npy", job);
    CHECK_INT(stat(path, &state), 0);
    CHECK_INT(state.st_size, 128 + count * 2048 * 4);
    snprintf(path, sizeof(path), "%s/job.db", job);
    CHECK_INT(stat(path, &state), 0);
    CHECK(state.st_size > count * 2048 * 4);
    fprintf(stderr, "%ld images: %.1f MiB at most\n", count, (double)process.peak_kib / 1024);
    return process.peak_kib;
}

TEST(embeddings_pass_through_the_disk_and_not_through_memory)
{
    if (is_sanitized())
        test_skip("a sanitizer's memory is not ours");
    long few = run("few", FEW), many = run("many", MANY);
    CHECK(many < few + 16 * 1024); /* 230 MB of features lie between them */
}
