#include "coordinator/lender.h"

#include "common/cleanup.h"
#include "common/sha256.h"
#include "common/thread.h"
#include "coordinator/store.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#define HEAD_BYTES 4096 /* of a frame, besides its data */

enum { MODEL, ITS_RANGES, FILES };

struct file {
    int fd; /* -1: none */
    uint64_t size;
    char sha256[SHA256_HEX];
};

struct borrower {
    struct borrower *next;
    int out; /* pieces that it asked for and that are in memory, or will be */
};

struct lender {
    struct file files[FILES];
    struct mailbox *box;
    struct thread thread;
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t changed;
    struct borrower *borrowers;
    struct mail *first, **last; /* to be read: lents */
    int out;                    /* in memory */
    bool stopping, reading;     /* reading: the thread is there */
    bool freed;                 /* by its owner: the thread, which did not come back from a mount before, does the rest */
};

/* ---- reading ---- */

static void read_piece(const struct lender *lender, struct lent *lent)
{
    char data[LIMIT_CHUNK], detail[LIMIT_TEXT] = "";
    const struct file *file = &lender->files[lent->file];
    struct message message = lent->head;
    size_t got = 0;
    while (got < lent->length) {
        ssize_t n = pread(file->fd, data + got, lent->length - got, (off_t)(lent->offset + got));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            snprintf(detail, sizeof(detail), n < 0 ? "it cannot be read there: %s" : "it has become shorter there%s", n < 0 ? strerror(errno) : "");
            got = 0;
            break;
        }
        got += (size_t)n;
    }
    message.model_chunk.sha256 = file->sha256;
    message.model_chunk.offset = lent->offset;
    message.model_chunk.detail = detail;
    message.model_chunk.data = (struct span){ data, (uint32_t)got };
    message_encode(&message, &lent->frame); /* an error stays in the frame */
}

/* The oldest wish, once there is memory for it; NULL at the end. */
static struct lent *next_wish(struct lender *lender)
{
    pthread_mutex_lock(&lender->lock);
    while (!lender->stopping && (!lender->first || lender->out >= LENDER_OUT))
        pthread_cond_wait(&lender->changed, &lender->lock);
    struct lent *lent = lender->stopping ? NULL : (struct lent *)lender->first;
    if (lent) {
        lender->first = lent->mail.next;
        if (!lender->first)
            lender->last = &lender->first;
        lender->out++;
    }
    pthread_mutex_unlock(&lender->lock);
    return lent;
}

/* Unless the mailbox may be gone. */
static void post(struct lender *lender, struct lent *lent)
{
    pthread_mutex_lock(&lender->lock);
    bool wanted = !lender->stopping;
    if (wanted)
        mailbox_post(lender->box, &lent->mail);
    pthread_mutex_unlock(&lender->lock);
    if (!wanted)
        lender_drop(lent);
}

static void destroy(struct lender *lender);

static void run(void *arg)
{
    struct lender *lender = arg;
    for (struct lent *lent; (lent = next_wish(lender));) {
        read_piece(lender, lent);
        post(lender, lent);
    }
    pthread_detach(pthread_self());
    pthread_mutex_lock(&lender->lock);
    lender->reading = false;
    bool last = lender->freed;
    pthread_mutex_unlock(&lender->lock);
    if (last)
        destroy(lender);
}

/* ---- asking ---- */

static struct borrower *borrower_of(struct lender *lender, struct borrower **kept)
{
    struct borrower *borrower = *kept;
    if (borrower)
        return borrower;
    borrower = calloc(1, sizeof(*borrower));
    if (!borrower)
        return NULL;
    borrower->next = lender->borrowers;
    lender->borrowers = borrower;
    *kept = borrower;
    return borrower;
}

static int find_file(const struct lender *lender, const char *sha256)
{
    int i = 0;
    while (i < FILES && (lender->files[i].fd < 0 || strcmp(lender->files[i].sha256, sha256)))
        i++;
    return i;
}

static int check_want(const struct lender *lender, const struct msg_want_model *want, int *ret_file, struct why *why)
{
    int i = find_file(lender, want->sha256);
    if (i == FILES)
        return because(why, -EPROTO, "it asks for a file that is not this job's (sha256 %.12s)", want->sha256);
    uint64_t size = lender->files[i].size;
    if (!want->length || want->length > LIMIT_CHUNK || want->offset >= size || want->length > size - want->offset)
        return because(why, -EPROTO, "it asks for %u bytes at %llu of a model of %llu", want->length, (unsigned long long)want->offset, (unsigned long long)size);
    *ret_file = i;
    return 0;
}

/* The lock being held. */
static void append(struct lender *lender, struct lent *lent)
{
    *lender->last = &lent->mail;
    lender->last = &lent->mail.next;
    lent->borrower->out++;
    pthread_cond_signal(&lender->changed);
}

int lender_want(struct lender *lender, struct borrower **kept, const struct message *head, const struct msg_want_model *want, void *user,
                uint64_t call, struct why *why)
{
    int file = MODEL;
    int r = check_want(lender, want, &file, why);
    if (r < 0)
        return r;
    struct lent *lent = calloc(1, sizeof(*lent));
    pthread_mutex_lock(&lender->lock);
    struct borrower *borrower = lent ? borrower_of(lender, kept) : NULL;
    bool taken = borrower && borrower->out < LENDER_NODE;
    if (taken) {
        *lent = (struct lent){ .mail.kind = MAIL_LENT, .user = user, .call = call, .length = want->length, .lender = lender, .borrower = borrower,
                               .head = *head, .file = file, .offset = want->offset };
        bytes_init(&lent->frame, LIMIT_CHUNK + HEAD_BYTES);
        append(lender, lent);
    }
    pthread_mutex_unlock(&lender->lock);
    if (!taken)
        free(lent); /* as if lost on the way: it asks again */
    return 0;
}

/* ---- handing over ---- */

static void release(struct lender *lender, struct borrower *borrower)
{
    pthread_mutex_lock(&lender->lock);
    borrower->out--;
    lender->out--;
    pthread_cond_signal(&lender->changed);
    pthread_mutex_unlock(&lender->lock);
}

/* ZeroMQ's threads call this. */
static void on_sent(void *frame, void *arg)
{
    struct lent *lent = arg;
    free(frame);
    release(lent->lender, lent->borrower);
    free(lent);
}

int lender_send(struct lent *lent, struct link *link)
{
    size_t size = lent->frame.size;
    int r = bytes_error(&lent->frame);
    char *frame = r < 0 ? NULL : bytes_take(&lent->frame);
    if (!frame) {
        lender_drop(lent);
        return r < 0 ? r : -ENOMEM;
    }
    return link_send_owned(link, frame, size, on_sent, lent);
}

void lender_drop(struct lent *lent)
{
    bytes_done(&lent->frame);
    release(lent->lender, lent->borrower);
    free(lent);
}

/* ---- life ---- */

static int open_file(const char *path, struct file *file, struct why *why)
{
    struct stat status;
    file->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (file->fd < 0 || fstat(file->fd, &status) < 0)
        return because(why, -errno, "%s: %s", path, strerror(errno));
    file->size = S_ISREG(status.st_mode) ? (uint64_t)status.st_size : 0;
    return 0;
}

/* Without ranges, or with some that cannot be read, there is none to lend; an engine that wants them says so. */
static void open_ranges(const char *weights, struct file *file)
{
    char path[PATH_MAX + sizeof(RANGES_SUFFIX)];
    snprintf(path, sizeof(path), "%s" RANGES_SUFFIX, weights);
    if (access(path, R_OK) == 0 && open_file(path, file, NULL) == 0 && file->size && file->size <= LIMIT_RANGES &&
        sha256_file(path, file->sha256, NULL) == 0)
        return;
    closep(&file->fd);
    file->size = 0;
    file->sha256[0] = '\0';
}

static struct lender *lender_new(struct mailbox *box)
{
    struct lender *lender = calloc(1, sizeof(*lender));
    if (!lender)
        return NULL;
    for (int i = 0; i < FILES; i++)
        lender->files[i].fd = -1;
    lender->box = box;
    lender->last = &lender->first;
    pthread_mutex_init(&lender->lock, NULL);
    pthread_cond_init(&lender->changed, NULL);
    return lender;
}

int lender_open(const char *weights, const char *sha256, struct mailbox *box, struct lender **ret, struct why *why)
{
    struct lender *lender = lender_new(box);
    if (!lender)
        return because(why, -ENOMEM, "out of memory");
    *ret = lender;
    if (!*weights || !*sha256)
        return 0;
    int r = open_file(weights, &lender->files[MODEL], why);
    if (r < 0)
        return r;
    snprintf(lender->files[MODEL].sha256, SHA256_HEX, "%s", sha256);
    open_ranges(weights, &lender->files[ITS_RANGES]);
    lender->reading = true;
    r = thread_start(&lender->thread, "lender", run, lender);
    if (r < 0)
        lender->reading = false;
    return r < 0 ? because(why, r, "cannot start a thread: %s", strerror(-r)) : 0;
}

void lender_stop(struct lender *lender)
{
    if (!lender)
        return;
    pthread_mutex_lock(&lender->lock);
    lender->stopping = true;
    struct mail *wish = lender->first;
    lender->first = NULL;
    pthread_cond_signal(&lender->changed);
    pthread_mutex_unlock(&lender->lock);
    for (struct mail *next; wish; wish = next) {
        next = wish->next;
        free(wish);
    }
}

static void destroy(struct lender *lender)
{
    for (int i = 0; i < FILES; i++)
        closep(&lender->files[i].fd);
    while (lender->borrowers) {
        struct borrower *borrower = lender->borrowers;
        lender->borrowers = borrower->next;
        free(borrower);
    }
    pthread_cond_destroy(&lender->changed);
    pthread_mutex_destroy(&lender->lock);
    free(lender);
}

void lender_free(struct lender *lender)
{
    if (!lender)
        return;
    pthread_mutex_lock(&lender->lock);
    lender->freed = true;
    bool last = !lender->reading;
    pthread_mutex_unlock(&lender->lock);
    if (last)
        destroy(lender);
}

uint64_t lender_model_size(const struct lender *lender)
{
    return lender->files[MODEL].size;
}

const char *lender_ranges(const struct lender *lender, uint64_t *ret_size)
{
    *ret_size = lender->files[ITS_RANGES].size;
    return lender->files[ITS_RANGES].sha256;
}
