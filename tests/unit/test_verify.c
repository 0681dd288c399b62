/* verify: PyTorch itself judges the built-in numbers; right answers pass, bent ones are told, and `check` shows it a node. */
#include "worker/verify.h"

#include "tests/cluster/lib/cluster.h"
#include "tests/test.h"

#include <unistd.h>

static struct verify_result run_verify_in(const char *precision)
{
    struct tuning tuning = TUNING_DEFAULTS;
    struct verify_result result;
    struct why why;
    tuning.precision = precision;
    setenv("SLEDDOG_ENGINES", test_build(), 0);
    if (verify(&tuning, NULL, &result, &why) < 0)
        test_fail(__FILE__, __LINE__, "%s", why.text);
    return result;
}

static struct verify_result run_verify(void)
{
    return run_verify_in("auto");
}

static int judge(const char *file, char **ret_output)
{
    return test_shell(ret_output, "/usr/bin/python3 -W ignore %s/tests/golden/verify.py %s", test_source(), file);
}

TEST(the_built_in_numbers_are_pytorchs)
{
    char *output;
    if (test_shell(NULL, "/usr/bin/python3 -c 'import PIL, torch, torchvision'"))
        test_skip("no python3-pil, python3-torch and python3-torchvision for /usr/bin/python3");
    CHECK_INT(test_shell(NULL, "cp %s/worker/verify.def good && sed 's/1.49489045/1.49589045/' good >number && sed 's/13.166299/13.266299/' good >range && ! cmp -s good range && sed '/PIXELS(ink/s/\"[0-9a-f]/\"x/' good >hash && "
                               "! cmp -s good number && ! cmp -s good hash", test_source()), 0);
    if (judge("good", &output))
        test_fail(__FILE__, __LINE__, "%s", output);
    CHECK_CONTAINS(output, "8 hashes and 6 layers and 20 ranges are PyTorch's");
    free(output);
    CHECK(judge("number", &output) != 0);
    CHECK_CONTAINS(output, "maxpool: normalised error");
    free(output);
    CHECK(judge("range", &output) != 0);
    CHECK_CONTAINS(output, "conv1: its range is");
    free(output);
    CHECK(judge("hash", &output) != 0);
    CHECK_CONTAINS(output, "pixels of ");
    free(output);
}

TEST(this_machine_answers_as_pytorch_does)
{
    struct verify_result result = run_verify();
    CHECK_INT(result.checks, 14);
    if (result.wrong)
        test_fail(__FILE__, __LINE__, "%s", result.text);
    CHECK_CONTAINS(result.text, "14 checks, largest error");
    CHECK_CONTAINS(result.text, "onednn");
}

TEST(int8_is_compared_with_pytorch_too_as_near_as_it_can_be)
{
    struct verify_result result = run_verify_in("int8");
    if (result.wrong)
        test_fail(__FILE__, __LINE__, "%s", result.text);
    CHECK_INT(result.checks, 14);
    CHECK_CONTAINS(result.text, " int8, ranges ");
    CHECK_CONTAINS(result.fingerprint, " int8, ranges ");
}

/* An engine that is oneDNN but for one number in a hundred thousand. */
static void bend_engine(void)
{
    static const char source[] =
        "#include \"worker/engine.h\"\n"
        "#include <dlfcn.h>\n"
        "#include <stdlib.h>\n"
        "#include <string.h>\n"
        "static const struct engine_ops *real;\n"
        "static int bent_wait(struct engine *engine, struct engine_slot **ret, struct why *why)\n"
        "{\n"
        "    int r = real->wait(engine, ret, why);\n"
        "    if (r == 0 && (*ret)->values)\n"
        "        for (size_t i = 0; i < real->info(engine)->values; i++)\n"
        "            (*ret)->values[i] *= strstr(real->info(engine)->fingerprint, \"int8\") ? 1.5f : i ? 1 : 1.001f;\n"
        "    return r;\n"
        "}\n"
        "const struct engine_ops *sleddog_engine(void)\n"
        "{\n"
        "    static struct engine_ops ops;\n"
        "    engine_entry_point *entry = (engine_entry_point *)dlsym(dlopen(getenv(\"REAL\"), RTLD_NOW), \"sleddog_engine\");\n"
        "    ops = *(real = entry());\n"
        "    ops.wait = bent_wait;\n"
        "    return &ops;\n"
        "}\n";
    char real[4200], here[4000];
    snprintf(real, sizeof(real), "%s/sleddog-engine-onednn.so", test_build());
    setenv("REAL", real, 1);
    test_write_file("bent.c", source, sizeof(source) - 1);
    CHECK_INT(test_shell(NULL, "mkdir bent && cc -shared -fPIC -I%s -o bent/sleddog-engine-onednn.so bent.c", test_source()), 0);
    CHECK(getcwd(here, sizeof(here) - 8));
    strcat(here, "/bent");
    setenv("SLEDDOG_ENGINES", here, 1);
}

TEST(one_number_that_is_not_pytorchs_is_told)
{
    bend_engine();
    struct verify_result result = run_verify();
    CHECK_INT(result.checks, 14);
    CHECK_INT(result.wrong, 6);
    CHECK_CONTAINS(result.text, "layer maxpool: normalised error");
    result = run_verify_in("int8"); /* numbers that are half as large again */
    CHECK_INT(result.wrong, 6);
}

TEST(what_does_no_arithmetic_cannot_be_verified)
{
    struct tuning tuning = TUNING_DEFAULTS;
    struct verify_result result;
    struct why why;
    tuning.engine = "sim";
    CHECK_INT(verify(&tuning, NULL, &result, &why), -ENOTSUP);
    CHECK_CONTAINS(why.text, "sim does no arithmetic");
}

TEST(the_command_prints_every_check_and_a_verdict)
{
    char *output;
    CHECK_INT(test_shell(&output, "%s/sleddog-worker verify --engine-batch 1", test_build()), 0);
    CHECK_CONTAINS(output, "ok     pixels of image colour at 256/224: Pillow's");
    CHECK_CONTAINS(output, "ok     logits, fc: normalised error");
    CHECK_CONTAINS(output, "the answers of this machine are PyTorch's: 14 checks");
    free(output);
    bend_engine();
    CHECK_INT(test_shell(&output, "%s/sleddog-worker verify", test_build()), 1);
    CHECK_CONTAINS(output, "WRONG  layer layer4.1.conv2");
    CHECK_CONTAINS(output, "6 of 14 checks are wrong: do not trust");
    free(output);
    CHECK_INT(test_shell(NULL, "%s/sleddog-worker verify --engine sim", test_build()), 1);
    CHECK_INT(test_shell(NULL, "%s/sleddog-worker verify more", test_build()), 2);
}

TEST(check_shows_the_verdict_of_every_node)
{
    struct daemon right, sim, bent, int8;
    WORKER(&right, "right", "--threads", "2");
    WORKER(&int8, "int8", "--threads", "2", "--precision", "int8");
    WORKER(&sim, "sim", "--engine", "sim");
    bend_engine();
    WORKER(&bent, "bent", "--threads", "2");
    write_nodes("nodes", (const struct daemon *[]){ &right, &sim }, 2);
    CHECK_INT(COORDINATE("check", "check", "--nodes", "nodes", "--mixed", "--node-timeout", "60"), 0);
    check_contains("check.out", " yes\n");
    check_contains("check.out", "not verified: engine sim does no arithmetic");
    write_nodes("nodes", (const struct daemon *[]){ &int8 }, 1);
    CHECK_INT(COORDINATE("check8", "check", "--nodes", "nodes", "--node-timeout", "60"), 0);
    check_contains("check8.out", " yes\n");
    write_node("nodes", &bent);
    CHECK_INT(COORDINATE("check", "check", "--nodes", "nodes", "--node-timeout", "60"), 1);
    check_contains("check.out", " WRONG ");
    check_contains("check.out", "ITS ANSWERS ARE NOT PYTORCH'S: layer maxpool");
    daemon_stop(&right);
    daemon_stop(&int8);
    daemon_stop(&sim);
    daemon_stop(&bent);
}
