#include "tests/cluster/lib/caller.h"

#include "tests/cluster/lib/process.h"

static void connect_to(struct caller *caller, int port)
{
    char endpoint[64];
    struct why why;
    snprintf(endpoint, sizeof(endpoint), "tcp://127.0.0.1:%d", port);
    CHECK_INT(link_connect(caller->context, endpoint, &caller->link, &why), 0);
    caller->call++;
}

void caller_open(struct caller *caller, int port)
{
    struct why why;
    *caller = (struct caller){ .incarnation = link_random_id() };
    CHECK_INT(link_context_new(&caller->context, &why), 0);
    connect_to(caller, port);
}

void caller_close(struct caller *caller)
{
    link_free(caller->link);
    link_context_free(caller->context);
}

void caller_reconnect(struct caller *caller, int port)
{
    link_free(caller->link);
    connect_to(caller, port);
}

void caller_send(struct caller *caller, struct message *message)
{
    message->from = caller->incarnation;
    message->to = message->kind == MESSAGE_hello ? 0 : caller->worker;
    WAIT_FOR(link_send(caller->link, NULL, message) == 0);
}

void caller_hello(struct caller *caller, const char *job, uint64_t epoch)
{
    caller->epoch = epoch;
    caller_send(caller, &(struct message){
        .kind = MESSAGE_hello,
        .hello = { .protocol = PROTOCOL_VERSION, .version = SLEDDOG_VERSION, .job = job, .epoch = epoch, .owner = "a test", .model_sha256 = "",
                   .preset = "torchvision", .resize = 256, .crop = 224, .std_r = 1, .std_g = 1, .std_b = 1, .top = 1, .batch = 200,
                   .expiry_ms = 600000, .stall_ms = caller->stall_ms ? caller->stall_ms : 600000, .call = caller->call },
    });
}

void caller_send_batch(struct caller *caller, uint64_t batch, uint32_t count, bool alone)
{
    struct rec_item items[LIMIT_BATCH] = { 0 };
    char uris[LIMIT_BATCH][16];
    for (uint32_t i = 0; i < count; i++)
        items[i].uri = (struct span){ uris[i], (uint32_t)snprintf(uris[i], sizeof(uris[i]), "sim:%u", i) };
    caller_send(caller, &(struct message){
        .kind = MESSAGE_batch,
        .batch = { .epoch = caller->epoch, .batch = batch, .attempt = caller->attempt ? caller->attempt : 1, .alone = alone,
                   .call = caller->call, .number = ++caller->batches,
                   .items = items, .items_count = count },
    });
}

void caller_commit(struct caller *caller, uint64_t batch)
{
    caller_send(caller, &(struct message){ .kind = MESSAGE_commit, .commit = { caller->epoch, batch } });
}

void caller_cancel(struct caller *caller, uint64_t batch)
{
    caller_send(caller, &(struct message){ .kind = MESSAGE_cancel, .cancel = { caller->epoch, batch } });
}

static bool receive(struct caller *caller, enum message_kind kind, struct message *ret)
{
    struct why why;
    if (link_receive(caller->link, NULL, ret, &why) < 0)
        return false;
    caller->worker = ret->from;
    if (ret->kind == kind)
        return true;
    message_free(ret);
    return false;
}

void caller_expect(struct caller *caller, enum message_kind kind, struct message *ret)
{
    WAIT_FOR(receive(caller, kind, ret));
}

void caller_expect_welcome(struct caller *caller, struct message *ret)
{
    struct message credit;
    caller_expect(caller, MESSAGE_welcome, ret);
    CHECK_INT(ret->welcome.epoch, caller->epoch);
    CHECK_INT(ret->welcome.call, caller->call);
    caller->batches = 0;
    caller_expect(caller, MESSAGE_credit, &credit);
    message_free(&credit);
}

void caller_expect_result(struct caller *caller, uint64_t batch)
{
    for (bool found = false; !found;) {
        struct message message;
        caller_expect(caller, MESSAGE_result, &message);
        CHECK_INT(message.result.epoch, caller->epoch);
        found = message.result.batch == batch;
        message_free(&message);
    }
}

void caller_expect_returned(struct caller *caller, uint64_t batch)
{
    struct message message;
    caller_expect(caller, MESSAGE_returned, &message);
    CHECK_INT(message.returned.batch, batch);
    message_free(&message);
}
