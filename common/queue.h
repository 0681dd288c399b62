/* queue.h: a bounded hand-off between threads.
 *
 * Threads:   any may push, any may pop; queue_close() wakes everyone.
 * Ownership: the queue owns an item from a successful push until it is popped.
 * Errors:    -EPIPE once closed (pop: once also empty). Pushing never allocates. */
#pragma once

#include <stddef.h>

struct queue;

int queue_new(size_t capacity, struct queue **ret);
void queue_free(struct queue *queue); /* must be empty or its items forgotten; accepts NULL */

int queue_push(struct queue *queue, void *item); /* waits for room */
int queue_pop(struct queue *queue, void **ret);  /* waits for an item */

void queue_close(struct queue *queue); /* no more pushes; what is inside can still be popped */
