#include "tests/cluster/lib/puppet.h"

#include "common/cleanup.h"

#define PUPPETS_MAX 16
#define WINDOW      200 /* images */

static struct puppet *stage[PUPPETS_MAX];
static int on_stage;
static void *context;

void puppet_send(struct puppet *puppet, struct message *message)
{
    if (!message->from)
        message->from = puppet->incarnation;
    if (!message->to)
        message->to = puppet->coordinator;
    (void)link_send(puppet->link, &puppet->peer, message);
}

static void grant(struct puppet *puppet)
{
    struct message message = { .kind = MESSAGE_credit, .credit = { puppet->epoch, puppet->granted } };
    puppet_send(puppet, &message);
}

void puppet_grant(struct puppet *puppet, uint64_t images)
{
    puppet->granted = images;
    grant(puppet);
}

static void welcome(struct puppet *puppet)
{
    struct message message = {
        .kind = MESSAGE_welcome,
        .welcome = { .epoch = puppet->epoch, .call = puppet->call, .version = "0", .host = "stage", .engine = "puppet", .device = "strings",
                     .precision = puppet->precision ? puppet->precision : "none", .fingerprint = puppet->precision ? puppet->precision : "puppet 1",
                     .network = "none", .model_sha256 = puppet->weights ? puppet->weights : "", .classes = 1000, .engine_batch = 1, .threads = 1,
                     .suspects = puppet->suspects, .suspects_count = puppet->suspect_count },
    };
    puppet->received = 0;
    puppet->granted = puppet->closed_purse ? 0 : WINDOW;
    puppet->welcomes++;
    puppet->welcomed = puppet->call;
    puppet_send(puppet, &message);
    grant(puppet);
}

static void on_hello(struct puppet *puppet, const struct message *message)
{
    bool again = puppet->coordinator == message->from && puppet->welcomed == message->hello.call && puppet->welcomes;
    puppet->coordinator = message->from;
    puppet->epoch = message->hello.epoch;
    puppet->call = message->hello.call;
    puppet->hellos++;
    if (puppet->loading)
        puppet_send(puppet, &(struct message){ .kind = MESSAGE_loading, .loading = { "the model is on its way" } });
    else if (!again && !puppet->silent)
        welcome(puppet);
}

static uint64_t count_held(const struct puppet *puppet)
{
    uint64_t held = 0;
    for (int i = 0; i < puppet->arrived; i++)
        held += !puppet->over[i];
    return held;
}

static void on_ping(struct puppet *puppet, const struct message *message)
{
    struct message beat = { .kind = MESSAGE_heartbeat, .to = message->from };
    puppet->pings++;
    if (puppet->silent)
        return;
    if (message->to == puppet->incarnation && (puppet->welcomes || puppet->loading))
        beat.heartbeat = (struct msg_heartbeat){ .epoch = puppet->epoch, .expected = message->ping.batches, .received = puppet->received,
                                                 .images = puppet->granted, .held = count_held(puppet), .stages = puppet->stages, .stages_count = 3 };
    puppet_send(puppet, &beat);
}

/* Its images are granted again. */
static void forget(struct puppet *puppet, uint64_t batch)
{
    for (int i = 0; i < puppet->arrived; i++)
        if (puppet->batches[i].batch.batch == batch && !puppet->over[i]) {
            puppet->over[i] = true;
            puppet->granted += puppet->batches[i].batch.items_count;
            grant(puppet);
            return;
        }
}

static void on_batch(struct puppet *puppet, const struct message *message)
{
    CHECK(puppet->arrived < PUPPET_BATCHES);
    CHECK_INT(message->batch.number, ++puppet->received);
    puppet->over[puppet->arrived] = false;
    puppet->batches[puppet->arrived++] = *message;
}

static void hear(struct puppet *puppet, struct message *message)
{
    bool mine = !message->to || message->to == puppet->incarnation;
    switch (message->kind) {
    case MESSAGE_hello:
        on_hello(puppet, message);
        break;
    case MESSAGE_ping:
        on_ping(puppet, message);
        break;
    case MESSAGE_batch:
        if (mine) {
            on_batch(puppet, message);
            return; /* kept */
        }
        break;
    case MESSAGE_commit:
        puppet->commits++;
        puppet->committed = message->commit.batch;
        forget(puppet, message->commit.batch);
        break;
    case MESSAGE_cancel:
        puppet->cancels++;
        puppet->cancelled = message->cancel.batch;
        forget(puppet, message->cancel.batch);
        break;
    case MESSAGE_bye:
        puppet->byes++;
        break;
    default:
        break;
    }
    message_free(message);
}

bool puppets_step(void)
{
    for (int i = 0; i < on_stage; i++) {
        struct message message;
        struct why why;
        while (link_receive(stage[i]->link, &stage[i]->peer, &message, &why) == 0)
            hear(stage[i], &message);
    }
    return true;
}

void puppets_play(double seconds)
{
    for (double until = now_s() + seconds; now_s() < until; rest(until + 60, __FILE__, __LINE__, "the end of the play"))
        puppets_step();
}

void puppet_start(struct puppet *puppet, int port)
{
    static const char *const names[] = { "fetch", "decode", "engine" };
    char endpoint[64];
    struct why why;
    *puppet = (struct puppet){ .incarnation = link_random_id() };
    for (int i = 0; i < 3; i++)
        puppet->stages[i].name = names[i];
    snprintf(endpoint, sizeof(endpoint), "tcp://127.0.0.1:%d", port);
    CHECK(context || link_context_new(&context, &why) == 0);
    CHECK_INT(link_bind(context, endpoint, &puppet->link, &why), 0);
    puppet->port = atoi(strrchr(link_endpoint(puppet->link), ':') + 1);
    CHECK(on_stage < PUPPETS_MAX);
    stage[on_stage++] = puppet;
}

void puppet_die(struct puppet *puppet)
{
    puppet->incarnation = link_random_id();
    puppet->welcomes = 0;
    puppet->suspect_count = 0;
    for (int i = 0; i < puppet->arrived; i++)
        puppet->over[i] = true;
    puppet->taken = puppet->arrived;
}

struct message *puppet_batch(struct puppet *puppet)
{
    PUPPETS(puppet->taken < puppet->arrived);
    return &puppet->batches[puppet->taken++];
}

long puppet_image(const struct message *batch, uint32_t item)
{
    return atol(batch->batch.items[item].uri.data + 4);
}

static void send_rows(struct puppet *puppet, const struct message *batch, struct rec_row *rows)
{
    struct message message = { .kind = MESSAGE_result,
                               .result = { .epoch = puppet->epoch, .batch = batch->batch.batch, .attempt = batch->batch.attempt, .rows = rows,
                                           .rows_count = batch->batch.items_count, .stages = puppet->stages, .stages_count = 3 } };
    puppet_send(puppet, &message);
}

void puppet_answer(struct puppet *puppet, const struct message *batch)
{
    struct rec_prediction predictions[LIMIT_BATCH];
    struct rec_row rows[LIMIT_BATCH];
    for (uint32_t i = 0; i < batch->batch.items_count; i++) {
        predictions[i] = (struct rec_prediction){ (uint32_t)(puppet_image(batch, i) % 1000), 0.5f };
        rows[i] = (struct rec_row){ .predictions = &predictions[i], .predictions_count = 1 };
    }
    send_rows(puppet, batch, rows);
}

void puppet_fail(struct puppet *puppet, const struct message *batch, enum row_error error)
{
    struct rec_row rows[LIMIT_BATCH];
    for (uint32_t i = 0; i < batch->batch.items_count; i++)
        rows[i] = (struct rec_row){ .error = error, .detail = "as the test wants it" };
    send_rows(puppet, batch, rows);
}

void puppet_return(struct puppet *puppet, const struct message *batch)
{
    struct message message = { .kind = MESSAGE_returned, .returned = { puppet->epoch, batch->batch.batch } };
    puppet_send(puppet, &message);
    forget(puppet, batch->batch.batch);
}

void puppet_blame(struct puppet *puppet, const struct message *batch, uint32_t item)
{
    puppet->suspects[puppet->suspect_count++] = (struct rec_suspect){ batch->batch.batch, item, "decode" };
}

void puppets_list(const char *path, struct puppet *const *puppets, int count)
{
    CLEANUP(fclosep) FILE *file = fopen(path, "w");
    CHECK(file);
    for (int i = 0; i < count; i++)
        fprintf(file, "127.0.0.1:%d\n", puppets[i]->port);
}
