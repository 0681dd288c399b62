/* What the commands answer to mistakes: the exit status, and a message that names the thing and what to do. */
#include "tests/cluster/lib/cluster.h"
#include "tests/cluster/lib/photos.h"

#include "common/cleanup.h"
#include "worker/weights/safetensors_write.h"

#include <signal.h>
#include <unistd.h>

struct mistake {
    int status;
    const char *part;
    const char *arguments[10];
};

static void expect_all(const char *program, const struct mistake *mistakes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct process process;
        char path[4096];
        const char *argv[16] = { path };
        snprintf(path, sizeof(path), "%s/%s", test_build(), program);
        memcpy(argv + 1, mistakes[i].arguments, sizeof(mistakes[i].arguments));
        process_start(&process, "mistake", argv);
        int status = process_end(&process);
        CLEANUP(freep) char *err = process_err(&process);
        if (status != mistakes[i].status || !strstr(err, mistakes[i].part))
            test_fail(__FILE__, __LINE__, "mistake %zu: status %d (expected %d), lacks \"%s\"", i, status, mistakes[i].status, mistakes[i].part);
    }
}

TEST(a_usage_error_of_the_coordinator_is_status_2_and_names_what_is_wrong)
{
    static const struct mistake mistakes[] = {
        { 2, "no command given", { NULL } },
        { 2, "no command \"frobnicate\"", { "frobnicate" } },
        { 2, "no SOURCE given", { "run" } },
        { 2, "sleddog-coordinator run --help", { "run" } },
        { 2, "gs:// is not read", { "run", "--engine", "sim", "gs://bucket/x" } },
        { 2, "--weights: ftp:// is not read; copy", { "run", "--weights", "ftp://x", "sim:1" } },
        { 2, "an empty SOURCE", { "run", "--engine", "sim", "" } },
        { 2, "http://...: an address without a host", { "run", "--engine", "sim", "http://" } },
        { 2, "--output \"-\": tables are files", { "run", "--engine", "sim", "--output", "-", "sim:1" } },
        { 2, "a: is named twice", { "keygen", "keys", "a", "b", "a" } },
        { 2, "a name has letters", { "keygen", "keys", "a/b" } },
        { 2, "run takes no option --frobnicate", { "run", "--frobnicate", "sim:1" } },
        { 2, "status takes no option --nodes", { "status", "job", "--nodes", "n" } },
        { 2, "--node may be --nodes, --node-key, --node-timeout", { "run", "--node", "n", "sim:1" } },
        { 2, "--mixed takes no value", { "run", "--mixed=yes", "sim:1" } },
        { 2, "--ranges is for workers started here, and --nodes starts none", { "run", "--nodes", "n", "--ranges", "f", "sim:1" } },
        { 2, "--engine is for workers started here, and --nodes starts none", { "run", "--nodes", "n", "--engine", "sim", "sim:1" } },
        { 2, "--group is for the nodes of a list: give --nodes FILE too", { "run", "--engine", "sim", "--group", "x", "sim:1" } },
        { 2, "--null is for the entries of a list, and no SOURCE is one; leave it out, or give @LIST", { "run", "--engine", "sim", "--null", "sim:1" } },
        { 2, "--local 0: nobody would do the work", { "run", "--engine", "sim", "--local", "0", "sim:1" } },
        { 2, "--batch: \"many\" is not a whole number", { "run", "--batch", "many", "sim:1" } },
        { 2, "--batch: 0 is outside 1 to 4096", { "run", "--batch", "0", "sim:1" } },
        { 2, "--batch needs a value", { "run", "sim:1", "--batch" } },
        { 2, "--preset: \"v9\" is not one of torchvision|torchvision-v2|article", { "run", "--preset", "v9", "sim:1" } },
        { 2, "--engine: \"abacus\" is not one of auto|onednn|cudnn|sim", { "run", "--engine", "abacus", "sim:1" } },
        { 2, "--emit: \"haiku\" is not one of topk|logits|features", { "run", "--emit", "haiku", "sim:1" } },
        { 2, "xml", { "run", "--format", "xml", "--engine", "sim", "sim:1" } },
        { 2, "--min-nodes 3 is more than the 2 workers", { "run", "--local", "2", "--min-nodes", "3", "--engine", "sim", "sim:1" } },
        { 2, "give --weights FILE", { "run", "--local", "1", "sim:1" } },
        { 2, "--truth '(': ", { "run", "--truth", "(", "--engine", "sim", "sim:1" } },
        { 2, "no group", { "run", "--truth", "n[0-9]+", "--engine", "sim", "sim:1" } },
        { 2, "status takes one job directory", { "status" } },
        { 2, "resume: takes one job directory", { "resume" } },
        { 2, "resume: --preset is taken from the job, which keeps what it was begun with", { "resume", "--preset", "article", "job" } },
        { 2, "retry: --weights is taken from the job", { "retry", "job", "--weights=w" } },
        { 2, "retry takes no option --frobnicate", { "retry", "--frobnicate", "job" } },
        { 2, "retry: takes one job directory", { "retry" } },
        { 2, "report: takes one job directory", { "report" } },
        { 2, "export: takes one job directory", { "export" } },
        { 2, "needs --nodes FILE", { "check" } },
        { 2, "needs --nodes FILE", { "nodes" } },
    };
    expect_all("sleddog-coordinator", mistakes, ARRAY_SIZE(mistakes));
}

TEST(an_option_whose_value_is_empty_is_refused_by_both_programs)
{
    static const struct mistake coordinator[] = {
        { 2, "--labels: its value is empty; give one, or leave the option out", { "run", "--labels", "", "--engine", "sim", "sim:1" } },
        { 2, "--truth: its value is empty", { "run", "--truth=", "--engine", "sim", "sim:1" } },
        { 2, "--nodes: its value is empty", { "check", "--nodes", "" } },
        { 2, "--group: its value is empty", { "nodes", "--nodes", "n", "--group", "" } },
    };
    static const struct mistake worker[] = {
        { 2, "--weights: its value is empty", { "--weights", "" } },
        { 2, "--devices: its value is empty", { "classify", "--devices", "", "photo.jpg" } },
        { 2, "--profile: its value is empty", { "weights", "--profile", "", "model.pth" } },
        { 2, "--cache: its value is empty", { "verify", "--cache=" } },
        { 2, "--images: its value is empty", { "calibrate", "--images", "" } },
    };
    expect_all("sleddog-coordinator", coordinator, ARRAY_SIZE(coordinator));
    expect_all("sleddog-worker", worker, ARRAY_SIZE(worker));
}

TEST(a_file_that_is_missing_or_wrong_is_named)
{
    static const struct mistake mistakes[] = {
        { 1, "no-nodes: No such file", { "run", "--nodes", "no-nodes", "sim:1" } },
        { 1, "--labels: ", { "run", "--labels", "no-labels", "--engine", "sim", "sim:1" } },
        { 1, "no-labels: cannot open: No such file or directory; is its path right?", { "run", "--labels", "no-labels", "--engine", "sim", "sim:1" } },
        { 1, "--weights: ", { "run", "--weights", "no-model", "sim:1" } },
        { 1, "no-model: cannot open: No such file or directory; is its path right?", { "run", "--weights", "no-model", "sim:1" } },
        { 2, "bad-nodes, line 2: \"a:b\": the port must be a number", { "run", "--nodes", "bad-nodes", "sim:1" } },
        { 2, "no-names: names no node", { "run", "--nodes", "no-names", "sim:1" } },
        { 2, "twice, line 2: A:5571 is there already", { "run", "--nodes", "twice", "sim:1" } },
        { 1, "no-job", { "status", "no-job" } },
        { 1, "no-job: No such file or directory; a job directory is meant", { "resume", "no-job" } },
        { 1, "no-job/job.db: No such file or directory; is this a job directory?", { "report", "no-job" } },
        { 1, "photos/job.db: No such file or directory; is this a job directory?", { "report", "--json", "photos" } },
        { 1, "not a job of sleddog", { "report", "other" } },
        { 1, "no-job", { "export", "no-job" } },
        { 1, "not a job of sleddog", { "status", "other" } },
        { 1, "no-nodes: No such file", { "check", "--nodes", "no-nodes" } },
        { 1, "bad-nodes, line 2: \"a:b\": the port must be a number", { "nodes", "--nodes", "bad-nodes" } },
    };
    CHECK_INT(test_shell(NULL, "mkdir photos"), 0);
    write_text("bad-nodes", "host1\na:b\n");
    write_text("no-names", "# nobody\n\n");
    write_text("twice", "a\nA:5571\n");
    CHECK_INT(test_shell(NULL, "mkdir other && /usr/bin/python3 -c \"import sqlite3;"
                               "sqlite3.connect('other/job.db').execute('create table t(x)')\""), 0);
    expect_all("sleddog-coordinator", mistakes, ARRAY_SIZE(mistakes));
}

TEST(a_worker_that_would_listen_beyond_this_machine_wants_insecure_said)
{
    static const struct mistake mistakes[] = {
        { 2, "--listen 0.0.0.0:0: anybody who reaches this address could use the worker; give it keys", { "--listen", "0.0.0.0:0" } },
        { 2, "--listen tcp://*:0: anybody", { "--listen", "tcp://*:0" } },
        { 2, "--listen [::]:0: anybody", { "--listen", "[::]:0" } },
        { 2, "--listen 127.0.0.1:99999: the port must be a number from 0 to 65535; give ADDRESS:PORT", { "--listen", "127.0.0.1:99999" } },
        { 2, "--listen 127.0.0.1: no port; give ADDRESS:PORT", { "--listen", "127.0.0.1" } },
        { 2, "--listen foo: no port; give ADDRESS:PORT", { "--listen", "foo" } },
        { 2, "--listen :5582: no address before the port; give ADDRESS:PORT", { "--listen", ":5582" } },
        { 2, "--listen *:99999: the port must be a number from 0 to 65535; give ADDRESS:PORT", { "--listen", "*:99999" } },
        { 2, "--listen foo: no port; give ADDRESS:PORT", { "--listen", "foo", "--insecure" } },
        { 1, "tcp://192.0.2.1:5: cannot listen: Cannot assign", { "--listen", "192.0.2.1:5", "--insecure" } },
        { 2, "sleddog-worker takes no option --frobnicate", { "--frobnicate" } },
        { 2, "sleddog-worker takes no option --preset", { "--preset", "article" } },
        { 2, "--verbose takes no value", { "--verbose=yes" } },
        { 2, "\"frobnicate\" is not a command", { "frobnicate" } },
        { 2, "no-config: No such file", { "--config", "no-config" } },
        { 2, "no files given", { "classify" } },
        { 2, "no weights given; sleddog-worker classify --weights FILE", { "classify", "photo.jpg" } },
        { 2, "--decode none: gives no answers worth having", { "classify", "--decode", "none", "--weights", "model.pth", "photo.jpg" } },
    };
    expect_all("sleddog-worker", mistakes, ARRAY_SIZE(mistakes));
    struct process process;
    char path[4096];
    snprintf(path, sizeof(path), "%s/sleddog-worker", test_build());
    process_start(&process, "insecure", ARGV(path, "--listen", "0.0.0.0:0", "--insecure"));
    WAIT_FOR(process_said(&process, "listens on tcp://0.0.0.0:"));
    process_signal(&process, 15);
    CHECK_INT(process_end(&process), 0);
}

TEST(names_that_would_steer_a_terminal_are_shown_without_that)
{
    CLEANUP(freep) char *text = NULL;
    test_write_file("a\033[31mb.jpg", "x", 1);
    CHECK_INT(test_shell(&text, "%s/sleddog-worker classify --engine sim --decode none a*b.jpg 2>/dev/null", test_build()), 0);
    CHECK_CONTAINS(text, "a?[31mb.jpg\n");
    CHECK(!strchr(text, '\033'));
}

TEST(runs_that_begin_in_the_same_second_have_a_folder_each)
{
    struct process runs[4];
    for (int i = 0; i < 4; i++) {
        char name[8];
        snprintf(name, sizeof(name), "run%d", i);
        BEGIN(&runs[i], name, "run", "--engine", "sim", "sim:5");
    }
    for (int i = 0; i < 4; i++)
        CHECK_INT(process_end(&runs[i]), 0);
    CHECK_INT(test_shell(NULL, "test $(ls -d sleddog-job-* | wc -l) = 4"), 0);
    CHECK_INT(COORDINATE("wrong", "run", "--engine", "sim", "--min-nodes", "2", "sim:5"), 2);
    CHECK_INT(test_shell(NULL, "test $(ls -d sleddog-job-* | wc -l) = 4"), 0);
}

TEST(classify_says_how_it_came_to_its_answers)
{
    CLEANUP(freep) char *text = NULL;
    CHECK_INT(test_shell(&text, "(%s/sleddog-worker classify --engine sim sim:1 2>&1 >/dev/null)", test_build()), 0);
    CHECK_STR(text, "sleddog-worker classify: engine sim, precision none: the answers are made up, nothing looks at the pictures\n");
    freep(&text);
    model_write("model.safetensors", 1000);
    photos_draw("photos", 1);
    CHECK_INT(test_shell(&text, "(%s/sleddog-worker classify --engine onednn --precision f32 --weights model.safetensors photos/*/* 2>&1 >/dev/null)", test_build()), 0);
    CHECK_CONTAINS(text, " in f32: engine onednn on ");
    freep(&text);
    CHECK_INT(test_shell(&text, "(%s/sleddog-worker classify --engine sim --weights model.safetensors sim:1 2>&1 >/dev/null)", test_build()), 0);
    CHECK_CONTAINS(text, "--weights model.safetensors: engine sim looks at no weights; leave --weights out, or --engine sim\n");
}

TEST(classify_advises_nothing_that_needs_a_job)
{
    CLEANUP(freep) char *text = NULL;
    CHECK_INT(test_shell(&text, "%s/sleddog-worker classify --engine sim --store-timeout 1 http://127.0.0.1:1/a.jpg 2>/dev/null", test_build()), 1);
    CHECK_CONTAINS(text, "127.0.0.1:1 has not answered for ");
    CHECK_CONTAINS(text, "; when it is back, try again\n");
    CHECK_INT(COORDINATE("job", "run", "--engine", "sim", "--store-timeout", "1", "--job", "job", "http://127.0.0.1:1/a.jpg"), 0);
    check_contains("job/predictions.jsonl", "; when it is back, `sleddog-coordinator retry` tries again");
}

TEST(an_option_that_changes_nothing_is_told)
{
    model_write("model.safetensors", 10);
    CHECK_INT(COORDINATE("weights", "run", "--engine", "sim", "--weights", "model.safetensors", "--job", "weights", "sim:5"), 0);
    check_contains("weights.err", "model.safetensors: engine sim looks at no weights, its answers are made up; leave --weights out, or --engine sim\n");
    CHECK_INT(COORDINATE("store", "run", "--engine", "sim", "--profile", "me", "--region", "r", "--job", "store", "sim:5"), 0);
    check_contains("store.err", "--region, --profile: neither sources nor output nor weights of this job are in an S3 store, so they change nothing; leave them out\n");
    write_text("list", "sim.jpg\n");
    CHECK_INT(COORDINATE("list", "run", "--engine", "sim", "--region", "r", "--job", "listed", "@list"), 0);
    check_lacks("list.err", "S3");
    CHECK_INT(COORDINATE("top", "run", "--engine", "sim", "--top", "1001", "--job", "top", "sim:5"), 0);
    check_contains("top.err", "--top 1001: the model has 1000 classes, and a result carries no more\n");
}

TEST(a_list_that_is_read_wrongly_is_told_with_a_way_on_that_works)
{
    write_text("list", "a.jpg\nb.jpg\n");
    CHECK_INT(COORDINATE("run", "run", "--engine", "sim", "--null", "--job", "job", "@list"), 1);
    check_contains("run.err", "@list: has lines, and no NUL");
    check_contains("run.err", "nothing was classified; mend that, remove ");
    check_lacks("run.err", "go on with");
}

/* ---- standard output ---- */

/* The words of a command of this program, for a shell. */
static void expect_untaken(const char *program, const char *words)
{
    CHECK_INT(test_shell(NULL, "(%s/%s %s >/dev/full 2>full.err)", test_build(), program, words), 1);
    check_contains("full.err", "standard output: No space left on device");
}

TEST(what_standard_output_does_not_take_is_an_error_of_both_programs)
{
    model_write("model.safetensors", 10);
    expect_untaken("sleddog-worker", "classify --engine sim sim:1");
    expect_untaken("sleddog-worker", "info");
    expect_untaken("sleddog-worker", "weights model.safetensors");
    expect_untaken("sleddog-worker", "verify --engine sim --help");
    expect_untaken("sleddog-worker", "calibrate --help");
    expect_untaken("sleddog-worker", "--help");
    expect_untaken("sleddog-worker", "--version");
    expect_untaken("sleddog-coordinator", "--help");
    expect_untaken("sleddog-coordinator", "--version");
    expect_untaken("sleddog-coordinator", "run --help");
}

/* ---- models ---- */

static void expect_failure(const char *part, const char *option, const char *value)
{
    CHECK_INT(test_shell(NULL, "rm -rf job"), 0);
    CHECK_INT(COORDINATE("failed", "run", "--local", "1", "--job", "job", option, value, "photos"), 1);
    check_contains("failed.err", part);
    check_contains("failed.err", "nothing was classified; mend that, remove ");
}

static void expect_warning(const char *option, const char *value, const char *sentence)
{
    struct daemon daemon;
    WORKER(&daemon, "warned", "--engine", "sim", option, value);
    WAIT_FOR(process_said(&daemon.process, sentence));
    daemon_stop(&daemon);
}

/* A look at earlier weights that is not over may take the place of one. */
static bool says_when_reloaded(struct daemon *daemon, const char *sentence)
{
    process_signal(&daemon->process, SIGHUP);
    return process_said(&daemon->process, sentence);
}

TEST(a_worker_whose_weights_are_not_there_says_so_at_its_start_and_works)
{
    struct daemon daemon;
    expect_warning("--weights", "nix.pth", "--weights: nix.pth: cannot open the weights: No such file or directory; as long as that is so, jobs that name no weights are refused");
    expect_warning("--weights", "/", "--weights: /: not a regular file; give a .safetensors or .pth file; as long as that is so");
    write_text("conf", "engine = sim\n");
    write_text("there", "x");
    WORKER(&daemon, "worker", "--config", "conf");
    write_node("nodes", &daemon);
    write_text("conf", "engine = sim\nweights = there\n");
    process_signal(&daemon.process, SIGHUP);
    WAIT_FOR(process_said(&daemon.process, "weights has changed"));
    write_text("conf", "engine = sim\nweights = gone.pth\n");
    WAIT_FOR(says_when_reloaded(&daemon, "--weights: gone.pth: cannot open the weights"));
    CHECK_INT(COORDINATE("check", "check", "--nodes", "nodes"), 0);
    daemon_stop(&daemon);
    check_lacks("worker.err", "--weights: there");
}

TEST(what_the_options_of_a_worker_name_and_is_not_there_yet_is_told_at_its_start)
{
    setenv("AWS_CONFIG_FILE", "no-config", 1);
    setenv("AWS_SHARED_CREDENTIALS_FILE", "no-credentials", 1);
    expect_warning("--ranges", "nix.json", "--ranges: nix.json: No such file or directory; as long as that is so, jobs that would compute in int8 are refused");
    expect_warning("--profile", "nope", "--profile: there is no profile \"nope\" in no-credentials and no-config; as long as that is so, nothing is read from s3://");
    expect_warning("--ca-bundle", "nix.pem", "--ca-bundle: nix.pem: No such file or directory; as long as that is so, nothing is read from s3://");
}

TEST(a_worker_that_found_no_gpu_for_what_was_asked_of_one_says_so)
{
    struct daemon daemon;
    if (test_shell(NULL, "%s/sleddog-worker info | grep '^cudnn  *not usable'", test_build()))
        test_skip("there is a GPU here");
    WORKER(&daemon, "worker", "--precision", "f16");
    WAIT_FOR(process_said(&daemon.process, "--precision f16: engine onednn computes in f32 or int8; give one of these, or auto; as long as no GPU is found here, jobs are refused"));
    daemon_stop(&daemon);
}

TEST(what_can_never_work_ends_a_worker_at_its_start_with_status_2)
{
    static const struct mistake mistakes[] = {
        { 2, "--devices 7: names GPUs, and engine onednn computes on the CPU; leave the option out", { "--engine", "onednn", "--devices", "7" } },
        { 2, "--devices x: not a list like 0,1", { "--devices", "x" } },
        { 2, "--precision f16: engine onednn computes in f32 or int8", { "--engine", "onednn", "--precision", "f16" } },
        { 2, "--memory-limit 1: this program needs ", { "--memory-limit", "1" } },
        { 2, "--weights: https://h/x.pth: what follows # must be sha256= and 64 hex digits", { "--weights", "https://h/x.pth#nope" } },
        { 2, "--weights: http://x/y.pth: over http:// anybody on the way can replace the file", { "--weights", "http://x/y.pth" } },
        { 2, "--weights: ftp:// is not read", { "--weights", "ftp://x/y.pth" } },
        { 2, "--weights: s3://bucket: a bucket, not a file in it", { "--weights", "s3://bucket" } },
        { 2, "--endpoint-url: an endpoint begins with https:// or http://", { "--endpoint-url", "x" } },
        { 2, "--region: \"no where\" is no region", { "--region", "no where" } },
        { 2, "--weights: ftp:// is not read", { "classify", "--weights", "ftp://x/y.pth", "photo.jpg" } },
        { 2, "--region: \"no where\" is no region", { "classify", "--region", "no where", "--weights", "w", "photo.jpg" } },
        { 2, "--endpoint-url: an endpoint begins", { "weights", "--endpoint-url", "x", "s3://bucket/y.pth" } },
        { 2, "--weights: ftp:// is not read", { "calibrate", "--images", ".", "--weights", "ftp://x/y.pth" } },
    };
    expect_all("sleddog-worker", mistakes, ARRAY_SIZE(mistakes));
    CLEANUP(freep) char *text = NULL;
    CHECK_INT(test_shell(&text, "%s/sleddog-worker weights ftp://x/y.pth", test_build()), 1);
    CHECK_CONTAINS(text, "wrong       ftp:// is not read; copy the file and give its path, or an address with https:// or s3://");
}

TEST(weights_that_are_no_model_are_told_by_tensor_and_shape)
{
    float numbers[64 * 27] = { 0 };
    struct why why;
    struct tensor odd = { .name = "features.0.weight", .dtype = DTYPE_F32, .dims = 1, .shape = { 8 }, .data = numbers };
    struct tensor shape = { .name = "conv1.weight", .dtype = DTYPE_F32, .dims = 4, .shape = { 64, 3, 3, 3 }, .data = numbers };
    photos_draw("photos", 2);
    write_text("text.safetensors", "this is not a model, but it has a few bytes");
    CHECK_INT(safetensors_write("odd.safetensors", &odd, 1, &why), 0);
    CHECK_INT(safetensors_write("shape.safetensors", &shape, 1, &why), 0);
    expect_failure("text.safetensors", "--weights", "text.safetensors");
    expect_failure("odd.safetensors", "--weights", "odd.safetensors");
    expect_failure("shape.safetensors: ", "--weights", "shape.safetensors");
    check_contains("failed.err", "conv1.weight");
}

TEST(labels_that_do_not_fit_the_model_are_refused_with_both_counts)
{
    model_write("model.safetensors", 10);
    photos_draw("photos", 2);
    expect_failure("the model has 10 classes, the labels have 1000 names; give the model's own with --labels", "--weights", "model.safetensors");
    write_text("names", "a\nb\nc\n");
    CHECK_INT(COORDINATE("sim", "run", "--engine", "sim", "--labels", "names", "--job", "job2", "sim:5"), 1);
    check_contains("sim.err", "the model has 1000 classes, the labels have 3 names");
}

/* A job that names no weights takes those of its workers, if all have the same. */
TEST(workers_that_have_other_weights_of_their_own_do_not_work_together)
{
    struct daemon one, two;
    struct process run;
    model_write("one.safetensors", 3);
    write_text("names", "a\nb\nc\n");
    photos_draw("photos", 2);
    CHECK_INT(test_shell(NULL, "cp one.safetensors two.safetensors && printf '\\001' | dd of=two.safetensors bs=1 conv=notrunc status=none "
                               "seek=$(($(stat -c %%s two.safetensors) - 4))"), 0);
    WORKER(&one, "one", "--weights", "one.safetensors");
    WORKER(&two, "two", "--weights", "two.safetensors");
    write_nodes("nodes", (const struct daemon *[]){ &one, &two }, 2);
    BEGIN(&run, "run", "run", "--nodes", "nodes", "--min-nodes", "2", "--labels", "names", "--job", "job", "photos");
    WAIT_FOR(process_said(&run, "takes no part in this job: its own weights (sha256 "));
    CHECK(process_said(&run, "are not those of the first worker ("));
    CHECK(process_said(&run, "give --weights FILE to the run"));
    process_signal(&run, SIGINT);
    CHECK_INT(process_end(&run), 130);
    daemon_stop(&two);
    WORKER(&two, "two", "--weights", "one.safetensors");
    write_nodes("nodes", (const struct daemon *[]){ &one, &two }, 2);
    CHECK_INT(COORDINATE("same", "run", "--nodes", "nodes", "--min-nodes", "2", "--labels", "names", "--job", "same", "photos"), 0);
    daemon_stop(&one);
    daemon_stop(&two);
}

TEST(a_job_directory_is_used_by_one_coordinator_and_for_one_job)
{
    struct process first;
    BEGIN(&first, "first", "run", "--local", "1", "--engine", "sim", "--sim-cost-us", "20000", "--batch", "10", "--job", "job", "sim:500");
    WAIT_FOR(job_done("job") > 0);
    CHECK_INT(COORDINATE("second", "run", "--engine", "sim", "--job", "job", "sim:5"), 1);
    char who[64];
    snprintf(who, sizeof(who), "job: process %d on ", (int)first.pid);
    check_contains("second.err", who);
    check_contains("second.err", "runs this job; wait for it or end it, and see sleddog-coordinator status job");
    CHECK_INT(COORDINATE("third", "resume", "job"), 1);
    check_contains("third.err", who);
    CHECK_INT(COORDINATE("status", "status", "job"), 0);
    check_contains("status.out", who + strlen("job: "));
    process_signal(&first, 9);
    process_end(&first);
    CHECK_INT(COORDINATE("fourth", "run", "--engine", "sim", "--job", "job", "sim:5"), 1);
    check_contains("fourth.err", "job: holds another job already: the source is sim:500, not sim:5; choose another --job, or go on with that one: "
                                 "sleddog-coordinator resume --local 1 --engine sim --sim-cost-us 20000 job");
}

TEST(a_command_that_is_proposed_is_called_as_this_program_was)
{
    struct process run;
    CLEANUP(freep) char *output = NULL;
    BEGIN(&run, "run", "run", "--engine", "sim", "--sim-cost-us", "2000", "--batch", "10", "--job", "job", "sim:200");
    WAIT_FOR(job_done("job") > 0);
    process_signal(&run, 9);
    process_end(&run);
    CHECK_INT(test_shell(NULL, "ln -s '%s' 'my build'", test_build()), 0);
    CHECK_INT(test_shell(&output, "'my build/sleddog-coordinator' run --engine sim --job job sim:5"), 1);
    CHECK_CONTAINS(output, "go on with that one: 'my build/sleddog-coordinator' resume --engine sim --sim-cost-us 2000 job");
    CHECK_INT(test_shell(NULL, "'my build/sleddog-coordinator' status job >status; sed -n 's/.*go on with: //p' status >paste; grep \"^'my build/\" paste && . ./paste"), 0);
    CHECK_INT(job_done("job"), 200);
    freep(&output);
    CHECK_INT(test_shell(&output, "'my build/sleddog-coordinator' frobnicate"), 2);
    CHECK_CONTAINS(output, "see 'my build/sleddog-coordinator' --help");
    freep(&output);
    CHECK_INT(test_shell(&output, "'my build/sleddog-worker' calibrate"), 2);
    CHECK_CONTAINS(output, "see 'my build/sleddog-worker' calibrate --help");
    CHECK_INT(COORDINATE("status", "status", "--nonsense"), 2);
    check_contains("status.err", "see sleddog-coordinator status --help");
}

TEST(the_command_that_a_job_keeps_names_no_path_of_the_program)
{
    struct process run;
    char command[4200];
    snprintf(command, sizeof(command), "exec %s/sleddog-coordinator run --engine sim --sim-cost-us 2000 --batch 10 --job job sim:2000", test_build());
    process_start(&run, "run", ARGV("/bin/sh", "-c", command));
    WAIT_FOR(job_done("job") > 0);
    process_signal(&run, 9);
    process_end(&run);
    CHECK_INT(COORDINATE("status", "status", "job"), 0);
    check_contains("status.out", "go on with: sleddog-coordinator resume --engine sim");
}

TEST(nodes_writes_a_list_out_for_scripts)
{
    write_text("nodes", "head\n[gpus]\ngpu[1-2]:5600\nGPU2 # the same machine\n[fe80::1]\n[fe80::1]:5700\n");
    CHECK_INT(COORDINATE("all", "nodes", "--nodes", "nodes"), 0);
    check_contains("all.out", "head:5571\ngpu1:5600\ngpu2:5600\nGPU2:5571\n[fe80::1]:5571\n[fe80::1]:5700\n");
    CHECK_INT(COORDINATE("group", "nodes", "--nodes", "nodes", "--group", "gpus", "--hosts"), 0);
    CLEANUP(freep) char *hosts = read_text("group.out");
    CHECK_STR(hosts, "gpu1\ngpu2\nfe80::1\n");
}

/* Its numbers are other ones, and small photos have the same. */
TEST(a_worker_that_decodes_fast_takes_no_part_in_a_job_that_does_not)
{
    struct daemon daemons[2];
    photos_draw("photos", 4);
    WORKER(&daemons[0], "exact", "--engine", "sim", "--decode", "exact");
    WORKER(&daemons[1], "fast", "--engine", "sim", "--decode", "fast");
    write_nodes("nodes", (const struct daemon *[]){ &daemons[0], &daemons[1] }, 2);
    CHECK_INT(COORDINATE("mixed", "run", "--nodes", "nodes", "--min-nodes", "2", "--node-timeout", "2", "--job", "mixed", "photos"), 1);
    check_contains("mixed.err", ", decode fast\"");
    check_contains("mixed.err", "--mixed allows it");
    CHECK_INT(COORDINATE("allowed", "run", "--nodes", "nodes", "--min-nodes", "2", "--mixed", "--batch", "1", "--job", "allowed", "photos"), 0);
    for (int i = 0; i < 2; i++)
        daemon_stop(&daemons[i]);
    CHECK_INT(COORDINATE("fast", "run", "--engine", "sim", "--decode", "fast", "--job", "job", "photos"), 0);
    check_same_file("job/predictions.jsonl", "allowed/predictions.jsonl");
}
