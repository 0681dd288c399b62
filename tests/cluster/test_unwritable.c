/* Tables that cannot be written where they are to go: told before the first image; or else nothing is lost, and `export` writes them elsewhere. */
#include "tests/cluster/lib/cluster.h"
#include "tests/cluster/lib/mount.h"

#include "common/cleanup.h"

#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static void expect_refused(const char *output, const char *sentence)
{
    CHECK_INT(COORDINATE("run", "run", "--engine", "sim", "--job", "job", "--output", output, "sim:100"), *output ? 1 : 2);
    check_contains("run.err", sentence);
    CHECK(access("job", F_OK) < 0);
}

TEST(an_output_that_is_no_folder_is_told_before_anything_is_made)
{
    write_text("file", "");
    CHECK_INT(symlink("nowhere", "link"), 0);
    CHECK_INT(test_shell(NULL, "mkdir -p taken/predictions.jsonl"), 0);
    expect_refused("file", "/file: is no folder, and the tables need one: give another --output");
    expect_refused("file/", "/file/: is no folder, and the tables need one: give another --output");
    expect_refused("file/below/it", "/file/below/it: cannot be made, because ");
    expect_refused("link", "/link: cannot be written: a link that leads nowhere; give another --output");
    expect_refused("taken", "/taken/predictions.jsonl: a folder is in the way of this table: remove it or give another --output");
    expect_refused("", "--output: its value is empty; give one, or leave the option out");
    CHECK_INT(COORDINATE("good", "run", "--engine", "sim", "--job", "job", "--output", "new/folder/", "sim:100"), 0);
    CHECK(access("new/folder/predictions.jsonl", F_OK) == 0);
}

TEST(a_job_folder_that_is_a_file_is_told)
{
    write_text("file", "");
    CHECK_INT(COORDINATE("file", "run", "--engine", "sim", "--job", "file", "sim:100"), 1);
    check_contains("file.err", "file: is a file, and a job needs a folder: choose another --job");
    CHECK_INT(COORDINATE("below", "run", "--engine", "sim", "--job", "file/job", "sim:100"), 1);
    check_contains("below.err", "file/job: cannot make this folder: Not a directory; choose another --job");
}

TEST(an_output_where_nothing_can_be_written_is_told_before_anything_is_made)
{
    CHECK_INT(mkdir("disk", 0777), 0);
    mount_own();
    mount_disk("disk", 1024);
    CHECK_INT(mkdir("disk/out", 0777), 0);
    CHECK_INT(mount("none", "disk", "tmpfs", MS_REMOUNT | MS_RDONLY, NULL), 0);
    expect_refused("disk/out", "/disk/out/predictions.jsonl: cannot be written: Read-only file system; allow writing there or give another --output");
    expect_refused("disk/new/out", "/disk/new/out: cannot be made in ");
    check_contains("run.err", "/disk: Read-only file system; allow writing there or give another --output");
}

/* A file takes the place of the output while the job runs. */
static void make_stuck(const char *option)
{
    struct process run;
    CHECK_INT(mkdir("out", 0777), 0);
    BEGIN(&run, "run", "run", "--engine", "sim", "--engine-threads", "1", "--sim-cost-us", "10000", "--batch", "10", "--job", "the job", "--output", "out", option,
          "sim:400");
    WAIT_FOR(job_done("the job") > 0);
    CHECK_INT(rmdir("out"), 0);
    write_text("out", "");
    CHECK_INT(process_end(&run), 1);
}

/* The command behind `lead`, for the folder "elsewhere" instead of DIR. */
static void paste(const char *file, const char *lead)
{
    CLEANUP(freep) char *text = read_text(file);
    CLEANUP(freep) char *output = NULL;
    char *command = strstr(text, lead);
    CHECK_CONTAINS(text, lead);
    command += strlen(lead);
    command[strcspn(command, "\n")] = '\0';
    char *folder = strstr(command, " -o DIR");
    CHECK(folder && !folder[strlen(" -o DIR")]);
    *folder = '\0';
    int status = test_shell(&output, "PATH=%s:$PATH; %s -o elsewhere", test_build(), command);
    fprintf(stderr, "%s: %s\n", command, output);
    CHECK_INT(status, 0);
}

static void expect_content(void)
{
    CHECK_INT(COORDINATE("status", "status", "the job"), 0);
    check_contains("status.out", "state     complete\n");
    CHECK_INT(COORDINATE("report", "report", "the job"), 0);
    check_contains("report.out", "/elsewhere/predictions.jsonl\n");
    CHECK_INT(COORDINATE("again", "resume", "the job"), 0);
    check_contains("again.err", "this job is complete and its tables are written: nothing to do; see sleddog-coordinator report 'the job'");
}

TEST(tables_that_cannot_be_written_at_the_end_lose_nothing_and_are_exported_elsewhere)
{
    make_stuck("--strict");
    check_contains("run.err", "/out/predictions.jsonl: cannot be written: Not a directory");
    check_contains("run.err", "\nor, once that is mended, go on with: sleddog-coordinator resume ");
    check_contains("run.out", "images examined       400\n");
    CHECK_INT(COORDINATE("report", "report", "the job"), 0);
    check_contains("report.out", "files                 none: the tables could not be written; sleddog-coordinator status says how to do it again\n");
    CHECK_INT(COORDINATE("status", "status", "the job"), 0);
    check_contains("status.out", "/out; write them elsewhere with: sleddog-coordinator export '/");
    CHECK_INT(COORDINATE("resume", "resume", "the job"), 1);
    check_contains("resume.err", "write its tables elsewhere with: ");
    CHECK_INT(COORDINATE("run", "run", "--engine", "sim", "--batch", "10", "--job", "the job", "--output", "new", "sim:400"), 1);
    check_contains("run.err", "the job: holds another job already, complete but for its tables: ");
    check_contains("run.err", "or write the tables of that one: sleddog-coordinator export 'the job' -o DIR");
    paste("resume.err", "write its tables elsewhere with: ");
    expect_content();
    CHECK_INT(test_shell(NULL, "test $(wc -l <elsewhere/predictions.jsonl) = 400"), 0);
}

TEST(what_status_proposes_writes_one_file_an_image_too)
{
    make_stuck("--per-image");
    CHECK_INT(COORDINATE("tables", "export", "the job", "-o", "tables"), 0);
    CHECK_INT(COORDINATE("status", "status", "the job"), 0);
    paste("status.out", "write them elsewhere with: "); /* some of them were not enough */
    expect_content();
    check_contains("report.out", "one file an image     /");
    check_contains("report.out", "/elsewhere\n");
    CHECK_INT(test_shell(NULL, "test $(ls elsewhere | wc -l) = 401"), 0);
}

TEST(a_job_that_was_stuck_is_gone_on_with_when_that_is_mended)
{
    make_stuck("--strict");
    CHECK_INT(unlink("out"), 0);
    CHECK_INT(COORDINATE("resume", "resume", "the job"), 0);
    CHECK_INT(COORDINATE("status", "status", "the job"), 0);
    check_contains("status.out", "state     complete\n");
    CHECK_INT(COORDINATE("report", "report", "the job"), 0);
    check_contains("report.out", "/out/predictions.jsonl\n");
    CHECK_INT(COORDINATE("export", "export", "the job", "-o", "one more"), 0); /* that was only a copy */
    CHECK_INT(COORDINATE("report", "report", "the job"), 0);
    check_contains("report.out", "/out/predictions.jsonl\n");
    check_lacks("report.out", "one more");
}

/* What was written before is of no use any more, if it is there at all. */
TEST(a_table_that_is_gone_and_cannot_be_written_again_is_not_complete)
{
    CHECK_INT(COORDINATE("run", "run", "--engine", "sim", "--job", "the job", "--output", "out", "sim:50"), 0);
    CHECK_INT(test_shell(NULL, "rm -r out && touch out"), 0);
    CHECK_INT(COORDINATE("resume", "resume", "the job"), 1);
    CHECK_INT(COORDINATE("status", "status", "the job"), 0);
    check_lacks("status.out", "state     complete\n");
    check_contains("status.out", "complete, but its tables could not be written");
    paste("resume.err", "write its tables elsewhere with: ");
    expect_content();
}

/* Not refused: the rows are worth having. */
TEST(a_resume_warns_of_tables_that_it_will_not_be_able_to_write)
{
    struct process run;
    BEGIN(&run, "run", "run", "--engine", "sim", "--engine-threads", "1", "--sim-cost-us", "50000", "--batch", "10", "--job", "the job", "--output", "out", "sim:400");
    WAIT_FOR(job_done("the job") > 0);
    process_signal(&run, SIGINT);
    CHECK_INT(process_end(&run), 130);
    write_text("out", "");
    CHECK_INT(COORDINATE("resume", "resume", "--sim-cost-us", "0", "the job"), 1);
    check_contains("resume.err", "/out: is no folder, and the tables need one: give another --output. The job goes on; if that is not mended when it is done, its "
                                 "tables can be written elsewhere: sleddog-coordinator export '/");
    paste("resume.err", "write its tables elsewhere with: ");
    expect_content();
}

/* A retry that nobody works for. */
static void check_export_amidst_retry(void)
{
    struct process run;
    write_text("nobody", "127.0.0.1:1\n");
    BEGIN(&run, "retry", "retry", "--nodes", "nobody", "--node-timeout", "60", "the job");
    WAIT_FOR(process_said(&run, "run again; the other rows stay"));
    process_signal(&run, SIGKILL);
    process_end(&run);
    CHECK_INT(COORDINATE("export", "export", "the job", "-o", "elsewhere"), 0);
    CHECK_INT(COORDINATE("status", "status", "the job"), 0);
    check_lacks("status.out", "state     complete\n");
}

/* The summary of before is not that of the rows any more. */
TEST(an_export_in_the_middle_of_a_retry_does_not_pass_for_its_end)
{
    write_text("list", "a.jpg\nb.jpg\nc.jpg\n");
    CHECK_INT(COORDINATE("run", "run", "--engine", "sim", "--batch", "1", "--job", "the job", "@list"), 0);
    check_export_amidst_retry();
}

/* Nor when it was tried before, in vain, to write the tables. */
TEST(an_export_in_the_middle_of_a_retry_of_a_job_that_was_stuck_does_not_pass_for_its_end)
{
    write_text("list", "a.jpg\nb.jpg\nc.jpg\n");
    CHECK_INT(COORDINATE("run", "run", "--engine", "sim", "--batch", "1", "--job", "the job", "--output", "out", "@list"), 0);
    CHECK_INT(test_shell(NULL, "rm -r out && touch out"), 0);
    CHECK_INT(COORDINATE("resume", "resume", "the job"), 1);
    check_export_amidst_retry();
}

/* A folder took the place of a table: that is seen when the others have been written. */
TEST(a_table_that_did_not_come_to_its_place_is_not_among_the_files_of_the_summary)
{
    struct process run;
    BEGIN(&run, "run", "run", "--engine", "sim", "--engine-threads", "1", "--sim-cost-us", "50000", "--batch", "10", "--job", "the job", "--output", "out", "sim:400");
    WAIT_FOR(job_done("the job") > 0);
    CHECK_INT(test_shell(NULL, "mkdir -p out/predictions.jsonl"), 0);
    process_signal(&run, SIGINT);
    CHECK_INT(process_end(&run), 130);
    CHECK_INT(COORDINATE("resume", "resume", "--sim-cost-us", "0", "the job"), 1);
    check_contains("resume.err", "/out/predictions.jsonl: cannot be written: Is a directory");
    check_contains("the job/summary.json", "\"files\": []");
    CHECK_INT(COORDINATE("report", "report", "the job"), 0);
    check_contains("report.out", "files                 none: the tables could not be written");
    paste("resume.err", "write its tables elsewhere with: ");
    expect_content();
}

TEST(tables_of_another_job_are_told_before_they_are_replaced)
{
    CHECK_INT(COORDINATE("one", "run", "--engine", "sim", "--job", "one", "-o", "out", "sim:5"), 0);
    check_lacks("one.err", "is there already");
    CHECK_INT(COORDINATE("two", "run", "--engine", "sim", "--job", "two", "-o", "out", "sim:6"), 0);
    check_contains("two.err", "/out/predictions.jsonl: a table is there already; this job's takes its place when it is complete");
}
