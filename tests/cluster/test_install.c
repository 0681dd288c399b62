/* What `make install` puts where, and that it runs from there; the example configuration; what a unit's memory limit is made of. */
#include "tests/cluster/lib/cluster.h"
#include "tests/cluster/lib/photos.h"

#include "common/cleanup.h"

#include <limits.h>
#include <signal.h>
#include <unistd.h>

static void make(const char *target, const char *prefix)
{
    CLEANUP(freep) char *output = NULL;
    if (test_shell(&output, "env -u MAKEFLAGS -u MAKELEVEL make -s -C %s %s BUILD=%s DESTDIR=$PWD/dest PREFIX=%s", test_source(), target, test_build(), prefix))
        test_fail(__FILE__, __LINE__, "make %s: %s", target, output);
}

static void check_shell(const char *expected, const char *command)
{
    CLEANUP(freep) char *output = NULL;
    int status = test_shell(&output, "%s", command);
    if (status || strcmp(output, expected))
        test_fail(__FILE__, __LINE__, "%s: status %d, \"%s\"", command, status, output);
}

TEST(what_is_installed_runs_from_there_and_wherever_the_tree_is_moved)
{
    make("install-built", "/usr");
    photos_draw("photos", 6);
    model_write("model.safetensors", 1000);
    check_shell("", "dest/usr/bin/sleddog-coordinator run --local 2 --engine onednn --weights model.safetensors --job here photos >out 2>&1 || cat out");
    check_shell("", "mv dest/usr moved && moved/bin/sleddog-coordinator run --local 1 --weights model.safetensors --job there photos >out 2>&1 || cat out");
    check_same_file("here/predictions.jsonl", "there/predictions.jsonl");
    check_shell("", "moved/bin/sleddog-worker info >out && grep -q '^onednn *oneDNN' out && test -s moved/share/man/man1/sleddog-worker.1 || cat out");
}

/* With a build whose folder is this test's own. */
static int demo(const char *assignments)
{
    return test_shell(NULL, "%s %s/tests/demo/run own >out 2>err", assignments, test_source());
}

TEST(the_demo_of_photos_of_ones_own_keeps_the_jobs_of_earlier_ones)
{
    CHECK_INT(test_shell(NULL, "mkdir own && ln -s %s/sleddog-* own/", test_build()), 0);
    photos_draw("photos", 4);
    model_write("model.safetensors", 1000);
    CHECK_INT(demo("IMAGES=photos"), 1);
    check_contains("err", "demo: IMAGES needs WEIGHTS=FILE as well, the model to use: .pth or .safetensors");
    CHECK_INT(demo("IMAGES=photos WEIGHTS=nowhere"), 1);
    CHECK_INT(demo("IMAGES=photos WEIGHTS=model.safetensors"), 0);
    check_contains("out", "with pictures: own/demo/job/report.html");
    CHECK_INT(demo("IMAGES=photos/a WEIGHTS=model.safetensors"), 0);
    check_contains("out", "with pictures: own/demo/job-2/report.html");
    check_shell("4 2\n", "echo $(cat own/demo/job/predictions.jsonl | wc -l) $(cat own/demo/job-2/predictions.jsonl | wc -l)");
}

TEST(units_name_the_places_of_their_prefix)
{
    make("install-built", "/opt/sleddog");
    check_shell("", "grep -rnI '@[A-Z]*@' dest || true");
    check_shell("ExecStart=/opt/sleddog/bin/sleddog-worker --config /opt/sleddog/etc/sleddog/worker.conf $SLEDDOG_KEY\n",
                "grep ExecStart= dest/opt/sleddog/lib/systemd/system/sleddog-worker.service");
    check_shell("", "test -x dest/opt/sleddog/lib/sleddog/sleddog-job && test -x dest/opt/sleddog/lib/systemd/system-generators/sleddog-generator && "
                    "test -e dest/opt/sleddog/lib/sysusers.d/sleddog.conf && test -e dest/opt/sleddog/etc/sleddog/worker.conf");
}

TEST(the_scripts_of_deploy_ssh_say_how_they_are_used_before_they_do_anything)
{
    static const char *const scripts[] = { "install", "start", "stop", "status" };
    for (size_t i = 0; i < ARRAY_SIZE(scripts); i++) {
        CLEANUP(freep) char *help = NULL, *bare = NULL;
        CHECK_INT(test_shell(&help, "%s/deploy/ssh/%s --help", test_source(), scripts[i]), 0);
        CHECK_INT(test_shell(&bare, "BUILD=nowhere %s/deploy/ssh/%s", test_source(), scripts[i]), 2);
        CHECK_STR(help, bare);
        CHECK_CONTAINS(help, scripts[i]);
        CHECK_CONTAINS(help, " --nodes FILE [--group NAME]...   ");
    }
}

TEST(installing_again_keeps_the_configuration_and_uninstalling_leaves_only_what_somebody_wrote)
{
    make("install-built", "/usr");
    make("uninstall", "/usr");
    check_shell("", "find dest -type f");
    make("install-built", "/usr");
    write_text("dest/etc/sleddog/worker.conf", "engine = sim\n");
    write_text("dest/etc/sleddog/nodes", "gpu01\n");
    make("install-built", "/usr");
    check_contains("dest/etc/sleddog/worker.conf", "engine = sim");
    make("uninstall", "/usr");
    check_shell("dest/etc/sleddog/nodes\ndest/etc/sleddog/worker.conf\n", "find dest -type f | sort");
}

/* ---- deploy/worker.conf ---- */

/* "#name = value" lines without their '#', of those whose comment does not say "for example" unless `examples`. */
static void write_uncommented(bool examples)
{
    CLEANUP(freep) char *output = NULL;
    CHECK_INT(test_shell(&output, "awk -v examples=%d '/^#[a-z0-9-]+ = / { if (examples || !example) print substr($0, 2); next } "
                                  "/^# / { example = /or example$/ }' %s/deploy/worker.conf >all.conf", examples, test_source()), 0);
}

TEST(the_example_configuration_has_every_option_and_each_can_be_uncommented)
{
    CLEANUP(freep) char *output = NULL;
    write_uncommented(true);
    test_shell(&output, "%s/sleddog-worker --help | sed -n '/^Options of the daemon/,/^Options of classify/s/^ *\\(-., \\)\\?--\\([a-z0-9-]*\\) .*/\\2/p' | "
                        "grep -vxE 'config|help|version' | sort >options; sed 's/ =.*//' all.conf | sort | diff options - && wc -l <options", test_build());
    if (atoi(output) <= 20)
        test_fail(__FILE__, __LINE__, "deploy/worker.conf (>) and the options of the daemon (<) differ: %s", output);
    CHECK_INT(test_shell(NULL, "%s/sleddog-worker --config all.conf --version", test_build()), 0);
}

TEST(what_the_example_configuration_shows_are_the_defaults)
{
    struct daemon worker;
    write_text("worker.conf", "");
    WORKER(&worker, "worker", "--config", "worker.conf");
    write_uncommented(false);
    CHECK_INT(test_shell(NULL, "test $(wc -l <all.conf) -gt 15 && sed '/^listen/d; $a drain-timeout = 29' all.conf >worker.conf"), 0);
    process_signal(&worker.process, SIGHUP);
    WAIT_FOR(process_said(&worker.process, "drain-timeout has changed"));
    daemon_stop(&worker);
    check_lacks("worker.err", "is another in");
    CLEANUP(freep) char *changes = NULL;
    test_shell(&changes, "grep -c 'has changed' worker.err");
    CHECK_STR(changes, "1\n");
}

/* ---- the generator ---- */

static void check_generated(const char *config, const char *expected)
{
    char command[PATH_MAX + 256];
    write_text("worker.conf", config);
    snprintf(command, sizeof(command), "rm -rf units; mkdir units; SLEDDOG_CONFIG=worker.conf sh %s/deploy/systemd/sleddog-generator units a b && "
             "cat units/*/* 2>/dev/null | grep = || true", test_source());
    check_shell(expected, command);
}

TEST(the_unit_may_hold_what_memory_limit_says_and_a_little_more_and_is_handed_its_key)
{
    check_generated("memory-limit = 2G\n", "MemoryMax=2483027968\n");
    check_generated("# memory-limit = 4G\n  memory-limit=512M\nmemory-limit = 1073741824\n", "MemoryMax=1275068416\n");
    check_generated("memory-limit = 0\n", "");
    check_generated("memory-limit = lots\n", "");
    check_generated("threads = 4\n#key = no\n", "");
    check_generated("key = worker.key\n", "LoadCredential=worker.key:./worker.key\n");
    check_generated("key = /keys/50%.key\n", "LoadCredential=key:/keys/50%%.key\nEnvironment=\"SLEDDOG_KEY=--key=%d/key\"\n");
}
