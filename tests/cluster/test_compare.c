/* Two jobs beside each other: what `compare` counts is what their tables say. */
#include "tests/cluster/lib/cluster.h"
#include "tests/cluster/lib/photos.h"

#include "common/cleanup.h"

#include <stdarg.h>

#define RUN(job, ...) COORDINATE(job, "run", "--engine", "sim", "--threads", "2", "--format", "jsonl,csv", "--job", job, __VA_ARGS__)

/* The answers of this engine are made up of a picture's first pixels. */
static void make_first(void)
{
    photos_draw("photos", 24);
    CHECK_INT(test_shell(NULL, "echo x >photos/broken.jpg"), 0);
    CHECK_INT(RUN("first", "photos"), 0);
}

/* Every third photo is another one by now. */
static void make_second(void)
{
    CHECK_INT(test_shell(NULL, "i=0; for f in photos/*/*; do i=$((i+1)); [ $((i %% 3)) != 0 ] || cp \"$last\" \"$f\"; last=$f; done"), 0);
    CHECK_INT(RUN("second", "photos"), 0);
}

static void make_jobs(void)
{
    make_first();
    make_second();
}

/* A number that a shell prints. */
static int count(const char *command)
{
    CLEANUP(freep) char *text = NULL;
    CHECK_INT(test_shell(&text, "%s", command), 0);
    return atoi(text);
}

static void says(const char *path, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void says(const char *path, const char *format, ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    check_contains(path, text);
}

static int count_same(void)
{
    return count("/usr/bin/python3 -c \"import csv; p = zip(*[csv.DictReader(open(j + '/predictions.csv')) for j in ('first', 'second')]); "
                 "print(sum(x['label'] == y['label'] and not x['error'] and not y['error'] for x, y in p))\"");
}

TEST(what_is_compared_is_what_the_tables_say)
{
    make_jobs();
    int answered = count("/usr/bin/python3 -c \"import csv; print(sum(not r['error'] for r in csv.DictReader(open('first/predictions.csv'))))\"");
    CHECK_INT(answered, 24);
    int same = count_same();
    CHECK(same > 0 && same < answered); /* else this shows nothing */
    CHECK_INT(COORDINATE("compare", "compare", "first", "second"), 0);
    says("compare.out", "images in both        25\n");
    says("compare.out", "without a prediction  1 of them in the first, 1 in the second\n");
    says("compare.out", "the same class        %d of 24, ", same);
    says("compare.out", "classified correctly  not judged");
    says("compare.out", "surest of what changed\n");
    CHECK_INT(COORDINATE("changes", "compare", "first", "second", "--changes"), 0);
    CHECK_INT(count("/usr/bin/python3 -c \"import csv; r = list(csv.DictReader(open('changes.out'))); assert all(x['first_label'] != x['second_label'] for x in r); "
                    "print(len(r))\""), answered - same);
    CHECK_INT(COORDINATE("json", "compare", "first", "second", "--json"), 0);
    says("json.out", "\"same\": %d,", same);
    says("json.out", "\"changed\": %d,", answered - same);
}

TEST(what_is_right_in_one_of_them_only_is_counted_by_one_truth_for_both)
{
    make_first();
    /* By the first job's own answers it is always right. */
    CHECK_INT(test_shell(NULL, "/usr/bin/python3 -c \"import csv; [print(r['name'] + ';' + r['label'].split(',')[0]) for r in csv.DictReader(open('first/predictions.csv')) "
                               "if not r['error']]\" >truth.csv"), 0);
    CHECK_INT(RUN("judged", "--truth", "@truth.csv", "photos"), 0);
    make_second();
    int same = count_same();
    CHECK_INT(COORDINATE("compare", "compare", "first", "second", "--truth", "@truth.csv"), 0);
    says("compare.out", "classified correctly  24 of 24, 100.000 %% in the first\n");
    says("compare.out", "                      %d of 24, ", same);
    says("compare.out", "  in the first only   %d\n", 24 - same);
    says("compare.out", "  in the second only  0\n");
    CHECK_INT(COORDINATE("lent", "compare", "second", "judged"), 0); /* the first of these has none of its own */
    says("lent.out", "  in the second only  %d\n", 24 - same);
}

TEST(an_image_whose_truth_one_of_the_jobs_does_not_know_is_wrong_in_none_of_them)
{
    photos_draw("photos", 4);
    CHECK_INT(test_shell(NULL, "echo 000.jpg,one >some.csv; echo 001.jpg,two >others.csv"), 0);
    CHECK_INT(RUN("some", "--truth", "@some.csv", "photos"), 0);
    CHECK_INT(RUN("others", "--truth", "@others.csv", "photos"), 0);
    CHECK_INT(COORDINATE("compare", "compare", "some", "others"), 0);
    says("compare.out", "classified correctly  not judged: no image has a truth in both");
    CHECK_INT(COORDINATE("by_one", "compare", "some", "others", "--truth", "@others.csv"), 0);
    says("by_one.out", "0 of 1, ");
}

TEST(images_of_one_job_only_are_counted_and_strict_tells_two_jobs_apart)
{
    make_jobs();
    CHECK_INT(RUN("part", "--limit", "10", "photos"), 0);
    CHECK_INT(COORDINATE("part", "compare", "first", "part"), 0);
    says("part.out", "images in both        10\n");
    says("part.out", "  in the first only   15\n");
    CHECK_INT(COORDINATE("strict", "compare", "--strict", "first", "part"), 3);
    CHECK_INT(COORDINATE("same", "compare", "--strict", "first", "first"), 0);
    says("same.out", "the same class        24 of 24, 100.000 %%\n");
    CHECK_INT(COORDINATE("other", "compare", "--strict", "first", "second"), 3);
}

TEST(what_cannot_be_compared_is_said)
{
    make_first();
    CHECK_INT(RUN("job", "--limit", "4", "photos"), 0);
    CHECK_INT(RUN("features", "--limit", "4", "--emit", "features", "photos"), 0);
    CHECK_INT(COORDINATE("features", "compare", "job", "features"), 2);
    says("features.err", "features/job.db: was run with --emit features, so it has no classes to compare");
    CHECK_INT(COORDINATE("none", "compare", "job", "nowhere"), 1);
    says("none.err", "nowhere/job.db: No such file or directory; is this a job directory?");
    CHECK_INT(COORDINATE("one", "compare", "job"), 2);
    says("one.err", "compare: takes two job directories");
    CHECK_INT(COORDINATE("both", "compare", "job", "job", "--json", "--changes"), 2);
}

/* A copy of the first job in which one row of job.db is missing. */
static void make_incomplete(const char *name, const char *what)
{
    CHECK_INT(test_shell(NULL, "cp -r first %s; /usr/bin/python3 -c \"import sqlite3; c = sqlite3.connect('%s/job.db'); "
                               "print(c.execute('delete from %s').rowcount); c.commit()\" | grep -qx 1", name, name, what), 0);
}

static void is_refused(const char *job)
{
    CHECK_INT(COORDINATE("refused", "compare", "first", job, "--changes"), 1);
    says("refused.err", "%s: this job is not complete; go on with it first: ", job);
    CHECK_INT(test_shell(NULL, "test ! -s refused.out"), 0);
    CHECK_INT(COORDINATE("other", "compare", job, "first"), 1);
    says("other.err", "%s: this job is not complete; go on with it first: ", job);
}

TEST(a_job_that_is_not_complete_is_not_compared)
{
    make_first();
    make_incomplete("without_rows", "result");
    is_refused("without_rows");
    make_incomplete("half_listed", "meta where key = \\'listed\\'"); /* each batch has rows, and there may be more */
    is_refused("half_listed");
}
