#include "coordinator/export/putter.h"

#include "common/cleanup.h"
#include "common/queue.h"
#include "common/s3/client.h"
#include "common/thread.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define THREADS 32
#define WAITING 64

struct parcel {
    struct s3_uri uri; /* points into `address` */
    size_t size;
    char *data;
    char address[];
};

struct putter {
    struct s3_session *s3;
    struct queue *queue;
    struct thread threads[THREADS];
    pthread_mutex_t lock;
    atomic_int error;
    struct why why; /* of the first error; with the lock */
};

static void fail(struct putter *putter, int r, const struct why *why)
{
    pthread_mutex_lock(&putter->lock);
    if (!atomic_load(&putter->error)) {
        putter->why = *why;
        atomic_store(&putter->error, r);
    }
    pthread_mutex_unlock(&putter->lock);
}

static bool has_failed(void *arg)
{
    return atomic_load(&((struct putter *)arg)->error) != 0;
}

static void send_parcel(struct putter *putter, struct s3_client *client, const struct parcel *parcel)
{
    struct why why;
    int r = s3_client_put(client, &parcel->uri, parcel->data, parcel->size, "application/json", &why);
    if (r < 0)
        fail(putter, r, &why);
}

static void run(void *arg)
{
    struct putter *putter = arg;
    struct s3_client *client = NULL;
    struct why why;
    void *item;
    int r = s3_client_open(putter->s3, has_failed, putter, &client, &why);
    if (r < 0)
        fail(putter, r, &why);
    while (queue_pop(putter->queue, &item) == 0) {
        if (!has_failed(putter))
            send_parcel(putter, client, item);
        free(item);
    }
    s3_client_close(client);
}

static void join(struct putter *putter)
{
    queue_close(putter->queue);
    for (int i = 0; i < THREADS; i++)
        thread_join(&putter->threads[i]);
}

void putter_close(struct putter *putter)
{
    if (!putter)
        return;
    if (putter->queue) {
        /* What was not asked to be finished is not wanted. */
        fail(putter, -ECANCELED, &(struct why){ "cancelled" });
        join(putter);
    }
    queue_free(putter->queue);
    pthread_mutex_destroy(&putter->lock);
    free(putter);
}

DEFINE_FREEP(putter_close, struct putter)

int putter_open(struct s3_session *s3, struct putter **ret, struct why *why)
{
    CLEANUP(putter_closep) struct putter *putter = calloc(1, sizeof(*putter));
    if (!putter)
        return because(why, -ENOMEM, "writing objects: out of memory");
    putter->s3 = s3;
    pthread_mutex_init(&putter->lock, NULL);
    int r = queue_new(WAITING, &putter->queue);
    for (int i = 0; i < THREADS && r == 0; i++)
        r = thread_start(&putter->threads[i], "put", run, putter);
    if (r < 0)
        return because(why, r, "writing objects: no threads: %s", strerror(-r));
    *ret = take(putter);
    return 0;
}

static int error_of(struct putter *putter, struct why *why)
{
    int r = atomic_load(&putter->error);
    if (r) {
        pthread_mutex_lock(&putter->lock);
        *why = putter->why;
        pthread_mutex_unlock(&putter->lock);
    }
    return r;
}

int putter_put(struct putter *putter, const char *address, const void *data, size_t size, struct why *why)
{
    int r = error_of(putter, why);
    if (r < 0)
        return r;
    size_t length = strlen(address) + 1;
    CLEANUP(freep) struct parcel *parcel = malloc(sizeof(*parcel) + length + size);
    if (!parcel)
        return because(why, -ENOMEM, "%.600s: cannot be written: out of memory", address);
    memcpy(parcel->address, address, length);
    parcel->data = parcel->address + length;
    parcel->size = size;
    memcpy(parcel->data, data, size);
    r = s3_uri_parse(parcel->address, length - 1, &parcel->uri, why);
    if (r < 0)
        return r;
    queue_push(putter->queue, take(parcel));
    return 0;
}

int putter_finish(struct putter *putter, struct why *why)
{
    join(putter);
    return error_of(putter, why);
}
