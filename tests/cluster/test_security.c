/* Keys on: who may use a worker, and what is said about those who may not. What peers that mean ill can do is in test_attacks.c. */
#include "tests/cluster/lib/cluster.h"
#include "tests/cluster/lib/keyed.h"

#include "common/cleanup.h"
#include "common/key.h"

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

/* `kind`: "pub" or "key". */
static char *read_key(const char *name, const char *kind)
{
    char path[64], *text;
    snprintf(path, sizeof(path), "keys/%s.%s", name, kind);
    text = read_text(path);
    text[40] = '\0';
    return text;
}

/* ---- keys ---- */

TEST(keygen_makes_pairs_that_only_their_owner_may_read_and_overwrites_none)
{
    struct stat status;
    CHECK_INT(COORDINATE("first", "keygen", "keys"), 0);
    check_contains("first.out", "keep here: keys/coordinator.key, keys/worker.pub");
    check_lacks("first.out", "secret");
    CHECK_INT(stat("keys", &status), 0);
    CHECK_INT(status.st_mode & 07777, 0700);
    CHECK_INT(stat("keys/worker.key", &status), 0);
    CHECK_INT(status.st_mode & 07777, 0600);
    CHECK_INT(test_shell(NULL, "cp -a keys before"), 0);
    CHECK_INT(COORDINATE("again", "keygen", "keys", "new", "worker"), 1);
    check_contains("again.err", "keys/worker.key: is there already, and is not overwritten");
    CHECK_INT(test_shell(NULL, "diff -r keys before"), 0); /* nor was "new" made */
    CHECK_INT(mkdir("open", 0755), 0);
    CHECK_INT(COORDINATE("open", "keygen", "open"), 1);
    check_contains("open.err", "open: others may look into it (mode 0755); chmod 700 it");
    CHECK_INT(mkdir("group", 0750), 0);
    CHECK_INT(COORDINATE("group", "keygen", "group"), 1);
    check_contains("group.err", "group: others may look into it (mode 0750); chmod 700 it");
    CHECK_INT(COORDINATE("many", "keygen", "many", "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q", "r", "s", "t"), 0);
    check_lacks("many.out", "#"); /* where a list has keys, a comment may seem to begin */
    CHECK_INT(COORDINATE("name", "keygen", "keys", "../x"), 2);
    check_contains("name.err", "\"../x\": a name has letters");
    CHECK_INT(COORDINATE("none", "keygen"), 2);
    CHECK_INT(test_shell(NULL, "ln -s nowhere keys/half.pub"), 0);
    CHECK_INT(COORDINATE("half", "keygen", "keys", "half"), 1);
    check_contains("half.err", "keys/half.pub: cannot be written: File exists");
    CHECK(access("keys/half.key", F_OK) < 0); /* without the other it would only be in the way */
}

TEST(keys_that_are_missing_open_to_others_or_half_given_are_told)
{
    static const struct {
        int status;
        const char *sentence;
        const char *arguments[8];
    } mistakes[] = {
        { 2, "--key keys/worker.key: needs --authorized PATH too", { "--key", "keys/worker.key" } },
        { 2, "--authorized authorized: needs --key FILE too", { "--authorized", "authorized" } },
        { 2, "--insecure and --key exclude each other", { KEYED, "--insecure" } },
        { 1, "keys/open.key: a secret key, but others than its owner may use it (mode 0644)", { "--key", "keys/open.key", "--authorized", "authorized" } },
        { 1, "keys/nothing.key: No such file or directory; sleddog-coordinator keygen DIR makes keys", { "--key", "keys/nothing.key", "--authorized", "authorized" } },
        { 1, "nowhere: No such file", { "--key", "keys/worker.key", "--authorized", "nowhere" } },
    };
    char worker[4096];
    make_keys();
    CHECK_INT(test_shell(NULL, "cp keys/worker.key keys/open.key && chmod 644 keys/open.key"), 0);
    snprintf(worker, sizeof(worker), "%s/sleddog-worker", test_build());
    for (size_t i = 0; i < ARRAY_SIZE(mistakes); i++) {
        const char *argv[12] = { worker, SIM };
        struct process process;
        memcpy(argv + 5, mistakes[i].arguments, sizeof(mistakes[i].arguments) - sizeof(char *));
        process_start(&process, "worker", argv);
        CHECK_INT(process_end(&process), mistakes[i].status);
        check_contains("worker.err", mistakes[i].sentence);
    }
    write_text("nodes", "127.0.0.1:1\n");
    write_text("far", "192.0.2.1:1\n");
    write_text("keyed", "127.0.0.1:1 key=keys/worker.pub\n");
    write_text("typo", "# two lines\n127.0.0.1:1 key=keys/wroker.pub\n");
    CHECK_INT(COORDINATE("typo", "check", "--nodes", "typo", "--key", "keys/worker.key"), 1);
    check_contains("typo.err", "127.0.0.1:1, its key= in line 2 of the node list: keys/wroker.pub: No such file");
    CHECK_INT(COORDINATE("open", "run", "--nodes", "nodes", "--key", "keys/open.key", "--node-key", "keys/worker.pub", "sim:1"), 1);
    check_contains("open.err", "--key: keys/open.key: a secret key, but others");
    CHECK_INT(COORDINATE("none", "run", "--nodes", "nodes", "--key", "keys/coordinator.key", "sim:1"), 2);
    check_contains("none.err", "127.0.0.1:1: which key has it? add key= to its line of the node list, or give --node-key");
    CHECK_INT(COORDINATE("ours", "run", "--nodes", "keyed", "sim:1"), 2);
    check_contains("ours.err", "127.0.0.1:1: the node list has a key for it, and this coordinator has none: give --key FILE");
    CHECK_INT(COORDINATE("far", "run", "--nodes", "far", "sim:1"), 1);
    check_contains("far.err", "192.0.2.1:1: is beyond this machine, and there are no keys");
    CHECK_INT(COORDINATE("check", "check", "--nodes", "far"), 1);
    check_contains("check.err", "192.0.2.1:1: is beyond this machine, and there are no keys");
    write_text("named", "127.0.0.1.invalid:1\n");
    CHECK_INT(COORDINATE("named", "check", "--nodes", "named", "--node-timeout", "1"), 1);
    check_contains("named.err", "127.0.0.1.invalid:1: is beyond this machine, and there are no keys");
}

/* A command that was given keys of the wrong kind says which, and shows none. */
static void expect_wrong_kind(const char *program, int status, const char *sentence, const char *const *arguments)
{
    static const char *const names[] = { "coordinator", "worker" };
    char path[4096];
    const char *argv[16] = { path };
    struct process process;
    snprintf(path, sizeof(path), "%s/%s", test_build(), program);
    for (int i = 0; arguments[i]; i++)
        argv[i + 1] = arguments[i];
    process_start(&process, "wrong", argv);
    CHECK_INT(process_end(&process), status);
    check_contains("wrong.err", sentence);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        CLEANUP(freep) char *secret = read_key(names[i], "key");
        check_lacks("wrong.err", secret);
        check_lacks("wrong.out", secret);
    }
}

#define EXPECT_WRONG_KIND(program, status, sentence, ...) expect_wrong_kind(program, status, sentence, (const char *const[]){ __VA_ARGS__, NULL })

TEST(a_key_of_the_wrong_kind_is_refused_by_both_programs_and_no_secret_is_shown)
{
    static const char *const commands[] = { "check", "run" };
    make_keys();
    write_text("nodes", "127.0.0.1:1\n");
    CHECK_INT(test_shell(NULL, "mkdir mixed && cp keys/coordinator.key mixed/one.pub && cp keys/worker.pub closed.pub && chmod 600 closed.pub && "
                               "sed 's/ .*//' keys/worker.key >bare && echo \"127.0.0.1:1 key=$(cat bare)\" >told && echo 127.0.0.1:1 key=mixed/one.pub >filed"), 0);
    CLEANUP(freep) char *secret = read_key("worker", "key");
    for (int i = 0; i < 2; i++) {
        const char *source = i ? "sim:1" : NULL;
        EXPECT_WRONG_KIND("sleddog-coordinator", 2, "--node-key: keys/worker.key, line 1: a secret key, and a public one is wanted; give keys/worker.pub", commands[i], "--nodes",
                          "nodes", "--key", "keys/coordinator.key", "--node-key", "keys/worker.key", source);
        EXPECT_WRONG_KIND("sleddog-coordinator", 2, "--key: keys/coordinator.pub, line 1: a public key, and a secret one is wanted; give keys/coordinator.key", commands[i],
                          "--nodes", "nodes", "--key", "keys/coordinator.pub", "--node-key", "keys/worker.pub", source);
        EXPECT_WRONG_KIND("sleddog-coordinator", 2, "127.0.0.1:1, its key= in line 1 of the node list: mixed/one.pub, line 1: a secret key", commands[i], "--nodes", "filed",
                          "--key", "keys/coordinator.key", source);
    }
    if (!key_is_public(secret)) { /* else, once in 32 times, nobody can know */
        EXPECT_WRONG_KIND("sleddog-coordinator", 2, "--node-key: no public key: mistyped, or a secret one", "check", "--nodes", "nodes", "--key", "keys/coordinator.key",
                          "--node-key", secret);
        EXPECT_WRONG_KIND("sleddog-coordinator", 2, "told, line 1: key=: no public key: mistyped, or a secret one", "check", "--nodes", "told", "--key",
                          "keys/coordinator.key");
    }
    EXPECT_WRONG_KIND("sleddog-coordinator", 2, "keys/worker.key, line 1: a key, and the name of a node is wanted", "check", "--nodes", "keys/worker.key");
    EXPECT_WRONG_KIND("sleddog-worker", 1, "keys/worker.pub, line 1: a public key, and a secret one is wanted; give keys/worker.key", "--key", "keys/worker.pub", "--authorized",
                      "authorized");
    EXPECT_WRONG_KIND("sleddog-worker", 1, "closed.pub, line 1: a public key, and a secret one is wanted; give closed.key", "--key", "closed.pub", "--authorized", "authorized");
    EXPECT_WRONG_KIND("sleddog-worker", 1, "keys/coordinator.key, line 1: a secret key, and a public one is wanted; give keys/coordinator.pub", "--key", "keys/worker.key",
                      "--authorized", "keys/coordinator.key");
    EXPECT_WRONG_KIND("sleddog-worker", 1, "mixed/one.pub, line 1: a secret key, and a public one is wanted", "--key", "keys/worker.key", "--authorized", "mixed");
    EXPECT_WRONG_KIND("sleddog-worker", 2, "--key (a key): needs --authorized PATH too", "--key", secret);
    EXPECT_WRONG_KIND("sleddog-worker", 2, "--authorized (a key): needs --key FILE too", "--authorized", secret);
    EXPECT_WRONG_KIND("sleddog-worker", 2, "keys/worker.key, line 1: a key; is this a configuration file?", "--config", "keys/worker.key");
}

static void check_process(const struct process *process, const char *secret)
{
    static const char *const files[] = { "cmdline", "environ" };
    for (int i = 0; i < 2 && process->pid; i++) {
        char path[64];
        size_t size;
        snprintf(path, sizeof(path), "/proc/%d/%s", (int)process->pid, files[i]);
        CLEANUP(freep) char *text = test_read_file(path, &size);
        CHECK(size > 0 && !memmem(text, size, secret, 40));
    }
}

/* No file that a run leaves, no command line and no environment has a secret key in it. */
static void check_no_secrets(const struct process *coordinator, const struct process *worker)
{
    static const char *const names[] = { "coordinator", "worker", "second", "stranger" };
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        CLEANUP(freep) char *secret = read_key(names[i], "key");
        check_process(coordinator, secret);
        check_process(worker, secret);
        write_text("../secret", secret);
        CHECK_INT(test_shell(NULL, "! grep -r -q -a -F -f ../secret --exclude-dir=keys . && grep -r -q -F -f ../secret keys; r=$?; rm ../secret; exit $r"), 0);
    }
}

TEST(a_job_over_keys_gives_the_table_it_gives_without_and_no_secret_leaves_its_file)
{
    struct daemon daemon;
    struct process run;
    make_keys();
    expect_table("sim:1500");
    WORKER(&daemon, "worker", SIM, "--sim-cost-us", "500", KEYED, "--verbose");
    write_node("nodes", &daemon);
    CHECK_INT(COORDINATE("check", "check", "--nodes", "nodes", WITH_KEYS), 0);
    BEGIN(&run, "run", "run", "--nodes", "nodes", WITH_KEYS, "--job", "job", "sim:1500");
    WAIT_FOR(job_done("job") > 0);
    check_no_secrets(&run, &daemon.process);
    CHECK_INT(process_end(&run), 0);
    check_same_file("expected/predictions.jsonl", "job/predictions.jsonl");
    CHECK_INT(COORDINATE("status", "status", "job", "--json"), 0);
    daemon_stop(&daemon);
    check_no_secrets(&run, &daemon.process);
}

TEST(a_job_that_is_resumed_from_elsewhere_finds_its_keys)
{
    struct daemon daemon;
    struct process run;
    make_keys();
    WORKER(&daemon, "worker", SIM, "--sim-cost-us", "2000", KEYED);
    write_node("nodes", &daemon);
    BEGIN(&run, "run", "run", "--nodes", "nodes", WITH_KEYS, "--job", "job", "sim:1000");
    WAIT_FOR(job_done("job") > 0);
    process_signal(&run, SIGINT);
    CHECK_INT(process_end(&run), 130);
    check_contains("run.err", "--key keys/coordinator.key --node-key keys/worker.pub");
    CHECK_INT(test_shell(NULL, "cd / && eval \"$(%s/sleddog-coordinator status \"$OLDPWD/job\" | sed -n 's#.*\\(sleddog-coordinator resume.*\\)#%s/\\1#p')\"",
                         test_build(), test_build()), 0);
    CHECK_INT(job_done("job"), 1000);
    daemon_stop(&daemon);
}

TEST(insecure_beside_a_key_for_every_node_is_told_to_change_nothing)
{
    struct daemon daemon;
    make_keys();
    WORKER(&daemon, "worker", SIM, KEYED);
    write_node("nodes", &daemon);
    CHECK_INT(COORDINATE("run", "run", "--nodes", "nodes", WITH_KEYS, "--insecure", "--job", "job", "sim:10"), 0);
    check_contains("run.err", "--insecure: every node has a key, so all that is said is encrypted and it changes nothing; leave it out");
    CHECK_INT(COORDINATE("check", "check", "--nodes", "nodes", WITH_KEYS), 0);
    check_lacks("check.err", "--insecure");
    daemon_stop(&daemon);
}

/* ---- those who may not ---- */

TEST(who_has_no_key_or_a_wrong_one_is_told_so_at_both_ends)
{
    struct daemon keyed, plain;
    make_keys();
    CLEANUP(freep) char *stranger = read_key("stranger", "pub");
    WORKER(&keyed, "keyed", SIM, KEYED);
    WORKER(&plain, "plain", SIM);
    write_node("keyed", &keyed);
    write_node("plain", &plain);
    CHECK_INT(COORDINATE("denied", "run", "--nodes", "keyed", "--key", "keys/stranger.key", "--node-key", "keys/worker.pub", "--node-timeout", "5", "--job", "denied",
                         "sim:10"), 1);
    check_contains("denied.err", "does not accept the key of this coordinator; its list (--authorized) needs ");
    check_contains("denied.err", stranger);
    check_contains("denied.err", "what each node says: sleddog-coordinator check --nodes keyed --key keys/stranger.key --node-key keys/worker.pub\n");
    WAIT_FOR(process_said(&keyed.process, "127.0.0.1: denied, its key "));
    check_contains("keyed.err", stranger);
    CHECK_INT(COORDINATE("wrong", "run", "--nodes", "keyed", "--key", "keys/coordinator.key", "--node-key", stranger, "--node-timeout", "5", "--job", "wrong", "sim:10"), 1);
    check_contains("wrong.err", "breaks off the handshake: its key is not ");
    CHECK_INT(COORDINATE("none", "run", "--nodes", "keyed", "--node-timeout", "5", "--job", "none", "sim:10"), 1);
    check_contains("none.err", "wants keys");
    check_contains("none.err", "go on with: sleddog-coordinator resume --nodes keyed --key FILE --node-key FILE --node-timeout 5 /");
    check_contains("none.err", "what each node says: sleddog-coordinator check --nodes keyed --key FILE --node-key FILE\n");
    WAIT_FOR(process_said(&keyed.process, "sent away, "));
    CHECK_INT(COORDINATE("keyless", "run", "--nodes", "plain", WITH_KEYS, "--node-timeout", "5", "--job", "keyless", "sim:10"), 1);
    check_contains("keyless.err", "has no keys");
    check_lacks("keyless.err", "FILE");
    CHECK_INT(COORDINATE("check", "check", "--nodes", "plain", WITH_KEYS, "--node-timeout", "3"), 1);
    check_contains("check.out", "has no keys");
    daemon_stop(&keyed);
    daemon_stop(&plain);
}

TEST(keys_are_rotated_while_both_are_valid_and_one_that_is_taken_off_is_not_heard_any_more)
{
    struct daemon daemon;
    struct process run;
    make_keys();
    expect_table("sim:3000");
    WORKER(&daemon, "worker", SIM, "--sim-cost-us", "1000", KEYED);
    write_node("nodes", &daemon);
    BEGIN(&run, "run", "run", "--nodes", "nodes", WITH_KEYS, "--expiry", "2", "--job", "job", "sim:3000");
    WAIT_FOR(job_done("job") > 0);
    write_text("authorized/bad.pub", "no key\n");
    process_signal(&daemon.process, SIGHUP);
    WAIT_FOR(process_said(&daemon.process, "authorized/bad.pub, line 1: no key; a line has the 40 characters of one, and may have a note behind it; the keys stay"));
    CHECK_INT(test_shell(NULL, "cp keys/second.key authorized/bad.pub"), 0);
    process_signal(&daemon.process, SIGHUP);
    WAIT_FOR(process_said(&daemon.process, "authorized/bad.pub, line 1: a secret key, and a public one is wanted; give the .pub file of its pair; the keys stay"));
    CHECK_INT(test_shell(NULL, "rm authorized/bad.pub && cp keys/second.pub authorized/two.pub"), 0);
    process_signal(&daemon.process, SIGHUP);
    WAIT_FOR(process_said(&daemon.process, "authorized: 2 coordinators are authorised"));
    CHECK_INT(COORDINATE("both", "check", "--nodes", "nodes", "--key", "keys/second.key", "--node-key", "keys/worker.pub"), 1);
    check_contains("both.out", "BUSY");
    CHECK_INT(unlink("authorized/one.pub"), 0);
    process_signal(&daemon.process, SIGHUP);
    WAIT_FOR(process_said(&daemon.process, "sent away, its key "));
    WAIT_FOR(process_said(&run, "does not accept the key of this coordinator"));
    process_signal(&run, SIGTERM);
    CHECK_INT(process_end(&run), 130);
    CHECK_INT(COORDINATE("resume", "resume", "--nodes", "nodes", "--key", "keys/second.key", "--node-key", "keys/worker.pub", "job"), 0);
    check_same_file("expected/predictions.jsonl", "job/predictions.jsonl");
    daemon_stop(&daemon);
}

TEST(a_workers_own_key_in_the_folder_of_all_keys_is_no_coordinators)
{
    struct daemon daemon;
    make_keys();
    WORKER(&daemon, "worker", SIM, "--key", "keys/worker.key", "--authorized", "keys");
    write_node("nodes", &daemon);
    check_contains("worker.err", "keys: holds this worker's own key too, which is no coordinator's and is left out");
    check_contains("worker.err", "keys: 3 coordinators are authorised");
    CHECK_INT(COORDINATE("good", "run", "--nodes", "nodes", WITH_KEYS, "--job", "good", "sim:5"), 0);
    CHECK_INT(COORDINATE("own", "check", "--nodes", "nodes", "--key", "keys/worker.key", "--node-key", "keys/worker.pub"), 1);
    check_contains("worker.err", "is not in keys; 1 denied so far");
    process_signal(&daemon.process, SIGHUP);
    WAIT_FOR(test_shell(NULL, "test $(grep -c \"own key too\" worker.err) = 2") == 0);
    daemon_stop(&daemon);
}

TEST(a_worker_without_authorised_keys_waits_for_them)
{
    struct daemon daemon;
    struct process run;
    make_keys();
    CHECK_INT(unlink("authorized/one.pub"), 0);
    WORKER(&daemon, "worker", SIM, KEYED);
    check_contains("worker.err", "authorized: holds no key: no coordinator is authorised");
    write_node("nodes", &daemon);
    BEGIN(&run, "run", "run", "--nodes", "nodes", WITH_KEYS, "--job", "job", "sim:100");
    WAIT_FOR(process_said(&run, "does not accept the key of this coordinator"));
    CHECK_INT(test_shell(NULL, "cp keys/coordinator.pub authorized/one.pub"), 0);
    process_signal(&daemon.process, SIGHUP);
    CHECK_INT(process_end(&run), 0);
    daemon_stop(&daemon);
}

TEST(nodes_with_a_wrong_key_no_key_or_no_use_for_ours_are_named_and_the_others_do_the_job)
{
    struct daemon good, wrong, plain, closed;
    char nodes[400];
    make_keys();
    expect_table("sim:4000");
    CHECK_INT(test_shell(NULL, "cp keys/stranger.pub closed.pub"), 0);
    WORKER(&good, "good", SIM, "--sim-cost-us", "500", KEYED);
    WORKER(&wrong, "wrong", SIM, "--key", "keys/stranger.key", "--authorized", "authorized");
    WORKER(&closed, "closed", SIM, "--key", "keys/worker.key", "--authorized", "closed.pub");
    WORKER(&plain, "plain", SIM);
    snprintf(nodes, sizeof(nodes), "127.0.0.1:%d\n127.0.0.1:%d\n127.0.0.1:%d\n127.0.0.1:%d key=keys/worker.pub # none\n", wrong.port, good.port, closed.port, plain.port);
    write_text("nodes", nodes);
    CHECK_INT(COORDINATE("run", "run", "--nodes", "nodes", WITH_KEYS, "--job", "job", "sim:4000"), 0);
    check_same_file("expected/predictions.jsonl", "job/predictions.jsonl");
    const struct daemon *const refused[] = { &wrong, &closed, &plain };
    static const char *const why_not[] = { "breaks off the handshake: its key is not ", "does not accept the key of this coordinator", "" };
    for (int i = 0; i < 3; i++) {
        char sentence[128];
        snprintf(sentence, sizeof(sentence), "127.0.0.1:%d: %s", refused[i]->port, why_not[i]);
        check_contains("run.err", sentence);
    }
    check_contains("run.err", "has no keys");
    daemon_stop(&good);
    daemon_stop(&wrong);
    daemon_stop(&closed);
    daemon_stop(&plain);
}

TEST(a_worker_of_another_protocol_version_is_named_and_the_others_do_the_job)
{
    struct daemon good, other;
    char sentence[128];
    make_keys();
    expect_table("sim:1000");
    WORKER(&good, "good", SIM, "--sim-cost-us", "500", KEYED);
    daemon_start_as(&other, OTHER_WORKER, "other", 0, ARGV(SIM, KEYED));
    write_nodes("nodes", (const struct daemon *[]){ &other, &good }, 2);
    CHECK_INT(COORDINATE("run", "run", "--nodes", "nodes", WITH_KEYS, "--job", "job", "sim:1000"), 0);
    check_same_file("expected/predictions.jsonl", "job/predictions.jsonl");
    snprintf(sentence, sizeof(sentence), "127.0.0.1:%d takes no part in this job: speaks protocol 9999 (version ", other.port);
    check_contains("run.err", sentence);
    daemon_stop(&good);
    daemon_stop(&other);
}
