#include "common/mailbox.h"
#include "common/thread.h"

#include "tests/test.h"

#include <poll.h>

static bool is_readable(const struct mailbox *box)
{
    struct pollfd wait = { .fd = box->fd, .events = POLLIN };
    return poll(&wait, 1, 0) == 1;
}

TEST(mail_comes_out_in_order_and_the_box_is_quiet_afterwards)
{
    struct mailbox box;
    struct mail mail[3] = { 0 };
    CHECK_INT(mailbox_init(&box), 0);
    CHECK(!is_readable(&box) && !mailbox_take(&box));
    for (int i = 0; i < 3; i++)
        mailbox_post(&box, &mail[i]);
    CHECK(is_readable(&box));
    CHECK(mailbox_take(&box) == &mail[0]);
    CHECK(mail[0].next == &mail[1] && mail[1].next == &mail[2] && !mail[2].next);
    CHECK(!is_readable(&box) && !mailbox_take(&box));
    mailbox_post(&box, &mail[1]);
    CHECK(is_readable(&box));
    CHECK(mailbox_take(&box) == &mail[1] && !mail[1].next);
    mailbox_done(&box);
}

TEST(a_box_that_never_was_can_be_done_with)
{
    struct mailbox box = { 0 };
    mailbox_done(&box);
}

#define SENDERS 4
#define LETTERS 5000

struct letter {
    struct mail mail;
    int sender, number;
};

struct sender {
    struct thread thread;
    struct mailbox *box;
    struct letter letters[LETTERS];
};

static void send_all(void *arg)
{
    struct sender *sender = arg;
    for (int i = 0; i < LETTERS; i++)
        mailbox_post(sender->box, &sender->letters[i].mail);
}

TEST(a_reader_that_only_sleeps_on_the_descriptor_gets_everything_in_each_senders_order)
{
    static struct sender senders[SENDERS];
    struct mailbox box;
    int next[SENDERS] = { 0 }, got = 0;
    CHECK_INT(mailbox_init(&box), 0);
    for (int s = 0; s < SENDERS; s++) {
        senders[s].box = &box;
        for (int i = 0; i < LETTERS; i++)
            senders[s].letters[i] = (struct letter){ .sender = s, .number = i };
        CHECK_INT(thread_start(&senders[s].thread, "sender", send_all, &senders[s]), 0);
    }
    while (got < SENDERS * LETTERS) {
        struct pollfd wait = { .fd = box.fd, .events = POLLIN };
        CHECK_INT(poll(&wait, 1, -1), 1);
        for (struct mail *mail = mailbox_take(&box); mail; mail = mail->next, got++) {
            const struct letter *letter = (struct letter *)mail;
            CHECK_INT(letter->number, next[letter->sender]++);
        }
    }
    for (int s = 0; s < SENDERS; s++)
        thread_join(&senders[s].thread);
    CHECK(!mailbox_take(&box));
    mailbox_done(&box);
}
