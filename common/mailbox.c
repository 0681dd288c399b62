#include "common/mailbox.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

int mailbox_init(struct mailbox *box)
{
    *box = (struct mailbox){ .fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) };
    if (box->fd < 0)
        return -errno;
    box->last = &box->first;
    pthread_mutex_init(&box->lock, NULL);
    return 0;
}

void mailbox_done(struct mailbox *box)
{
    if (!box->last)
        return;
    close(box->fd);
    pthread_mutex_destroy(&box->lock);
    box->last = NULL;
}

void mailbox_post(struct mailbox *box, struct mail *mail)
{
    mail->next = NULL;
    pthread_mutex_lock(&box->lock);
    int was_empty = !box->first;
    *box->last = mail;
    box->last = &mail->next;
    pthread_mutex_unlock(&box->lock);
    if (was_empty) {
        uint64_t one = 1;
        ssize_t written = write(box->fd, &one, sizeof(one));
        (void)written;
    }
}

struct mail *mailbox_take(struct mailbox *box)
{
    uint64_t count;
    ssize_t drained = read(box->fd, &count, sizeof(count));
    (void)drained;
    pthread_mutex_lock(&box->lock);
    struct mail *mail = box->first;
    box->first = NULL;
    box->last = &box->first;
    pthread_mutex_unlock(&box->lock);
    return mail;
}
