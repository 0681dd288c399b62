/* mailbox.h: finished work on its way from many threads to one loop.
 *
 * Mail is embedded in the sender's struct, so posting cannot fail for want of memory. The reader is woken (its eventfd becomes
 * readable) only when the box goes from empty to non-empty, and detaches the whole list under the lock before it looks at it.
 *
 * Threads:   any may post; one reads.
 * Ownership: the box owns mail from post to take. */
#pragma once

#include <pthread.h>

struct mail {
    struct mail *next;
    int kind; /* the reader's own way to tell what a mail is part of; 0 unless set */
};

struct mailbox {
    pthread_mutex_t lock;
    struct mail *first, **last;
    int fd; /* eventfd for the reader's loop */
};

int mailbox_init(struct mailbox *box);
void mailbox_done(struct mailbox *box);

void mailbox_post(struct mailbox *box, struct mail *mail);

/* Everything posted so far, oldest first; NULL when empty. */
struct mail *mailbox_take(struct mailbox *box);
