/* Under a real systemd: what the units promise. Needs root, and a kernel that allows namespaces and an overlay. */
#include "tests/cluster/lib/cluster.h"
#include "tests/cluster/lib/photos.h"
#include "tests/cluster/lib/system.h"

#include "common/cleanup.h"

#include <limits.h>
#include <signal.h>

#define UNIT "sleddog-worker"
#define NODES "/srv/nodes"

static void boot(struct system *system, const char *config, const char *watchdog)
{
    char text[128];
    if (is_sanitized())
        test_skip("a sanitizer needs what the unit's sandbox forbids");
    system_boot(system);
    snprintf(text, sizeof(text), "[Service]\nWatchdogSec=%s\nRestartSec=100ms\n", watchdog);
    system_write(system, "/etc/systemd/system/sleddog-worker.service.d/test.conf", text);
    system_write(system, NODES, "127.0.0.1\n");
    system_write(system, "/etc/sleddog/worker.conf", config);
    free(system_do(system, "systemctl daemon-reload && systemctl start " UNIT));
}

/* A coordinator there, in the background. */
static void begin(const struct system *system, struct process *run, const char *command)
{
    char pid[16];
    snprintf(pid, sizeof(pid), "%d", (int)system->pid);
    process_start(run, "run", ARGV("/usr/bin/nsenter", "-a", "-t", pid, "/bin/sh", "-c", command));
}

static bool status_says(const struct system *system, const char *part)
{
    CLEANUP(freep) char *status = system_property(system, UNIT, "StatusText");
    return strstr(status, part);
}

/* A worker that takes its time, and a job from which it has images now. */
#define SLOW "engine = sim\nengine-threads = 1\nsim-cost-us = 2000\n"

static void boot_at_work(struct system *system, struct process *run, const char *watchdog, const char *source)
{
    char command[256];
    boot(system, SLOW, watchdog);
    snprintf(command, sizeof(command), "sleddog-coordinator run --nodes " NODES " --batch 10 --job /srv/job %s", source);
    begin(system, run, command);
    WAIT_FOR(status_says(system, "images/s, credit "));
}

static int restarts(const struct system *system)
{
    CLEANUP(freep) char *count = system_property(system, UNIT, "NRestarts");
    return atoi(count);
}

TEST(a_worker_under_systemd_computes_in_its_sandbox_and_its_memory_is_limited)
{
    struct system system;
    char path[PATH_MAX];
    boot(&system, "weights = /srv/model.safetensors\nthreads = 4\nmemory-limit = 2G\n", "30");
    CHECK(system_is(&system, UNIT, "ActiveState", "active"));
    CHECK(status_says(&system, "idle, on tcp://127.0.0.1:5571"));
    CHECK(system_is(&system, UNIT, "MemoryMax", "2483027968")); /* 2 GiB and an eighth and 64 MiB */
    free(system_do(&system, "test \"$(ps -o user= -C sleddog-worker)\" = sleddog"));
    system_path(&system, "/srv/photos", path, sizeof(path));
    photos_draw(path, 12);
    system_path(&system, "/srv/model.safetensors", path, sizeof(path));
    model_write(path, 1000);
    free(system_do(&system, "cd /srv && chmod -R a+rX . && sleddog-coordinator run --nodes nodes --batch 8 --job unit photos && "
                            "sleddog-coordinator run --local 1 --batch 8 --weights model.safetensors --job local photos && "
                            "cmp unit/predictions.jsonl local/predictions.jsonl"));
    CHECK_INT(restarts(&system), 0);
}

TEST(a_worker_says_what_it_does_drains_when_it_is_stopped_and_goes_on_when_it_is_started)
{
    struct system system;
    struct process run;
    boot_at_work(&system, &run, "30", "sim:1500");
    CHECK(status_says(&system, "job "));
    WAIT_FOR(!status_says(&system, ": 0.0 images/s"));
    free(system_do(&system, "systemctl stop " UNIT));
    CHECK(system_is(&system, UNIT, "Result", "success"));
    CHECK(system_is(&system, UNIT, "ExecMainStatus", "0"));
    WAIT_FOR(process_said(&run, "it left: was asked to stop"));
    free(system_do(&system, "systemctl start " UNIT));
    CHECK_INT(process_end(&run), 0);
    CHECK_CONTAINS(system_do(&system, "wc -l </srv/job/predictions.jsonl"), "1500");
}

TEST(a_worker_that_is_killed_is_started_again_and_one_that_is_at_work_is_left_alone)
{
    struct system system;
    struct process run;
    boot_at_work(&system, &run, "3", "sim:2000");
    free(system_do(&system, "systemctl kill -s KILL " UNIT));
    WAIT_FOR(restarts(&system) == 1);
    CHECK_INT(process_end(&run), 0);
    CHECK_INT(restarts(&system), 1);
    CHECK_CONTAINS(system_do(&system, "wc -l </srv/job/predictions.jsonl"), "2000");
}

/* Its decoder waits for ever at one photo. */
static void hang_at(const struct system *system, const char *photo)
{
    char outside[PATH_MAX], *output;
    system_write(system, "/etc/systemd/system/sleddog-worker.service.d/hang.conf", "[Service]\nEnvironment=LD_PRELOAD=/srv/hang.so\n");
    system_path(system, "/srv", outside, sizeof(outside));
    if (test_shell(&output, "cp %s/tests/preload/poison.so %s/hang.so && echo sleddog-poison:hang >>%s%s", test_build(), outside, outside, photo))
        test_fail(__FILE__, __LINE__, "%s", output);
    free(output);
    free(system_do(system, "systemctl daemon-reload && systemctl restart " UNIT));
}

TEST(a_worker_whose_work_stands_still_is_ended_by_the_watchdog_and_started_again)
{
    struct system system;
    struct process run;
    char path[PATH_MAX];
    boot(&system, "engine = sim\n", "1");
    system_path(&system, "/srv/photos", path, sizeof(path));
    photos_draw(path, 12);
    hang_at(&system, "/photos/a/000.jpg");
    double start = now_s();
    while (now_s() < start + 1.5) /* an idle one may stand still for longer */
        rest(start + 3, __FILE__, __LINE__, "an idle worker");
    CHECK_INT(restarts(&system), 0);
    begin(&system, &run, "chmod -R a+rX /srv; sleddog-coordinator run --nodes " NODES " --stall-timeout 600 --expiry 1 --batch 4 --job /srv/job /srv/photos");
    WAIT_FOR(restarts(&system) >= 1);
    CHECK(system_said(&system, UNIT, "a stage has stood still for "));
    CHECK(system_said(&system, UNIT, "Watchdog timeout"));
    /* What becomes of a photo that never changes is test_poison's. */
    free(system_do(&system, "sed -i s/sleddog-poison:hang/sleddog-poison:over/ /srv/photos/a/000.jpg"));
    CHECK_INT(process_end(&run), 0);
    CHECK_CONTAINS(system_do(&system, "grep -c '\"error\":null' /srv/job/predictions.jsonl"), "12\n");
}

TEST(a_worker_whose_process_is_stopped_is_ended_by_the_watchdog)
{
    struct system system;
    boot(&system, "engine = sim\n", "1");
    free(system_do(&system, "systemctl kill -s STOP " UNIT));
    WAIT_FOR(restarts(&system) >= 1);
    CHECK(system_said(&system, UNIT, "Watchdog timeout"));
}

TEST(a_configuration_is_reloaded_and_one_with_an_error_changes_nothing)
{
    struct system system;
    boot(&system, "engine = sim\ndrain-timeout = 20\n", "30");
    CLEANUP(freep) char *pid = system_property(&system, UNIT, "MainPID");
    system_write(&system, "/etc/sleddog/worker.conf", "engine = sim\ndrain-timeout = 5\nthreads = 7\nverbose = yes\n");
    free(system_do(&system, "systemctl reload " UNIT));
    WAIT_FOR(system_said(&system, UNIT, "verbose has changed"));
    CHECK(system_said(&system, UNIT, "drain-timeout has changed"));
    CHECK(system_said(&system, UNIT, "threads is another in /etc/sleddog/worker.conf, which takes effect when the worker is started again"));
    system_write(&system, "/etc/sleddog/worker.conf", "engine = sim\n\nthreds = 7\n");
    free(system_do(&system, "systemctl reload " UNIT));
    WAIT_FOR(system_said(&system, UNIT, "/etc/sleddog/worker.conf, line 3: there is no option \"threds\"; everything stays as it was"));
    CHECK(system_is(&system, UNIT, "ActiveState", "active"));
    CHECK(system_is(&system, UNIT, "MainPID", pid));
}

TEST(a_key_that_only_root_can_read_reaches_the_worker)
{
    struct system system;
    boot(&system, "engine = sim\n", "30");
    free(system_do(&system, "sleddog-coordinator keygen /etc/sleddog/keys worker coordinator stranger && mkdir /etc/sleddog/authorized && "
                            "cp /etc/sleddog/keys/coordinator.pub /etc/sleddog/authorized"));
    system_write(&system, "/etc/sleddog/worker.conf", "engine = sim\nkey = /etc/sleddog/keys/worker.key\nauthorized = /etc/sleddog/authorized\n");
    system_write(&system, NODES, "127.0.0.1 key=/etc/sleddog/keys/worker.pub\n");
    free(system_do(&system, "systemctl daemon-reload && systemctl restart " UNIT));
    free(system_do(&system, "sleddog-coordinator run --nodes " NODES " --key /etc/sleddog/keys/coordinator.key --job /srv/job sim:100"));
    free(system_do(&system, "install -m 600 -D /etc/sleddog/keys/coordinator.key /etc/credstore/coordinator.key && chmod 755 /etc/sleddog/keys"));
    system_write(&system, "/etc/sleddog/jobs/dogs.conf", "RUN=--nodes " NODES " --key coordinator.key sim:100\n");
    free(system_do(&system, "systemctl start sleddog-coordinator@dogs"));
    WAIT_FOR(system_is(&system, "sleddog-coordinator@dogs", "ActiveState", "inactive"));
    CHECK_CONTAINS(system_do(&system, "wc -l </var/lib/sleddog/dogs/predictions.jsonl"), "100");
    CHECK(system_try(&system, NULL, "sleddog-coordinator run --nodes " NODES " --key /etc/sleddog/keys/stranger.key --node-timeout 1 --job /srv/other sim:100"));
    free(system_do(&system, "cp /etc/sleddog/keys/stranger.pub /etc/sleddog/authorized && systemctl reload " UNIT));
    free(system_do(&system, "sleddog-coordinator run --nodes " NODES " --key /etc/sleddog/keys/stranger.key --job /srv/third sim:100"));
}

TEST(a_job_under_systemd_goes_on_after_it_was_stopped)
{
    struct system system;
    boot(&system, SLOW, "30");
    system_write(&system, "/etc/sleddog/jobs/dogs.conf", "RUN=--nodes " NODES " --batch 10 sim:1200\nRESUME=--nodes " NODES "\n");
    free(system_do(&system, "systemctl start sleddog-coordinator@dogs"));
    WAIT_FOR(status_says(&system, "images/s, credit "));
    free(system_do(&system, "systemctl stop sleddog-coordinator@dogs"));
    CHECK(system_is(&system, "sleddog-coordinator@dogs", "Result", "success"));
    CHECK(system_said(&system, "sleddog-coordinator@dogs", "resume"));
    free(system_do(&system, "systemctl start sleddog-coordinator@dogs"));
    WAIT_FOR(system_is(&system, "sleddog-coordinator@dogs", "ActiveState", "inactive"));
    CHECK(system_is(&system, "sleddog-coordinator@dogs", "Result", "success"));
    CHECK_CONTAINS(system_do(&system, "wc -l </var/lib/sleddog/dogs/predictions.jsonl"), "1200");
}

TEST(systemd_finds_nothing_wrong_with_the_units_and_little_that_they_expose)
{
    struct system system;
    if (is_sanitized())
        test_skip("files do not depend on the compiler");
    system_boot(&system);
    CHECK_STR(system_do(&system, "systemd-analyze verify --man=no sleddog-worker.service sleddog-coordinator@x.service"), "");
    /* in tenths: 2.0 at most */
    free(system_do(&system, "systemd-analyze security --no-pager --threshold=20 sleddog-worker.service sleddog-coordinator@x.service"));
    free(system_do(&system, "mkdir -p /etc/systemd/system/sleddog-worker.service.d && cp /usr/share/doc/sleddog/gpu.conf /etc/systemd/system/sleddog-worker.service.d && "
                            "systemctl daemon-reload && systemd-analyze verify --man=no sleddog-worker.service && "
                            "systemd-analyze security --no-pager --threshold=20 sleddog-worker.service"));
}

/* ---- deploy/ssh, against a real sshd of that machine ---- */

/* Two addresses of it, which are one machine: one at a time. */
static void start_sshd(const struct system *system)
{
    if (system_try(system, NULL, "test -x /usr/sbin/sshd"))
        test_skip("there is no sshd (Debian's package openssh-server)");
    free(system_do(system,
                   "mkdir -p /run/sshd /root/.ssh && rm -f /root/.ssh/* && printf 'ControlMaster auto\\nControlPath /root/.ssh/%%%%h\\nControlPersist 60\\n' >/root/.ssh/config && ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519 && "
                   "ssh-keygen -q -t ed25519 -N '' -f /srv/host && cp /root/.ssh/id_ed25519.pub /root/.ssh/authorized_keys && chmod 700 /root /root/.ssh && "
                   "printf 'Port 22\\nListenAddress 127.0.0.1\\nListenAddress 127.0.0.2\\nHostKey /srv/host\\nUsePAM no\\nPermitRootLogin yes\\n' >/srv/sshd_config && "
                   "/usr/sbin/sshd -f /srv/sshd_config && sed 's/^/127.0.0.1,127.0.0.2 /' /srv/host.pub >/root/.ssh/known_hosts"));
}

static int ssh_script(const struct system *system, char **ret_output, const char *script)
{
    return system_try(system, ret_output, "cd %s && HOME=/root SLEDDOG_AT_ONCE=1 SLEDDOG_SUDO= SLEDDOG_COORDINATOR=%s/sleddog-coordinator BUILD=%s PREFIX=/usr CONFIG=/srv/worker.conf "
                      "deploy/ssh/%s --nodes " NODES " --group all", test_source(), test_build(), test_build(), script);
}

TEST(the_scripts_of_deploy_ssh_install_start_stop_and_look_at_the_nodes_of_a_list)
{
    struct system system;
    char *output;
    if (is_sanitized())
        test_skip("files do not depend on the compiler");
    system_boot(&system);
    start_sshd(&system);
    system_write(&system, NODES, "elsewhere.invalid\n[all]\n127.0.0.[1-2]\n127.0.0.2:5600\n");
    system_write(&system, "/srv/worker.conf", "engine = sim\n");
    free(system_do(&system, "rm -rf /etc/sleddog /usr/bin/sleddog-* /usr/lib/sleddog /lib/systemd/system/sleddog-*"));
    int status = ssh_script(&system, &output, "start");
    if (status != 1)
        test_fail(__FILE__, __LINE__, "start, where nothing is installed: status %d: %s", status, output);
    if (ssh_script(&system, &output, "install"))
        test_fail(__FILE__, __LINE__, "install: %s", output);
    CHECK_STR(output, "127.0.0.1: installed\n127.0.0.2: installed\n");
    CHECK_INT(ssh_script(&system, &output, "start"), 0);
    CHECK_STR(output, "127.0.0.1: started\n127.0.0.2: started\n");
    CHECK_INT(ssh_script(&system, &output, "status"), 0);
    CHECK_STR(output, "127.0.0.1: active idle, on tcp://127.0.0.1:5571\n127.0.0.2: active idle, on tcp://127.0.0.1:5571\n");
    free(system_do(&system, "sleddog-coordinator run --nodes " NODES " --group all --job /srv/job sim:100"));
    system_write(&system, NODES, "[all]\n127.0.0.1\n");
    system_write(&system, "/etc/sleddog/worker.conf", "engine = sim\nthreads = 5\n");
    CHECK_INT(ssh_script(&system, &output, "install"), 0);
    free(system_do(&system, "grep -q 'threads = 5' /etc/sleddog/worker.conf"));
    CHECK_INT(ssh_script(&system, &output, "stop"), 0);
    CHECK_INT(ssh_script(&system, &output, "status"), 1);
    CHECK_CONTAINS(output, "127.0.0.1: inactive");
    system_write(&system, NODES, "[all]\n127.0.0.1\n127.0.0.3\n");
    CHECK_INT(ssh_script(&system, &output, "start"), 1);
    CHECK_CONTAINS(output, "127.0.0.1: started\n");
    CHECK_CONTAINS(output, "127.0.0.3: ssh: connect to host 127.0.0.3 port 22: Connection refused");
    CHECK_CONTAINS(output, "start: 1 of 2 hosts failed");
    system_write(&system, NODES, "[all]\ngpu[1-\n");
    CHECK(ssh_script(&system, &output, "status") > 0);
    CHECK_CONTAINS(output, NODES ", line 2");
}
