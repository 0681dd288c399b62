/* test_torture.c: common/ and proto/ with every single allocation refused. */
#include "common/arena.h"
#include "common/bytes.h"
#include "common/cleanup.h"
#include "common/json.h"
#include "common/labels.h"
#include "common/loop.h"
#include "common/mailbox.h"
#include "common/options.h"
#include "common/queue.h"
#include "common/thread.h"
#include "common/utf8.h"
#include "proto/link.h"
#include "proto/tuning.h"
#include "tests/test.h"
#include "tests/torture.h"

#include <jansson.h>
#include <poll.h>
#include <zmq.h>

static int out_of_memory(struct why *why, int r)
{
    return r < 0 ? because(why, r, "%s", strerror(-r)) : 0;
}

static int use_arena(struct why *why)
{
    CLEANUP(arena_done) struct arena arena;
    arena_init(&arena, 1 << 20);
    for (size_t size = 1; size < 20000; size += 1000)
        if (!arena_take(&arena, size))
            return out_of_memory(why, -ENOMEM);
    return 0;
}

static int use_bytes(struct why *why)
{
    CLEANUP(bytes_done) struct bytes bytes;
    bytes_init(&bytes, 1 << 20);
    for (int i = 0; i < 100; i++) {
        bytes_append_text(&bytes, "some text ");
        bytes_printf(&bytes, "%d", i);
        utf8_append(&bytes, "caf\xe9", 4);
    }
    int r = bytes_error(&bytes);
    CLEANUP(freep) char *text = bytes_take(&bytes);
    CHECK((r == 0) == (text != NULL));
    return out_of_memory(why, r);
}

static int use_queue(struct why *why)
{
    struct queue *queue;
    int r = queue_new(10, &queue);
    if (r < 0)
        return out_of_memory(why, r);
    CHECK_INT(queue_push(queue, queue), 0);
    queue_free(queue);
    return 0;
}

DEFINE_FREEP(loop_free, struct loop)

static void never(void *arg)
{
    (void)arg;
}

static int use_loop(struct why *why)
{
    CLEANUP(loop_freep) struct loop *loop = NULL;
    int r = loop_new(&loop);
    for (int fd = 0; r == 0 && fd < 100; fd++)
        r = loop_add_fd(loop, fd, never, NULL);
    return out_of_memory(why, r);
}

static void post(void *arg)
{
    static struct mail mail;
    mailbox_post(arg, &mail);
}

static int use_thread_and_mailbox(struct why *why)
{
    struct mailbox box;
    struct thread thread;
    int r = mailbox_init(&box);
    if (r < 0)
        return out_of_memory(why, r);
    r = thread_start(&thread, "post", post, &box);
    thread_join(&thread);
    CHECK((r == 0) == (mailbox_take(&box) != NULL));
    mailbox_done(&box);
    return out_of_memory(why, r);
}

static const struct option_row rows[] = {
    { 0, "name", OPTION_TEXT, 0, "NAME", "a name", 0, 0, NULL },
    { 0 },
};

static int use_config(struct why *why)
{
    const char *name = NULL;
    struct config *config;
    int r = config_read("config", rows, &name, &config, why);
    if (r < 0)
        return r;
    CHECK_STR(name, "x y");
    config_free(config);
    return 0;
}

static int use_labels(struct why *why)
{
    struct labels *labels;
    int r = labels_open(NULL, &labels, why);
    if (r < 0)
        return r;
    labels_close(labels);
    r = labels_open("labels", &labels, why);
    if (r < 0)
        return r;
    CHECK_STR(labels_name(labels, 1), "tench");
    labels_close(labels);
    return 0;
}

TEST(common_survives_refused_memory)
{
    test_write_file("config", "# c\nname = x y\n", 15);
    test_write_file("labels", "cat\nn01440764 tench\n", 20);
    torture(use_arena);
    torture(use_bytes);
    torture(use_queue);
    torture(use_loop);
    torture(use_thread_and_mailbox);
    torture(use_config);
    torture(use_labels);
}

/* ---- proto ---- */

#define COUNT 200

static struct rec_item items[COUNT];
static struct rec_row answers[COUNT];
static struct rec_prediction predictions[5];
static struct rec_stage stage = { .name = "decode", .threads = 32 };

static void fill(void)
{
    for (int i = 0; i < COUNT; i++) {
        items[i] = (struct rec_item){ .uri = { "/photos/a.jpg", 13 }, .base = 8, .size = 1000, .etag = "e" };
        answers[i] = i % 7 ? (struct rec_row){ .predictions = predictions, .predictions_count = 5, .values = { "abcdefgh", 8 } }
                           : (struct rec_row){ .error = ROW_DECODE, .detail = "no JPEG" };
    }
}

static int there_and_back(const struct message *message, struct why *why)
{
    CLEANUP(bytes_done) struct bytes frame, printed;
    struct message got;
    bytes_init(&frame, LIMIT_FRAME);
    bytes_init(&printed, LIMIT_FRAME);
    int r = message_encode(message, &frame);
    if (r < 0)
        return out_of_memory(why, r);
    r = message_decode(frame.data, frame.size, &got, why);
    if (r < 0)
        return r;
    r = message_print(&got, &printed);
    message_free(&got);
    return out_of_memory(why, r);
}

static int use_batch(struct why *why)
{
    struct message message = { .kind = MESSAGE_batch, .batch = { .items = items, .items_count = COUNT } };
    return there_and_back(&message, why);
}

static int use_result(struct why *why)
{
    struct message message = { .kind = MESSAGE_result, .result = { .rows = answers, .rows_count = COUNT, .stages = &stage,
                                                                   .stages_count = 1 } };
    return there_and_back(&message, why);
}

static int use_rows(struct why *why)
{
    CLEANUP(bytes_done) struct bytes encoded;
    CLEANUP(arena_done) struct arena arena;
    struct rec_item *got_items;
    struct rec_row *got_rows;
    uint32_t n;
    bytes_init(&encoded, 1 << 20);
    arena_init(&arena, 1 << 20);
    int r = items_encode(items, COUNT, &encoded);
    if (r == 0)
        r = items_decode(encoded.data, encoded.size, &arena, &got_items, &n);
    bytes_clear(&encoded);
    if (r == 0)
        r = rows_encode(answers, COUNT, &encoded);
    if (r == 0)
        r = rows_decode(encoded.data, encoded.size, &arena, &got_rows, &n);
    return out_of_memory(why, r);
}

static int use_tuning(struct why *why)
{
    CLEANUP(bytes_done) struct bytes arguments;
    struct tuning tuning = TUNING_DEFAULTS;
    bytes_init(&arguments, 1 << 16);
    return out_of_memory(why, tuning_arguments(&tuning, &arguments));
}

DEFINE_FREEP(link_free, struct link)

static int receive(struct link *link, struct peer *peer, struct message *ret, struct why *why)
{
    zmq_pollitem_t wait = { .socket = link_socket(link), .events = ZMQ_POLLIN };
    CHECK_INT(zmq_poll(&wait, 1, 5000), 1);
    return link_receive(link, peer, ret, why);
}

static int send_and_receive(void *context, struct why *why)
{
    CLEANUP(link_freep) struct link *bound = NULL, *connected = NULL;
    struct message message = { .kind = MESSAGE_batch, .batch = { .items = items, .items_count = COUNT } }, got;
    struct peer peer;
    int r = link_bind(context, "inproc://torture", &bound, why);
    if (r == 0)
        r = link_connect(context, "inproc://torture", &connected, why);
    if (r < 0)
        return r;
    r = link_send(connected, NULL, &message);
    if (r < 0)
        return out_of_memory(why, r);
    r = receive(bound, &peer, &got, why);
    if (r < 0)
        return r;
    r = link_send(bound, &peer, &got);
    message_free(&got);
    return out_of_memory(why, r);
}

static int use_link(struct why *why)
{
    void *context;
    int r = link_context_new(&context, why);
    if (r < 0)
        return r;
    r = send_and_receive(context, why);
    link_context_free(context);
    return r;
}

TEST(messages_and_links_survive_refused_memory)
{
    fill();
    torture(use_batch);
    torture(use_result);
    torture(use_rows);
    torture(use_tuning);
    torture(use_link);
}

/* ---- JSON ---- */

/* The buffer that strings are read into grows behind 15 bytes, among other places: at the closing quote of one of these. */
static int use_json(struct why *why)
{
    for (int length = 10; length < 20; length++) {
        char text[64];
        int size = snprintf(text, sizeof(text), "[1, \"%.*s\", \"\"]", length, "abcdefghijklmnopqrstuvwxyz");
        CLEANUP(json_decrefp) json_t *json = json_read(text, (size_t)size, 0, NULL);
        if (json_refused())
            return because(why, -ENOMEM, "out of memory");
        CHECK_INT(json_array_size(json), 3);
        CHECK_INT(json_string_length(json_array_get(json, 1)), length);
    }
    return 0;
}

TEST(reading_json_survives_refused_memory)
{
    torture(use_json);
}
