/* What `report` says of a complete job: as JSON, and as a page, which a real browser looks at. */
#include "tests/cluster/lib/cluster.h"
#include "tests/cluster/lib/photos.h"

#include "common/cleanup.h"

#include <jansson.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

/* Folders, file names and labels that would break a page if they were let in as they are. A random model answers mostly one class, so
 * where every class is a folder some answers are right and some wrong. */
static void make_job(void)
{
    static const char script[] = "<script>document.body.innerHTML='<b id=pwned>pwned<'+String.fromCharCode(47)+'b>'";
    char command[2048];
    photos_draw("photos", 24);
    model_write("model.safetensors", 3);
    write_text("names", "<u>one & only, first\nb \"quoted\", second\nc's own\n");
    CHECK_INT(test_shell(NULL, "mkdir -p 'set/<u>one & only' 'set/b \"quoted\"' \"set/c's own\" && i=0 && for f in photos/*/*.jpg; do i=$((i+1)); "
                               "case $((i %% 3)) in 0) d='<u>one & only';; 1) d='b \"quoted\"';; *) d=\"c's own\";; esac; "
                               "cp $f \"set/$d/<img src=x onerror=alert(1)>&amp;$i.jpg\"; done"), 0);
    snprintf(command, sizeof(command), "set/c's own/%s.jpg", script);
    write_text(command, "no photo");
    write_text("set/c's own/\"><svg onload=alert(1)>.jpg", "none either");
    write_text("set/c's own/caf\xe9 \xff\x01\n.jpg", "nor this");
    write_text("set/c's own/\u202egpj.exe", "backwards");
    write_text("set/c's own/empty.jpg", "");
    CHECK_INT(COORDINATE("run", "run", "--weights", "model.safetensors", "--labels", "names", "--truth", "/set/([^/]+)/", "--job", "job", "set"), 0);
}

/* One of the photos that were answered wrongly is gone when the page is made. */
static void remove_one_mistake(const json_t *everything)
{
    const json_t *mistakes = json_object_get(json_object_get(everything, "evaluation"), "mistakes");
    const char *uri = json_string_value(json_object_get(json_array_get(mistakes, 0), "uri"));
    CHECK(uri);
    CHECK_INT(unlink(uri), 0);
}

TEST_WITHIN(240, a_browser_shows_the_numbers_of_the_report_and_runs_nothing_foreign)
{
    json_error_t error;
    CLEANUP(freep) char *output = NULL;
    make_job();
    CHECK_INT(COORDINATE("json", "report", "job", "--json"), 0);
    json_t *everything = json_load_file("json.out", 0, &error);
    CHECK(everything);
    remove_one_mistake(everything);
    json_decref(everything);
    CHECK_INT(COORDINATE("html", "report", "job", "--html", "page.html"), 0);
    check_contains("html.out", "page.html\n");
    int status = test_shell(&output, "/usr/bin/python3 %s/tests/golden/check_page.py page.html json.out", test_source());
    if (status == 77 || status == 127)
        test_skip("no browser (chromium) or no /usr/bin/python3: %s", output);
    if (status)
        test_fail(__FILE__, __LINE__, "%s", output);
}

TEST(a_report_tells_of_classes_and_is_written_whole_or_not_at_all)
{
    make_job();
    CHECK_INT(COORDINATE("classes", "report", "--classes", "job"), 0);
    check_contains("classes.out", "among the first 5");
    check_contains("classes.out", "exactly             ");
    check_contains("classes.out", "calibration         error 0.");
    CHECK_INT(test_shell(NULL, "test $(grep -c '^most confused' classes.out) = 1"), 0);
    check_contains("classes.out", "taken for");
    check_contains("classes.out", "<u>one & only");
    CHECK_INT(COORDINATE("both", "report", "job", "--json", "--classes"), 2);
    CHECK_INT(COORDINATE("nowhere", "report", "job", "--html", "no/such/folder/page.html"), 1);
    check_contains("nowhere.err", "no/such/folder/page.html: cannot be written: No such file or directory; its folder is not there: make it or give another --html FILE");
    CHECK_INT(COORDINATE("folder", "report", "job", "--html", "photos/"), 2);
    CHECK_INT(COORDINATE("here", "report", "job", "--html", "."), 2);
    CHECK_INT(COORDINATE("dash", "report", "job", "--html", "-"), 2);
    check_contains("dash.err", "--html -: name a file, such as report.html");
    check_contains("here.err", "--html .: is a folder; name a file in it, such as ./report.html");
    CHECK_INT(COORDINATE("sim", "run", "--engine", "sim", "--job", "sim", "sim:1000"), 0);
    CHECK_INT(COORDINATE("page", "report", "sim", "--html", "sim.html"), 0);
    check_contains("sim.html", "no image has a truth");
}

TEST(the_summary_has_the_history_of_every_stage)
{
    json_error_t error;
    CHECK_INT(COORDINATE("run", "run", "--engine", "sim", "--sim-cost-us", "1000", "--job", "job", "sim:2000"), 0);
    json_t *summary = json_load_file("job/summary.json", 0, &error);
    CHECK(summary);
    const json_t *history = json_object_get(summary, "history"), *time = json_object_get(history, "time_s"), *done = json_object_get(history, "done");
    size_t count = json_array_size(time), i;
    json_t *stage;
    CHECK(count >= 5);
    CHECK_INT(json_array_size(done), count);
    CHECK_INT(json_integer_value(json_array_get(done, count - 1)), 2000);
    json_array_foreach(json_object_get(history, "stages"), i, stage) {
        const json_t *items = json_object_get(stage, "items");
        CHECK_INT(json_array_size(items), count);
        for (size_t k = 1; k < count; k++)
            CHECK(json_integer_value(json_array_get(items, k)) >= json_integer_value(json_array_get(items, k - 1)));
    }
    CHECK_INT(i, 3);
    json_decref(summary);
}

TEST(a_page_takes_the_place_of_a_page_and_of_nothing_else)
{
    CHECK_INT(COORDINATE("run", "run", "--engine", "sim", "--job", "job", "sim:10"), 0);
    CHECK_INT(COORDINATE("over", "report", "job", "--html", "job/job.db"), 1);
    check_contains("over.err", "--html job/job.db: is there already, and is no page; remove it or name another file");
    CHECK_INT(mkfifo("pipe", 0600), 0);
    CHECK_INT(COORDINATE("pipe", "report", "job", "--html", "pipe"), 1);
    check_contains("pipe.err", "--html pipe: is there already, and is no page");
    CHECK_INT(COORDINATE("page", "report", "job", "--html", "page.html"), 0);
    CHECK_INT(COORDINATE("again", "report", "job", "--html", "page.html"), 0);
    CHECK_INT(COORDINATE("report", "report", "job"), 0);
}

TEST(a_summary_that_was_cut_off_is_written_again)
{
    CHECK_INT(COORDINATE("run", "run", "--engine", "sim", "--job", "job", "sim:10"), 0);
    CHECK_INT(truncate("job/summary.json", 100), 0);
    CHECK_INT(COORDINATE("report", "report", "job"), 1);
    check_contains("report.err", "job/summary.json: not a summary (line ");
    write_text("job/summary.json", "{}");
    CHECK_INT(COORDINATE("empty", "report", "job"), 1);
    check_contains("empty.err", "it names no job");
    CHECK_INT(COORDINATE("resume", "resume", "job"), 0);
    CHECK_INT(COORDINATE("again", "report", "job"), 0);
    check_contains("again.out", "images examined       10\n");
}

TEST(an_image_is_found_by_its_address_with_or_without_its_query_and_no_query_is_shown)
{
    write_text("list", "http://127.0.0.1:1/a.jpg?sig=HUSH\n");
    CHECK_INT(COORDINATE("run", "run", "--engine", "sim", "--store-timeout", "1", "--job", "job", "@list"), 0);
    static const char *const names[] = { "http://127.0.0.1:1/a.jpg?sig=HUSH", "http://127.0.0.1:1/a.jpg", "a.jpg", "a.jpg?..." };
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        CHECK_INT(COORDINATE("image", "report", "job", "--image", names[i]), 0);
        check_contains("image.out", "http://127.0.0.1:1/a.jpg?...\n");
    }
    CHECK_INT(COORDINATE("other", "report", "job", "--image", "http://127.0.0.1:1/b.jpg?sig=HUSH"), 1);
    check_lacks("other.err", "HUSH");
}

/* While it runs there is no use in resuming it. */
TEST(what_a_running_job_cannot_give_yet_is_to_be_waited_for)
{
    struct process run;
    BEGIN(&run, "run", "run", "--engine", "sim", "--sim-cost-us", "20000", "--batch", "5", "--job", "job", "sim:2000");
    WAIT_FOR(job_done("job") > 5);
    CHECK_INT(COORDINATE("export", "export", "job"), 1);
    check_contains("export.err", " runs it; wait for it, and see sleddog-coordinator status job\n");
    CHECK_INT(COORDINATE("image", "report", "job", "--image", "sim:0"), 0);
    check_contains("image.out", "sim:0\n");
    process_signal(&run, SIGINT);
    process_end(&run);
}

TEST(truths_that_name_no_class_are_told_apart_from_a_model_that_is_always_wrong)
{
    CHECK_INT(test_shell(NULL, "mkdir dogs && for i in 1 2 3; do touch dogs/n02085936-Maltese_dog.$i.jpg dogs/Chihuahua.$i.jpg; done"), 0);
    CHECK_INT(COORDINATE("odd", "run", "--engine", "sim", "--decode", "none", "--truth", "/dogs/(n[^.]*)", "--job", "odd", "dogs/n*"), 0);
    check_contains("odd.out", "  is --truth right?   no truth is the name of a class, and none occurs in an answer; one is n02085936-Maltese_dog\n");
    CHECK_INT(COORDINATE("name", "run", "--engine", "sim", "--decode", "none", "--truth", "/dogs/(C[^.]*)", "--job", "name", "dogs/C*"), 0);
    check_lacks("name.out", "is --truth right?");
}

/* Three dogs, whose folders say the class; the job was not told. */
static void run_untold(void)
{
    CHECK_INT(test_shell(NULL, "mkdir -p dogs/Chihuahua dogs/cloud && touch dogs/Chihuahua/1.jpg dogs/Chihuahua/2.jpg dogs/cloud/3.jpg"), 0);
    CHECK_INT(COORDINATE("run", "run", "--engine", "sim", "--decode", "none", "--job", "job", "dogs"), 0);
    check_contains("run.out", "not judged: no --truth was given");
}

TEST(a_job_is_judged_afterwards_by_an_expression_that_it_was_not_run_with)
{
    run_untold();
    CHECK_INT(COORDINATE("told", "run", "--engine", "sim", "--decode", "none", "--truth", "/dogs/([^/]+)/", "--job", "told", "dogs"), 0);
    CHECK_INT(COORDINATE("later", "report", "job", "--truth", "/dogs/([^/]+)/"), 0);
    CHECK_INT(test_shell(NULL, "for f in told later; do sed -n '/classified correctly/,/without a prediction/p' $f.out >$f.judged; done"), 0);
    check_contains("later.judged", "classified correctly  0 of 3, 0.000 %");
    check_same_file("told.judged", "later.judged");
    CHECK_INT(COORDINATE("json", "report", "job", "--json", "--truth", "/dogs/([^/]+)/"), 0);
    check_contains("json.out", "\"truth\": \"/dogs/([^/]+)/\"");
    check_contains("json.out", "\"with_truth\": 3");
    CHECK_INT(COORDINATE("image", "report", "job", "--image", "3.jpg", "--truth", "/dogs/([^/]+)/"), 0);
    check_contains("image.out", "cloud");
    CHECK_INT(COORDINATE("again", "report", "job"), 0);
    check_same_file("run.out", "again.out");
}

TEST(tables_are_exported_with_the_truths_of_another_expression_beside_the_job)
{
    run_untold();
    CHECK_INT(COORDINATE("told", "run", "--engine", "sim", "--decode", "none", "--truth", "/dogs/([^/]+)/", "--job", "told", "dogs"), 0);
    CHECK_INT(COORDINATE("export", "export", "job", "--truth", "/dogs/([^/]+)/", "-o", "tables"), 0);
    check_same_file("told/predictions.jsonl", "tables/predictions.jsonl");
    CHECK_INT(COORDINATE("own", "export", "job", "--truth", "/dogs/([^/]+)/"), 2);
    check_contains("own.err", "--truth: give -o DIR, too");
    CHECK_INT(COORDINATE("named", "export", "job", "--truth", "/dogs/([^/]+)/", "-o", "job"), 2);
    check_contains("named.err", "--truth: give -o DIR, too, for another place");
    CHECK_INT(COORDINATE("odd", "report", "job", "--truth", "(dogs"), 2);
    check_contains("odd.err", "--truth '(dogs'");
    CHECK_INT(COORDINATE("none", "export", "job", "--truth", "dogs", "-o", "tables"), 2);
    check_contains("none.err", "put the part that names the truth in parentheses");
}

#define TOLD(name, ...) COORDINATE(name, "run", "--engine", "sim", "--decode", "none", __VA_ARGS__)

static void make_dogs(void)
{
    CHECK_INT(test_shell(NULL, "mkdir -p dogs/beagle dogs/pug && for f in beagle/1 beagle/2 pug/3; do echo x >dogs/$f.jpg; done"), 0);
    write_text("labels.csv", "id,breed\n1,beagle\ndogs/beagle/2.jpg,beagle\n3.jpg,pug\n4,pug\n");
}

TEST(a_file_of_truths_judges_as_an_expression_does_and_says_whom_it_names_in_vain)
{
    make_dogs();
    CHECK_INT(TOLD("regex", "--truth", "/dogs/([^/]+)/", "--job", "regex", "dogs"), 0);
    CHECK_INT(TOLD("table", "--truth", "@labels.csv", "--job", "table", "dogs"), 0);
    check_same_file("table/predictions.jsonl", "regex/predictions.jsonl");
    check_contains("table.err", "/labels.csv: 1 of 5 names are those of no image of this job, the first in line 5");
    check_contains("table/summary.json", "\"truth_sha256\": \"");
    check_contains("table/summary.json", "\"with_truth\": 3");
    CHECK_INT(COORDINATE("later", "report", "regex", "--truth", "@labels.csv", "--json"), 0);
    check_contains("later.out", "\"truth_sha256\": \"");
    CHECK_INT(COORDINATE("expression", "report", "table", "--truth", "/dogs/([^/]+)/", "--json"), 0);
    check_contains("expression.out", "\"truth_sha256\": null");
    CHECK_INT(COORDINATE("export", "export", "regex", "--truth", "@labels.csv", "-o", "tables"), 0);
    check_same_file("tables/predictions.jsonl", "table/predictions.jsonl");
    write_text("some.csv", "1,beagle\n");
    CHECK_INT(COORDINATE("some", "report", "regex", "--truth", "@some.csv"), 0);
    check_contains("some.out", " of those whose truth is known");
}

TEST(a_job_is_resumed_and_exported_with_the_truths_it_was_begun_with_whatever_became_of_the_file)
{
    make_dogs();
    CHECK_INT(TOLD("run", "--truth", "@labels.csv", "--job", "job", "dogs"), 0);
    check_same_file("job/truth.csv", "labels.csv");
    CHECK_INT(test_shell(NULL, "cp job/predictions.jsonl before; echo 1,pug >labels.csv; rm job/predictions.jsonl"), 0);
    CHECK_INT(COORDINATE("resume", "resume", "job"), 0);
    check_same_file("job/predictions.jsonl", "before");
    CHECK_INT(TOLD("again", "--truth", "@labels.csv", "--job", "job", "dogs"), 1);
    check_contains("again.err", "the truth is @");
    CHECK_INT(test_shell(NULL, "rm labels.csv; mv job elsewhere"), 0); /* to another machine, say */
    CHECK_INT(COORDINATE("export", "export", "elsewhere", "-o", "tables"), 0);
    check_same_file("tables/predictions.jsonl", "before");
    CHECK_INT(COORDINATE("classes", "report", "elsewhere", "--classes"), 0);
}

TEST(the_copy_of_the_truths_takes_the_place_of_nobodys_file)
{
    make_dogs();
    CHECK_INT(test_shell(NULL, "mkdir job; echo mine >job/truth.csv"), 0);
    CHECK_INT(TOLD("mine", "--truth", "@labels.csv", "--job", "job", "dogs"), 1);
    check_contains("mine.err", "job/truth.csv: is there already, and is not the table of --truth");
    CHECK_INT(test_shell(NULL, "grep -qx mine job/truth.csv && cp labels.csv job/truth.csv"), 0);
    CHECK_INT(TOLD("same", "--truth", "@job/truth.csv", "--job", "job", "dogs"), 0);
}

TEST(a_table_of_truths_may_be_large)
{
    make_dogs();
    CHECK_INT(test_shell(NULL, "/usr/bin/python3 -c \"print('\\n'.join('%%0127d,beagle' %% i for i in range(520000)))\" >>labels.csv"), 0); /* 67 MiB: an outfile holds 64 at once */
    CHECK_INT(TOLD("run", "--truth", "@labels.csv", "--job", "job", "dogs"), 0);
    check_same_file("job/truth.csv", "labels.csv");
}

TEST(a_job_without_its_copy_of_the_truths_takes_the_file_if_that_is_still_the_same)
{
    make_dogs();
    CHECK_INT(TOLD("run", "--truth", "@labels.csv", "--job", "job", "dogs"), 0);
    CHECK_INT(test_shell(NULL, "cp job/predictions.jsonl before; rm job/truth.csv job/predictions.jsonl"), 0);
    CHECK_INT(COORDINATE("resume", "resume", "job"), 0);
    check_same_file("job/predictions.jsonl", "before");
    CHECK_INT(test_shell(NULL, "echo 1,pug >labels.csv; rm job/predictions.jsonl"), 0);
    CHECK_INT(COORDINATE("gone", "resume", "job"), 1);
    check_contains("gone.err", "is neither in its folder, as truth.csv, nor at ");
    check_contains("gone.err", "put it back, or judge by another: export --truth ... -o DIR");
    CHECK_INT(COORDINATE("elsewhere", "export", "job", "--truth", "@labels.csv", "-o", "tables"), 0);
    CHECK_INT(COORDINATE("other", "report", "job", "--truth", "@labels.csv"), 0);
}

TEST(a_file_of_truths_that_cannot_serve_is_refused_before_anything_is_made)
{
    make_dogs();
    write_text("odd.csv", "1,beagle\n2\n");
    CHECK_INT(TOLD("none", "--truth", "@none.csv", "--job", "job", "dogs"), 1);
    check_contains("none.err", "--truth: none.csv: cannot open: No such file or directory");
    CHECK_INT(TOLD("odd", "--truth", "@odd.csv", "--job", "job", "dogs"), 2);
    check_contains("odd.err", "--truth: ");
    check_contains("odd.err", "/odd.csv: line 2: one column only");
    CHECK_INT(TOLD("store", "--truth", "@s3://b/labels.csv", "--job", "job", "dogs"), 2);
    check_contains("store.err", "--truth @s3://b/labels.csv: it takes a file of this machine");
    check_lacks("store.err", "--truth: --truth");
    CHECK_INT(TOLD("input", "--truth", "@-", "--job", "job", "dogs"), 2);
    CHECK_INT(test_shell(NULL, "mkfifo pipe"), 0);
    CHECK_INT(TOLD("pipe", "--truth", "@pipe", "--job", "job", "dogs"), 2);
    check_contains("pipe.err", "--truth: pipe: no ordinary file; ");
    CHECK(access("job", F_OK) < 0);
}

TEST(a_job_whose_table_of_truths_is_lost_goes_on_with_a_warning_and_ends_when_it_is_back)
{
    make_dogs();
    CHECK_INT(TOLD("whole", "--truth", "@labels.csv", "--job", "whole", "dogs"), 0);
    CHECK_INT(test_shell(NULL, "sqlite3 whole/job.db 'DELETE FROM result; DELETE FROM meta WHERE key = \"exported\"' && rm whole/predictions.jsonl && "
                               "mv whole/truth.csv kept && rm labels.csv"), 0);
    CHECK_INT(COORDINATE("lost", "resume", "whole"), 1);
    check_contains("lost.err", "is neither in its folder, as truth.csv, nor at ");
    CHECK_INT(job_done("whole"), 3);
    CHECK_INT(test_shell(NULL, "mv kept whole/truth.csv"), 0);
    CHECK_INT(COORDINATE("back", "resume", "whole"), 0);
    check_contains("whole/summary.json", "\"with_truth\": 3");
}

TEST(an_image_that_an_incomplete_list_does_not_have_yet_may_still_come)
{
    make_dogs();
    CHECK_INT(TOLD("run", "--job", "job", "dogs"), 0);
    CHECK_INT(test_shell(NULL, "sqlite3 job/job.db 'DELETE FROM meta WHERE key = \"listed\"'"), 0);
    CHECK_INT(COORDINATE("image", "report", "job", "--image", "9.jpg"), 1);
    check_lacks("image.err", "no image of this job has this URI");
    check_contains("image.err", "resume");
}

TEST(a_job_that_cannot_keep_its_table_of_truths_leaves_no_folder_of_its_own_behind)
{
    CLEANUP(freep) char *said = NULL;
    make_dogs();
    CHECK_INT(test_shell(&said, "seq 1 20000 | sed 's/$/,x/' >big.csv; ulimit -f 16; %s/sleddog-coordinator run --engine sim --decode none --truth @big.csv dogs", test_build()), 1);
    CHECK_CONTAINS(said, "truth.csv");
    CHECK_INT(test_shell(NULL, "[ $(ls -d sleddog-job-* | wc -l) = 0 ]"), 0);
}
