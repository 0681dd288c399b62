/* check.c: the command `check`: asks every node of a list who it is, without disturbing its job. */
#include "coordinator/commands.h"

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/options.h"
#include "common/usage.h"
#include "coordinator/check_table.h"
#include "coordinator/handshake.h"
#include "coordinator/nodelist.h"
#include "coordinator/resolver.h"

#include <errno.h>
#include <string.h>

#define ASK_AGAIN_NS (300 * NS_PER_MS)

struct check_options {
    const char *nodes;
    struct texts group;
    struct trust_options trust;
    int64_t timeout;
    struct check_wishes wishes;
    bool help;
};

static const struct option_row rows[] = {
    { 'n', "nodes", OPTION_TEXT, offsetof(struct check_options, nodes), "FILE", "node list: one host[:port] a line", 0, 0, NULL },
    { 0, "group", OPTION_TEXTS, offsetof(struct check_options, group), "NAME", "only the nodes of this [group] of the list; may be given again", 0, 0, NULL },
    TRUST_ROWS(struct check_options, trust),
    { 0, "node-timeout", OPTION_INT, offsetof(struct check_options, timeout), "S", "how long to wait for answers, 5 by default", 1, 3600, NULL },
    { 0, "require-gpu", OPTION_FLAG, offsetof(struct check_options, wishes.require_gpu), NULL, "a node whose engine does not compute on a GPU is an error", 0, 0, NULL },
    { 0, "mixed", OPTION_FLAG, offsetof(struct check_options, wishes.mixed), NULL, "nodes whose numbers may differ in the last digits are no error", 0, 0, NULL },
    { 'h', "help", OPTION_FLAG, offsetof(struct check_options, help), NULL, "print this help", 0, 0, NULL },
    { 0 },
};

struct asked {
    struct check *check;
    const char *name;
    struct link *link;
    struct monitor *monitor;
    char key[KEY_TEXT];
    struct message answer; /* the newest; kind 0: none yet */
    char problem[LIMIT_TEXT];
};

struct check {
    struct loop *loop;
    struct mailbox box;
    struct resolver *resolver;
    void *context;
    struct trust trust;
    struct asked *asked;
    int count, missing;
    struct loop_timer tick;
    uint64_t until_ns, incarnation;
};

/* A worker that is still comparing its answers with PyTorch's is asked again. */
static bool is_final(const struct asked *asked)
{
    return asked->answer.kind && asked->answer.status.verdict != VERDICT_PENDING;
}

static void on_answer(void *arg)
{
    struct asked *asked = arg;
    struct why why;
    struct message message;
    int r = link_receive(asked->link, NULL, &message, &why);
    if (r == -EBADMSG || r == -EMSGSIZE)
        snprintf(asked->problem, sizeof(asked->problem), "does not speak this protocol: %.200s", why.text);
    if (r < 0)
        return;
    if (message.kind != MESSAGE_status || is_final(asked)) {
        message_free(&message);
        return;
    }
    if (asked->answer.kind)
        message_free(&asked->answer);
    asked->answer = message;
    if (is_final(asked) && --asked->check->missing == 0)
        loop_stop(asked->check->loop);
}

/* Which side notices first that only one has keys is chance: the clearer word counts. */
static void watch_handshake(struct asked *asked)
{
    struct monitor_event event;
    while (asked->monitor && monitor_next(asked->monitor, &event))
        if (event.kind == MONITOR_GREETED)
            asked->problem[0] = '\0';
        else if (event.kind != MONITOR_BROKEN || !*asked->problem)
            handshake_problem(event.kind, &asked->check->trust, asked->key, asked->problem, sizeof(asked->problem));
}

static void ask_all(void *arg)
{
    struct check *check = arg;
    struct message probe = { .kind = MESSAGE_probe, .from = check->incarnation, .probe = { PROTOCOL_VERSION } };
    uint64_t now = clock_now_ns();
    for (int i = 0; i < check->count; i++)
        watch_handshake(&check->asked[i]);
    if (now >= check->until_ns) {
        loop_stop(check->loop);
        return;
    }
    for (int i = 0; i < check->count; i++)
        if (check->asked[i].link && !is_final(&check->asked[i]))
            link_send(check->asked[i].link, NULL, &probe);
    loop_timer_set(check->loop, &check->tick, now + ASK_AGAIN_NS);
}

/* Returns how many nodes are not as they should be. */
static int print_answers(const struct check *check, const struct check_wishes *wishes, struct why *why)
{
    CLEANUP(freep) struct check_answer *answers = calloc((size_t)check->count, sizeof(*answers));
    if (!answers)
        return because(why, -ENOMEM, "out of memory");
    for (int i = 0; i < check->count; i++) {
        const struct asked *asked = &check->asked[i];
        answers[i] = (struct check_answer){ asked->name, asked->answer.kind ? &asked->answer.status : NULL, asked->problem };
    }
    return check_table_print(answers, check->count, wishes, stdout);
}

static int dial(struct asked *asked, const char *endpoint, struct why *why)
{
    struct check *check = asked->check;
    int r = trust_connect(&check->trust, check->context, endpoint, asked->key, LIMIT_FRAME_REST, &asked->link, why);
    if (r == 0)
        r = monitor_open(check->context, link_socket(asked->link), false, &asked->monitor, why);
    if (r == 0)
        r = loop_add_socket(check->loop, link_socket(asked->link), on_answer, asked);
    return r;
}

/* Names have been looked up. */
static void on_mail(void *arg)
{
    struct check *check = arg;
    for (struct mail *mail = mailbox_take(&check->box), *next; mail; mail = next) {
        struct resolved *resolved = (struct resolved *)mail;
        struct asked *asked = resolved->user;
        next = mail->next;
        if (resolved->r < 0 || dial(asked, resolved->endpoint, &resolved->why) < 0)
            snprintf(asked->problem, sizeof(asked->problem), "%.200s", resolved->why.text);
        free(resolved);
    }
}

static int open_parts(struct check *check, struct why *why)
{
    int r = loop_new(&check->loop);
    if (r == 0)
        r = mailbox_init(&check->box);
    if (r == 0)
        r = loop_add_fd(check->loop, check->box.fd, on_mail, check);
    if (r < 0)
        return because(why, r, "cannot start: %s", strerror(-r));
    r = link_context_new(&check->context, why);
    return r < 0 ? r : resolver_open(&check->box, 0, &check->resolver, why);
}

static int open_all(struct check *check, const struct nodelist *list, struct why *why)
{
    check->asked = calloc((size_t)list->count, sizeof(*check->asked));
    if (!check->asked)
        return because(why, -ENOMEM, "out of memory");
    int r = open_parts(check, why);
    for (; r == 0 && check->count < list->count; check->count++) {
        struct asked *asked = &check->asked[check->count];
        char endpoint[512];
        *asked = (struct asked){ .check = check, .name = list->nodes[check->count].name };
        snprintf(endpoint, sizeof(endpoint), "tcp://%s", asked->name);
        memcpy(asked->key, list->nodes[check->count].key, KEY_TEXT);
        if (!resolver_is_name(endpoint))
            r = dial(asked, endpoint, why);
        else if (resolver_ask(check->resolver, endpoint, 0, asked, 0) < 0)
            r = because(why, -EAGAIN, "%s: there is no thread to look its name up", asked->name);
    }
    check->missing = check->count;
    return r;
}

static void close_all(struct check *check)
{
    for (int i = 0; i < check->count; i++) {
        if (check->asked[i].answer.kind)
            message_free(&check->asked[i].answer);
        monitor_close(check->asked[i].monitor);
        link_free(check->asked[i].link);
    }
    resolver_close(check->resolver);
    for (struct mail *mail = check->resolver ? mailbox_take(&check->box) : NULL, *next; mail; mail = next) {
        next = mail->next;
        free(mail);
    }
    mailbox_done(&check->box);
    trust_done(&check->trust);
    free(check->asked);
    link_context_free(check->context);
    loop_free(check->loop);
}

static int check_nodes(const struct check_options *options, struct why *why)
{
    struct nodelist list;
    int r = nodelist_read(options->nodes, &options->group, &list, why);
    if (r < 0)
        return r;
    struct check check = { .incarnation = link_random_id(), .until_ns = clock_now_ns() + (uint64_t)options->timeout * NS_PER_S };
    check.tick = (struct loop_timer){ .due = ask_all, .arg = &check };
    r = trust_open(&options->trust, &check.trust, why);
    if (r == 0)
        r = trust_nodes(&check.trust, &list, why);
    if (r == 0)
        r = open_all(&check, &list, why);
    if (r == 0) {
        loop_timer_set(check.loop, &check.tick, clock_now_ns());
        r = loop_run(check.loop);
    }
    if (r == 0)
        r = print_answers(&check, &options->wishes, why);
    close_all(&check);
    nodelist_free(&list);
    return r;
}

int command_check(int argc, char **argv)
{
    struct check_options options = { .timeout = 5 };
    struct why why = { "" };
    int first;
    int r = options_parse(rows, &options, argc, argv, &first, &why);
    if (r == 0 && options.help) {
        puts("sleddog-coordinator check --nodes FILE: a line a node; exit status 1 if one is missing, of another release or with other numbers,\n"
             "wrong in its answers, busy, or has no GPU where one is required\n");
        options_print(rows, stdout);
        return 0;
    }
    if (r == 0 && (!options.nodes || first < argc))
        r = because(&why, -EINVAL, "check: needs --nodes FILE and nothing else");
    if (r < 0)
        return usage_error("check", &why);
    r = check_nodes(&options, &why);
    return r > 0 ? 1 : usage_status(r, "check", &why);
}
