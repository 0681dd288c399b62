/* test_lender.c: pieces of a model, read for those who ask: how many of them may be in memory. */
#include "coordinator/lender.h"

#include "common/cleanup.h"
#include "common/sha256.h"
#include "tests/must.h"

#include <poll.h>

#define PIECES 20

static char hash[SHA256_HEX];

/* A model of so many pieces, each of bytes of its own. */
static struct lender *begin(struct mailbox *box)
{
    static char model[PIECES * LIMIT_CHUNK];
    struct lender *lender = NULL;
    for (size_t i = 0; i < sizeof(model); i++)
        model[i] = (char)('a' + i / LIMIT_CHUNK);
    test_write_file("model", model, sizeof(model));
    CHECK_INT(sha256_memory(model, sizeof(model), hash), 0);
    CHECK_INT(mailbox_init(box), 0);
    MUST(lender_open("model", hash, box, &lender, why));
    CHECK_INT(lender_model_size(lender), sizeof(model));
    return lender;
}

static void end(struct lender *lender, struct mailbox *box)
{
    lender_stop(lender);
    for (struct mail *mail = mailbox_take(box), *next; mail; mail = next) {
        next = mail->next;
        lender_drop((struct lent *)mail);
    }
    mailbox_done(box);
    lender_free(lender);
}

static void ask(struct lender *lender, struct borrower **borrower, int piece, void *user)
{
    const struct message head = { .kind = MESSAGE_model_chunk };
    const struct msg_want_model want = { .sha256 = hash, .offset = (uint64_t)piece * LIMIT_CHUNK, .length = LIMIT_CHUNK };
    MUST(lender_want(lender, borrower, &head, &want, user, 1, why));
}

/* The next piece that has been read; waits for it. */
static struct lent *next_piece(struct mailbox *box)
{
    static struct mail *taken;
    struct pollfd wait = { .fd = box->fd, .events = POLLIN };
    while (!taken) {
        poll(&wait, 1, -1);
        taken = mailbox_take(box);
    }
    struct lent *lent = (struct lent *)taken;
    taken = taken->next;
    return lent;
}

static void check_piece(struct lent *lent, int piece)
{
    struct why why;
    struct message message;
    CHECK_INT(lent->offset, (long long)piece * LIMIT_CHUNK);
    CHECK_INT(message_decode(lent->frame.data, lent->frame.size, &message, &why), 0);
    CHECK_INT(message.model_chunk.data.size, LIMIT_CHUNK);
    CHECK(message.model_chunk.data.data[0] == 'a' + piece && message.model_chunk.data.data[LIMIT_CHUNK - 1] == 'a' + piece);
    message_free(&message);
}

TEST(who_asks_for_more_than_its_part_is_not_answered_for_the_rest_until_it_has_had_some)
{
    struct mailbox box;
    struct lender *lender = begin(&box);
    struct borrower *greedy = NULL, *modest = NULL;
    struct lent *lents[LENDER_NODE];
    for (int i = 0; i < LENDER_NODE + 3; i++)
        ask(lender, &greedy, i, &greedy);
    ask(lender, &modest, PIECES - 1, &modest);
    for (int i = 0; i < LENDER_NODE; i++) {
        lents[i] = next_piece(&box);
        CHECK(lents[i]->user == &greedy);
        check_piece(lents[i], i);
    }
    struct lent *other = next_piece(&box); /* asked for last */
    CHECK(other->user == &modest);
    check_piece(other, PIECES - 1);
    lender_drop(other);
    lender_drop(lents[0]);
    ask(lender, &greedy, LENDER_NODE, &greedy);
    lents[0] = next_piece(&box);
    check_piece(lents[0], LENDER_NODE);
    for (int i = 0; i < LENDER_NODE; i++)
        lender_drop(lents[i]);
    end(lender, &box);
}

/* Those that ask for more than there is memory for are all served, as what was read before goes out. */
TEST(all_that_is_asked_for_is_read_once_there_is_memory_for_it)
{
    enum { NODES = LENDER_OUT / LENDER_NODE + 4 };
    struct mailbox box;
    struct lender *lender = begin(&box);
    struct borrower *borrowers[NODES] = { NULL };
    int served[NODES] = { 0 };
    for (int i = 0; i < NODES; i++)
        for (int k = 0; k < LENDER_NODE; k++)
            ask(lender, &borrowers[i], k, &served[i]);
    for (int i = 0; i < NODES * LENDER_NODE; i++) {
        struct lent *lent = next_piece(&box);
        check_piece(lent, (*(int *)lent->user)++);
        lender_drop(lent);
    }
    for (int i = 0; i < NODES; i++)
        CHECK_INT(served[i], LENDER_NODE);
    end(lender, &box);
}

TEST(what_has_become_shorter_is_told_instead_of_lent)
{
    struct mailbox box;
    struct message message;
    struct why why;
    struct lender *lender = begin(&box);
    struct borrower *borrower = NULL;
    CHECK_INT(truncate("model", 3 * LIMIT_CHUNK + 5), 0);
    ask(lender, &borrower, 2, NULL);
    ask(lender, &borrower, 3, NULL);
    struct lent *whole = next_piece(&box), *cut = next_piece(&box);
    check_piece(whole, 2);
    CHECK_INT(message_decode(cut->frame.data, cut->frame.size, &message, &why), 0);
    CHECK_CONTAINS(message.model_chunk.detail, "it has become shorter there");
    CHECK_INT(message.model_chunk.data.size, 0);
    message_free(&message);
    lender_drop(whole);
    lender_drop(cut);
    end(lender, &box);
}

TEST(wishes_that_nobody_has_read_end_with_the_lender)
{
    struct mailbox box;
    struct lender *lender = begin(&box);
    struct borrower *borrowers[PIECES] = { NULL };
    for (int i = 0; i < PIECES; i++)
        for (int k = 0; k < LENDER_NODE; k++)
            ask(lender, &borrowers[i], k, NULL);
    end(lender, &box);
}
