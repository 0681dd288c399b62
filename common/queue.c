#include "common/queue.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

struct queue {
    pthread_mutex_t lock;
    pthread_cond_t not_empty, not_full;
    size_t capacity, size, head;
    bool closed;
    void *items[];
};

int queue_new(size_t capacity, struct queue **ret)
{
    struct queue *queue = calloc(1, sizeof(*queue) + capacity * sizeof(void *));
    if (!queue)
        return -ENOMEM;
    queue->capacity = capacity;
    pthread_mutex_init(&queue->lock, NULL);
    pthread_cond_init(&queue->not_empty, NULL);
    pthread_cond_init(&queue->not_full, NULL);
    *ret = queue;
    return 0;
}

void queue_free(struct queue *queue)
{
    if (!queue)
        return;
    pthread_cond_destroy(&queue->not_full);
    pthread_cond_destroy(&queue->not_empty);
    pthread_mutex_destroy(&queue->lock);
    free(queue);
}

int queue_push(struct queue *queue, void *item)
{
    int r = 0;
    pthread_mutex_lock(&queue->lock);
    while (queue->size == queue->capacity && !queue->closed)
        pthread_cond_wait(&queue->not_full, &queue->lock);
    if (queue->closed)
        r = -EPIPE;
    else {
        queue->items[(queue->head + queue->size++) % queue->capacity] = item;
        pthread_cond_signal(&queue->not_empty);
    }
    pthread_mutex_unlock(&queue->lock);
    return r;
}

int queue_pop(struct queue *queue, void **ret)
{
    int r = 0;
    pthread_mutex_lock(&queue->lock);
    while (!queue->size && !queue->closed)
        pthread_cond_wait(&queue->not_empty, &queue->lock);
    if (queue->size) {
        *ret = queue->items[queue->head];
        queue->head = (queue->head + 1) % queue->capacity;
        queue->size--;
        pthread_cond_signal(&queue->not_full);
    } else
        r = -EPIPE;
    pthread_mutex_unlock(&queue->lock);
    return r;
}

void queue_close(struct queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    queue->closed = true;
    pthread_cond_broadcast(&queue->not_empty);
    pthread_cond_broadcast(&queue->not_full);
    pthread_mutex_unlock(&queue->lock);
}
