/* loop.h: one thread's wait for sockets, file descriptors and deadlines.
 *
 * An iteration: 1. call the timers that are due, soonest first; 2. wait for the next deadline or for something readable;
 * 3. call the function of each readable source. A function may add, remove, stop or re-arm anything, itself included.
 *
 * Threads:   a loop belongs to one thread, and so do its ZeroMQ sockets. Others reach it through a mailbox's fd.
 * Ownership: the loop owns neither sockets nor descriptors; timers are embedded in their owner's struct and must be
 *            cancelled before that goes away.
 * Errors:    negative errno. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct loop;

struct loop_timer {
    void (*due)(void *arg);
    void *arg;
    uint64_t at_ns; /* of clock_now_ns(); 0 while not armed */
    struct loop_timer *next;
};

int loop_new(struct loop **ret);
void loop_free(struct loop *loop);

/* `socket` is a ZeroMQ socket. */
int loop_add_socket(struct loop *loop, void *socket, void (*readable)(void *arg), void *arg);
int loop_add_fd(struct loop *loop, int fd, void (*readable)(void *arg), void *arg);
void loop_remove(struct loop *loop, const void *arg); /* whatever was added with this `arg` */

void loop_timer_set(struct loop *loop, struct loop_timer *timer, uint64_t at_ns); /* re-arms an armed one */
void loop_timer_cancel(struct loop *loop, struct loop_timer *timer);

int loop_run(struct loop *loop); /* until loop_stop() */
void loop_stop(struct loop *loop);
