/* Whatever comes twice, late, out of order or from a process that is gone: one row an image. Workers made by hand say it. */
#include "tests/cluster/lib/cluster.h"
#include "tests/cluster/lib/puppet.h"

#include "common/cleanup.h"

#include <math.h>
#include <signal.h>
#include <unistd.h>

static struct puppet one, two;

static void begin(struct process *run, struct puppet *const *puppets, int count, const char *images)
{
    char least[8];
    for (int i = 0; i < count; i++)
        puppet_start(puppets[i], 0);
    puppets_list("nodes", puppets, count);
    snprintf(least, sizeof(least), "%d", count);
    BEGIN(run, "run", "run", "--nodes", "nodes", "--min-nodes", least, "--expiry", "1", "--batch", "10", "--job", "job", images);
}

/* Answers what is there and what comes, until the run ends. */
static void finish(struct process *run, struct puppet *const *puppets, int count)
{
    for (double until = now_s() + patience(40); process_running(run); rest(until, __FILE__, __LINE__, "the end of the run")) {
        puppets_step();
        for (int p = 0; p < count; p++)
            while (puppets[p]->taken < puppets[p]->arrived)
                puppet_answer(puppets[p], &puppets[p]->batches[puppets[p]->taken++]);
    }
    CHECK_INT(process_end(run), 0);
}

/* Image i says i. */
static void check_table(long images)
{
    CLEANUP(freep) char *table = read_text("job/predictions.jsonl");
    const char *at = table;
    for (long i = 0; i < images; i++, at = strchr(at, '\n') + 1) {
        char begin[128];
        snprintf(begin, sizeof(begin), "{\"uri\":\"sim:%ld\",\"name\":\"sim:%ld\",\"truth\":null,\"predictions\":[{\"index\":%ld,", i, i, i % 1000);
        if (strncmp(at, begin, strlen(begin)))
            test_fail(__FILE__, __LINE__, "line %ld is not %s but %.200s", i + 1, begin, at);
    }
    CHECK(!*at);
    CHECK_INT(images_done_by_nodes("job"), images);
}

/* A well-formed result of this batch in which every image shows class 999. */
static void lie(struct puppet *puppet, const struct message *batch, uint64_t from, uint64_t to, uint64_t epoch)
{
    struct rec_prediction prediction = { 999, 0.9f };
    struct rec_row rows[10];
    struct message message = { .kind = MESSAGE_result, .from = from, .to = to,
                               .result = { .epoch = epoch, .batch = batch->batch.batch, .attempt = 1, .rows = rows,
                                           .rows_count = batch->batch.items_count, .stages = puppet->stages, .stages_count = 3 } };
    for (int i = 0; i < 10; i++)
        rows[i] = (struct rec_row){ .predictions = &prediction, .predictions_count = 1 };
    puppet_send(puppet, &message);
}

TEST(results_of_other_processes_and_epochs_change_nothing)
{
    struct process run;
    begin(&run, (struct puppet *const[]){ &one }, 1, "sim:30");
    const struct message *batch = puppet_batch(&one);
    lie(&one, batch, one.incarnation + 1, 0, one.epoch);     /* of a process that is gone */
    lie(&one, batch, 0, one.coordinator + 1, one.epoch);     /* for a coordinator that is gone */
    lie(&one, batch, 0, 0, one.epoch + 1);
    lie(&one, batch, 0, 0, one.epoch - 1);
    int pings = one.pings;
    PUPPETS(one.pings > pings + 1); /* it has read them all */
    CHECK_INT(one.commits, 0);
    one.taken = 0;
    finish(&run, (struct puppet *const[]){ &one }, 1);
    check_table(30);
}

TEST(introductions_that_come_late_change_nothing)
{
    struct process run;
    begin(&run, (struct puppet *const[]){ &one }, 1, "sim:30");
    const struct message *batch = puppet_batch(&one);
    int hellos = one.hellos;
    puppet_send(&one, &(struct message){ .kind = MESSAGE_loading, .from = one.incarnation + 1, .loading = { "the model" } });
    puppet_send(&one, &(struct message){ .kind = MESSAGE_refuse, .refuse = { REFUSE_BUSY, "somebody else's", one.call } });
    puppet_send(&one, &(struct message){ .kind = MESSAGE_refuse, .refuse = { REFUSE_MODEL, "no such weights", one.call } });
    puppet_send(&one, &(struct message){ .kind = MESSAGE_welcome, .from = one.incarnation + 1,
                                         .welcome = { .epoch = one.epoch, .call = one.call, .precision = "", .fingerprint = "another", .classes = 7 } });
    puppet_answer(&one, batch);
    PUPPETS(one.commits == 1);
    finish(&run, (struct puppet *const[]){ &one }, 1);
    CHECK_INT(one.welcomes, 1);
    CHECK_INT(one.hellos, hellos);
    check_lacks("run.err", "lost");
    check_lacks("run.err", "busy");
    check_table(30);
}

/* The worker is still loading, and says so; the word of an earlier connection comes from somewhere. */
TEST(a_welcome_to_an_earlier_call_is_no_welcome)
{
    struct process run;
    struct msg_welcome welcome = { .version = "0", .host = "stage", .engine = "puppet", .device = "strings", .precision = "none", .fingerprint = "puppet 1",
                                   .network = "none", .model_sha256 = "", .classes = 1000, .engine_batch = 1, .threads = 1 };
    puppet_start(&one, 0);
    one.loading = true;
    puppets_list("nodes", (struct puppet *const[]){ &one }, 1);
    BEGIN(&run, "run", "run", "--nodes", "nodes", "--expiry", "60", "--batch", "10", "--job", "job", "sim:20");
    PUPPETS(one.hellos > 0);
    welcome.epoch = one.epoch;
    welcome.call = one.call - 1;
    puppet_send(&one, &(struct message){ .kind = MESSAGE_welcome, .welcome = welcome });
    puppet_grant(&one, 1000);
    puppets_play(0.5);
    CHECK_INT(one.arrived, 0);
    welcome.call = one.call;
    puppet_send(&one, &(struct message){ .kind = MESSAGE_welcome, .welcome = welcome });
    puppet_grant(&one, 1000);
    finish(&run, (struct puppet *const[]){ &one }, 1);
    check_table(20);
}

TEST(the_first_result_wins_and_what_comes_later_is_only_confirmed)
{
    struct process run;
    begin(&run, (struct puppet *const[]){ &one }, 1, "sim:30");
    const struct message *batch = puppet_batch(&one);
    puppet_answer(&one, batch);
    PUPPETS(one.commits == 1);
    for (int i = 0; i < 5; i++)
        lie(&one, batch, 0, 0, one.epoch);
    PUPPETS(one.commits == 6 && one.committed == batch->batch.batch);
    finish(&run, (struct puppet *const[]){ &one }, 1);
    check_table(30);
}

TEST(results_may_come_in_any_order_and_twice_at_once)
{
    struct process run;
    begin(&run, (struct puppet *const[]){ &one }, 1, "sim:100");
    PUPPETS(one.arrived == 10);
    for (int i = 10; i-- > 0;)
        for (int twice = 0; twice < 2; twice++)
            puppet_answer(&one, &one.batches[i]);
    CHECK_INT(process_end(&run), 0);
    check_table(100);
}

TEST(a_result_of_a_worker_that_was_given_up_for_lost_counts_when_it_is_back)
{
    struct process run;
    begin(&run, (struct puppet *const[]){ &one, &two }, 2, "sim:20");
    const struct message *mine = puppet_batch(&one), *other = puppet_batch(&two);
    one.silent = true;
    const struct message *again = puppet_batch(&two);
    CHECK_INT(again->batch.batch, mine->batch.batch);
    CHECK_INT(again->batch.attempt, 2);
    one.silent = false;
    one.coordinator = 0; /* the next hello is not taken for a repetition */
    int welcomes = one.welcomes;
    PUPPETS(one.welcomes > welcomes);
    puppet_answer(&one, mine);
    PUPPETS(one.committed == mine->batch.batch && one.commits == 1);
    PUPPETS(two.cancels == 1 && two.cancelled == mine->batch.batch);
    lie(&two, again, 0, 0, two.epoch);
    PUPPETS(two.commits == 1);
    puppet_answer(&two, other);
    CHECK_INT(process_end(&run), 0);
    check_table(20);
}

/* What was granted and not heard of. */
TEST(credit_that_was_lost_on_the_way_is_in_the_next_heartbeat)
{
    struct process run;
    puppet_start(&one, 0);
    one.closed_purse = true;
    puppets_list("nodes", (struct puppet *const[]){ &one }, 1);
    BEGIN(&run, "run", "run", "--nodes", "nodes", "--expiry", "1", "--batch", "10", "--job", "job", "sim:20");
    PUPPETS(one.welcomes == 1);
    one.granted = 20; /* and not said */
    PUPPETS(one.arrived == 2);
    finish(&run, (struct puppet *const[]){ &one }, 1);
    check_lacks("run.err", "lost");
    check_table(20);
}

/* Only several in a row are another language. */
TEST(frames_that_are_garbled_now_and_then_cost_a_worker_nothing)
{
    struct process run;
    begin(&run, (struct puppet *const[]){ &one, &two }, 2, "sim:20");
    const struct message *batch = puppet_batch(&one);
    for (int i = 0; i < 12; i++) {
        CHECK_INT(link_send_frame(one.link, &one.peer, "noise", 5), 0);
        puppet_grant(&one, one.granted);
    }
    puppet_answer(&one, batch);
    PUPPETS(one.commits == 1);
    finish(&run, (struct puppet *const[]){ &one, &two }, 2);
    check_lacks("run.err", "does not speak this protocol");
    check_table(20);
}

TEST(a_worker_that_loaded_other_weights_than_the_job_names_takes_no_part)
{
    struct process run;
    write_text("model", "of the job");
    puppet_start(&one, 0);
    puppet_start(&two, 0);
    two.weights = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    puppets_list("nodes", (struct puppet *const[]){ &one, &two }, 2);
    BEGIN(&run, "run", "run", "--nodes", "nodes", "--min-nodes", "1", "--batch", "10", "--weights", "model", "--job", "job", "sim:20");
    PUPPETS(two.byes == 1);
    finish(&run, (struct puppet *const[]){ &one }, 1);
    check_contains("run.err", "takes no part in this job: it loaded other weights (sha256 0123456789ab...)");
    CHECK_INT(two.arrived, 0);
    check_table(20);
}

static void expect_refusal(struct message *nonsense)
{
    struct process run;
    begin(&run, (struct puppet *const[]){ &one, &two }, 2, "sim:20");
    const struct message *batch = puppet_batch(&one);
    if (!nonsense->result.batch)
        nonsense->result.batch = batch->batch.batch;
    nonsense->kind = MESSAGE_result;
    nonsense->result.epoch = one.epoch;
    puppet_send(&one, nonsense);
    PUPPETS(one.byes == 1);
    PUPPETS(two.arrived == 2); /* gets it instead */
    finish(&run, (struct puppet *const[]){ &two }, 1);
    check_contains("run.err", "it sent a result that does not fit its batch");
    check_table(20);
}

TEST(a_result_with_a_row_too_few_is_refused_with_its_worker)
{
    struct rec_prediction prediction = { 1, 0.5f };
    struct rec_row rows[9];
    for (int i = 0; i < 9; i++)
        rows[i] = (struct rec_row){ .predictions = &prediction, .predictions_count = 1 };
    expect_refusal(&(struct message){ .result = { .rows = rows, .rows_count = 9 } });
}

/* Among good ones. */
static void expect_row_refused(struct rec_row bad)
{
    struct rec_prediction prediction = { 1, 0.5f };
    struct rec_row rows[10];
    for (int i = 0; i < 10; i++)
        rows[i] = i == 4 ? bad : (struct rec_row){ .predictions = &prediction, .predictions_count = 1 };
    expect_refusal(&(struct message){ .result = { .rows = rows, .rows_count = 10 } });
}

static struct rec_prediction six[6] = { { 1, 0.5f }, { 2, 0.25f }, { 3, 0.125f }, { 4, 0.0625f }, { 5, 0.03125f }, { 6, 0.015625f } };

TEST(a_probability_that_is_no_number_is_refused_with_its_worker)
{
    six[0].probability = nanf("");
    expect_row_refused((struct rec_row){ .predictions = six, .predictions_count = 1 });
}

TEST(a_class_that_the_model_does_not_have_is_refused_with_its_worker)
{
    six[0].index = 1000;
    expect_row_refused((struct rec_row){ .predictions = six, .predictions_count = 1 });
}

TEST(more_predictions_than_were_asked_for_are_refused_with_their_worker)
{
    expect_row_refused((struct rec_row){ .predictions = six, .predictions_count = 6 });
}

TEST(a_row_without_predictions_and_without_an_error_is_refused_with_its_worker)
{
    expect_row_refused((struct rec_row){ .predictions_count = 0 });
}

TEST(predictions_beside_an_error_are_refused_with_their_worker)
{
    expect_row_refused((struct rec_row){ .error = ROW_DECODE, .predictions = six, .predictions_count = 1 });
}

TEST(an_error_that_nobody_knows_is_refused_with_its_worker)
{
    expect_row_refused((struct rec_row){ .error = ROW_ERRORS });
}

TEST(numbers_that_were_not_asked_for_are_refused_with_their_worker)
{
    expect_row_refused((struct rec_row){ .predictions = six, .predictions_count = 1, .values = { "four", 4 } });
}

TEST(a_result_for_a_batch_that_was_never_there_is_refused_with_its_worker)
{
    expect_refusal(&(struct message){ .result = { .batch = 77777 } });
}

TEST(a_result_for_a_piece_that_was_never_there_is_refused_with_its_worker)
{
    expect_refusal(&(struct message){ .result = { .batch = 1ull << 63 } });
}

TEST(a_job_database_with_a_row_too_few_is_not_exported)
{
    CHECK_INT(COORDINATE("run", "run", "--local", "1", "--engine", "sim", "--batch", "10", "--job", "job", "sim:30"), 0);
    CHECK_INT(test_shell(NULL, "rm job/predictions.jsonl && /usr/bin/python3 -c \"import sqlite3; db = sqlite3.connect('job/job.db');"
                               "db.execute('UPDATE batch SET count = 9 WHERE id = 1'); db.commit()\""), 0);
    CHECK(COORDINATE("again", "resume", "--local", "1", "--engine", "sim", "job") != 0);
    check_contains("again.err", "job/job.db");
    CHECK(access("job/predictions.jsonl", F_OK) < 0);
}

/* 25 images in batches of ten, whose rows are then another's doing: no table is written of them. */
static void expect_damage(const char *update, const char *said)
{
    CHECK_INT(COORDINATE("run", "run", "--local", "1", "--engine", "sim", "--batch", "10", "--job", "job", "sim:25"), 0);
    CHECK_INT(test_shell(NULL, "rm job/predictions.jsonl && sqlite3 job/job.db \"%s\"", update), 0);
    CHECK_INT(COORDINATE("again", "resume", "--local", "1", "--engine", "sim", "job"), 1);
    check_contains("again.err", said);
    CHECK(access("job/predictions.jsonl", F_OK) < 0);
    CHECK_INT(COORDINATE("export", "export", "job", "-o", "out"), 1);
    check_contains("export.err", said);
    CHECK(access("out/predictions.jsonl", F_OK) < 0);
}

TEST(rows_of_a_batch_that_are_not_as_many_as_its_entries_are_not_exported)
{
    /* those of another batch, which is shorter */
    expect_damage("UPDATE result SET rows = (SELECT rows FROM result WHERE id = 2) WHERE id = 1", "job.db: the rows of batch 1 are damaged");
}

TEST(a_list_that_lacks_a_batch_is_not_exported)
{
    expect_damage("DELETE FROM batch WHERE id = 1; DELETE FROM result WHERE id = 1", "job.db: batch 2 of the list is not in its place");
}

TEST(rows_that_are_damaged_are_not_exported)
{
    expect_damage("UPDATE result SET rows = substr(rows, 1, length(rows) - 1) || x'c1' WHERE id = 2", "job.db: the rows of batch 2 are damaged");
}

/* Somebody else holds job.db, puts rows there first, and the coordinator is interrupted meanwhile. */
TEST(rows_that_were_there_already_are_not_counted_again_when_a_job_is_interrupted)
{
    struct process run, other;
    begin(&run, (struct puppet *const[]){ &one }, 1, "sim:30");
    puppet_answer(&one, puppet_batch(&one));
    PUPPETS(one.commits == 1);
    const struct message *batch = puppet_batch(&one);
    write_text("hold.py", "import sqlite3, os, sys, time\n"
                          "db = sqlite3.connect('job/job.db', isolation_level=None)\n"
                          "db.execute('BEGIN IMMEDIATE')\n"
                          "db.execute('INSERT INTO result SELECT ?, rows, 1, node, 0 FROM result LIMIT 1', [int(sys.argv[1])])\n"
                          "open('held', 'w')\n"
                          "while not os.path.exists('go'): time.sleep(0.01)\n"
                          "db.execute('COMMIT')\n");
    char id[24];
    snprintf(id, sizeof(id), "%llu", (unsigned long long)batch->batch.batch);
    process_start(&other, "other", ARGV("/usr/bin/python3", "hold.py", id));
    WAIT_FOR(access("held", F_OK) == 0);
    puppet_answer(&one, batch);
    int pings = one.pings;
    PUPPETS(one.pings > pings + 1); /* the answer is with the store by now */
    process_signal(&run, SIGINT);
    WAIT_FOR(process_said(&run, "stopping"));
    write_text("go", "");
    CHECK_INT(process_end(&other), 0);
    CHECK_INT(process_end(&run), 130);
    check_contains("run.err", "interrupted, 10 images are done and safe");
}
