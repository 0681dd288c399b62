#include "coordinator/hint.h"
#include "coordinator/run_options.h"

#include "common/program.h"
#include "tests/test.h"

#include <limits.h>
#include <unistd.h>

static struct why why;

/* Parses words as `run` does, makes the spec. */
static int make_spec(const char *const *words, struct spec **ret)
{
    struct run_options options = RUN_DEFAULTS;
    char *argv[32] = { (char *)"run" };
    int argc = 1, first;
    for (; words[argc - 1]; argc++)
        argv[argc] = (char *)words[argc - 1];
    int r = options_parse(run_rows(), &options, argc, argv, &first, &why);
    return r < 0 ? r : spec_from_options(&options, argv + first, argc - first, "jobdir", ret, &why);
}

#define MAKE(...) make_spec((const char *const[]){ __VA_ARGS__, NULL }, &spec)

TEST(defaults_are_those_of_the_manual)
{
    struct spec *spec;
    char here[PATH_MAX], path[PATH_MAX + 16];
    CHECK_INT(MAKE("a", "b"), 0);
    CHECK_INT(spec->source_count, 2);
    CHECK_STR(spec->sources[1], "b");
    CHECK_STR(spec->preset, "torchvision");
    CHECK(spec->resize == 256 && spec->crop == 224 && spec->mean[0] == 0.485f && spec->std[2] == 0.225f);
    CHECK(spec->batch == 60 && spec->top == 5 && spec->emit == ROW_TOPK && !spec->per_image && !spec->mixed && !spec->null_separated);
    CHECK_STR(spec->formats, "jsonl");
    CHECK_STR(spec->weights, "");
    CHECK_STR(spec->weights_sha256, "");
    CHECK_STR(spec->labels, "");
    CHECK_STR(spec->truth, "");
    CHECK_STR(spec->version, SLEDDOG_VERSION);
    CHECK_INT(strlen(spec->job), 16);
    snprintf(path, sizeof(path), "%s/jobdir", getcwd(here, sizeof(here)));
    CHECK_STR(spec->output, path);
    CHECK(spec->created > 1.7e9);
    spec_free(spec);
}

TEST(options_reach_the_description_and_paths_become_absolute)
{
    struct spec *spec;
    char here[PATH_MAX], path[PATH_MAX + 16];
    test_write_file("w", "abc", 3);
    test_write_file("l", "1\n", 2);
    CHECK_INT(MAKE("--emit", "features", "--preset=article", "-b", "7", "--top", "3", "--weights", "w", "--labels", "l", "-o", "out",
                   "--format", "csv,jsonl", "--truth", "(x)", "--per-image", "--mixed", "--null", "--interpolation", "hamming",
                   "--resize", "300", "--mean", "1,2,3", "--exif-orient", "s"), 0);
    CHECK(spec->resize == 300 && spec->mean[2] == 3 && spec->interpolation == INTERPOLATION_HAMMING && spec->exif_orient);
    CHECK(spec->emit == ROW_FEATURES && spec->crop == 250 && spec->std[0] == 1 && spec->batch == 7 && spec->top == 3);
    CHECK(spec->per_image && spec->mixed && spec->null_separated);
    snprintf(path, sizeof(path), "%s/w", getcwd(here, sizeof(here)));
    CHECK_STR(spec->weights, path);
    CHECK_STR(spec->weights_sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    snprintf(path, sizeof(path), "%s/out", here);
    CHECK_STR(spec->output, path);
    CHECK_CONTAINS(spec->labels, "/l");
    CHECK_STR(spec->labels_sha256, "4355a46b19d348dc2f57c046f8ef63d4538ebb936000f3c9ee954a27460dd865");
    CHECK_STR(spec->truth, "(x)");
    CHECK_STR(spec->formats, "csv,jsonl");
    spec_free(spec);
}

TEST(what_cannot_be_is_refused)
{
    struct spec *spec;
    CHECK_INT(MAKE("--format", "xml", "s"), -EINVAL);
    CHECK_CONTAINS(why.text, "xml");
    CHECK_INT(MAKE("--preset", "article2", "s"), -EINVAL);
    CHECK_INT(MAKE("--batch", "0", "s"), -EINVAL);
    CHECK_INT(MAKE("--batch", "4097", "s"), -EINVAL);
    CHECK_INT(MAKE("--weights", "missing", "s"), -ENOENT);
    CHECK_CONTAINS(why.text, "missing");
    test_write_file("model-12ab34cd.pth", "abc", 3);
    CHECK_INT(MAKE("--weights", "model-12ab34cd.pth", "s"), -EBADMSG);
    CHECK_CONTAINS(why.text, "begins with 12ab34cd, and it begins with ba7816bf");
    CHECK_INT(MAKE("--weights", "http://me:secret@host.invalid/model.pth", "s"), -EINVAL); /* before anything is asked for */
    CHECK_CONTAINS(why.text, "over http:// anybody on the way can replace the file");
    CHECK(!strstr(why.text, "secret"));
}

TEST(two_jobs_have_two_ids)
{
    struct spec *spec, *other;
    CHECK_INT(MAKE("s"), 0);
    other = spec;
    CHECK_INT(MAKE("s"), 0);
    CHECK(strcmp(spec->job, other->job));
    spec_free(spec);
    spec_free(other);
}

/* What `run` says to these options. */
static int check(const struct option_row *rows, const char *const *words)
{
    struct run_options options = RUN_DEFAULTS;
    char *argv[16] = { (char *)"run" };
    int argc = 1, first;
    for (; words[argc - 1]; argc++)
        argv[argc] = (char *)words[argc - 1];
    CHECK_INT(run_options_parse(rows, &options, argc, argv, &first, &why), 0);
    why.text[0] = '\0';
    return run_options_check(&options, &why);
}

#define GIVEN(...) check(run_rows(), (const char *const[]){ __VA_ARGS__, NULL })

/* A word that this option takes. */
static const char *value_of(const struct option_row *row)
{
    static char text[32];
    snprintf(text, sizeof(text), "%.*s", row->choices ? (int)strcspn(row->choices, "|") : 31, row->choices ? row->choices : "9999999");
    if (row->type == OPTION_INT)
        snprintf(text, sizeof(text), "%d", (int)row->min);
    return text;
}

TEST(what_only_a_worker_started_here_can_follow_is_refused_beside_nodes_alone)
{
    int refused = 0;
    for (const struct option_row *row = run_rows(); row->name; row++) {
        char word[64], said[128];
        if (!tuning_is_own(row->name))
            continue;
        snprintf(word, sizeof(word), "--%s=%s", row->name, value_of(row));
        CHECK_INT(check(run_rows(), (const char *const[]){ word, "--nodes", "n", NULL }), -EINVAL);
        snprintf(said, sizeof(said), "--%s is for workers started here", row->name);
        CHECK_CONTAINS(why.text, said);
        CHECK_INT(check(resume_rows(), (const char *const[]){ "--nodes", "n", word, NULL }), -EINVAL);
        CHECK_INT(check(run_rows(), (const char *const[]){ word, "--nodes", "n", "--local", "1", NULL }), 0);
        CHECK_INT(check(run_rows(), (const char *const[]){ word, NULL }), 0);
        refused++;
    }
    CHECK_INT(refused, 16);
    CHECK_INT(GIVEN("--threads", "32", "--nodes", "n"), -EINVAL); /* the default, but those of the nodes may have another */
    CHECK_INT(GIVEN("--nodes", "n", "--local", "0", "--engine", "sim"), -EINVAL);
}

TEST(only_the_words_parsed_last_count_as_given)
{
    struct run_options options = RUN_DEFAULTS;
    char *kept[] = { (char *)"resume", (char *)"--nodes", (char *)"n", (char *)"--local", (char *)"2", (char *)"--engine", (char *)"sim", NULL };
    char *now[] = { (char *)"resume", (char *)"--local", (char *)"0", NULL };
    int first;
    CHECK_INT(run_options_parse(resume_rows(), &options, 7, kept, &first, &why), 0);
    CHECK_INT(run_options_parse(resume_rows(), &options, 3, now, &first, &why), 0);
    CHECK_STR(options.nodes, "n");
    CHECK_INT(run_options_check(&options, &why), 0);
}

TEST(what_the_coordinator_needs_too_is_taken_beside_nodes)
{
    CHECK_INT(GIVEN("--nodes", "n", "--cache", "c", "--cache-limit", "1G", "--store-timeout", "5", "--region", "r", "--no-sign-request", "--min-nodes", "2"), 0);
    CHECK_INT(GIVEN("--nodes", "n", "--weights", "w", "--mixed", "--group", "g", "--key", "k", "--node-key", "p", "--insecure"), 0);
}

TEST(what_decides_the_numbers_of_a_job_is_asked_of_nodes_of_a_list_too)
{
    CHECK_INT(GIVEN("--nodes", "n", "--precision", "int8", "--recheck", "10"), 0);
    CHECK_INT(GIVEN("--nodes", "n", "--precision", "f32", "--recheck", "10"), -EINVAL);
    CHECK_CONTAINS(why.text, "--recheck 10: computes again what int8 leaves undecided, but --precision f32 was asked for");
}

TEST(what_only_nodes_of_a_list_can_follow_is_refused_without_one)
{
    CHECK_INT(GIVEN("--group", "g"), -EINVAL);
    CHECK_STR(why.text, "--group is for the nodes of a list: give --nodes FILE too");
    CHECK_INT(GIVEN("--local", "2", "--node-key", "k"), -EINVAL);
    CHECK_INT(GIVEN("--key", "k"), -EINVAL);
    CHECK_INT(GIVEN("--insecure"), -EINVAL);
    CHECK_INT(GIVEN("--local", "2", "--min-nodes", "2", "--node-timeout", "5", "--expiry", "5", "--stall-timeout", "5"), 0);
}

TEST(no_workers_at_all_are_refused)
{
    CHECK_INT(GIVEN("--local", "0"), -EINVAL);
    CHECK_CONTAINS(why.text, "--local 0: nobody would do the work");
    CHECK_INT(GIVEN("--local", "0", "--nodes", "n"), 0);
}

/* The command that goes on, if the process had these options. */
static char *hint_of(const struct run_options *options)
{
    struct bytes out;
    bytes_init(&out, 1000);
    CHECK_INT(hint_command("resume", options, "job", &out), 0);
    return bytes_take(&out);
}

TEST(the_command_that_goes_on_names_a_precision_that_is_not_the_one_the_job_was_begun_with)
{
    struct run_options options = RUN_DEFAULTS;
    program_remember("sleddog-coordinator", NULL);
    options.begun.precision = "int8";
    options.begun.recheck = 10;
    char *text = hint_of(&options);
    CHECK_STR(text, "sleddog-coordinator resume --precision auto --recheck 0 job");
    free(text);
    options.tuning.precision = "int8";
    options.tuning.recheck = 10;
    text = hint_of(&options);
    CHECK_STR(text, "sleddog-coordinator resume --precision int8 --recheck 10 job");
    free(text);
}

TEST(the_command_that_goes_on_proposes_nothing_that_would_be_refused)
{
    struct run_options options = RUN_DEFAULTS;
    program_remember("sleddog-coordinator", NULL);
    options.tuning.engine = "sim";
    options.tuning.store_timeout = 5;
    options.trust.key = "k";
    options.group = (struct texts){ .text = { "g" }, .count = 1 };
    options.nodes = "n";
    char *text = hint_of(&options);
    CHECK_STR(text, "sleddog-coordinator resume --nodes n --group g --key k --store-timeout 5 job");
    free(text);
    options.local = 2;
    text = hint_of(&options);
    CHECK_STR(text, "sleddog-coordinator resume --nodes n --group g --key k --local 2 --engine sim --store-timeout 5 job");
    free(text);
    options.nodes = NULL;
    text = hint_of(&options);
    CHECK_STR(text, "sleddog-coordinator resume --local 2 --engine sim --store-timeout 5 job");
    free(text);
}

TEST(resume_takes_nodes_and_time_limits_and_nothing_that_changes_rows)
{
    static const char *const changing[] = { "batch", "top", "emit", "preset", "weights", "labels", "truth", "null", "format", "output", "job" };
    struct run_options options = RUN_DEFAULTS;
    for (size_t i = 0; i < ARRAY_SIZE(changing); i++)
        CHECK_INT(options_set(resume_rows(), &options, changing[i], "1", &why), -EINVAL);
    CHECK_INT(options_set(resume_rows(), &options, "local", "4", &why), 0);
    CHECK_INT(options_set(resume_rows(), &options, "node-timeout", "5", &why), 0);
    CHECK_INT(options_set(resume_rows(), &options, "engine", "sim", &why), 0);
    CHECK(options.local == 4 && options.node_timeout == 5);
}
