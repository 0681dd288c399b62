/* guests.h: who is connected to a bound link, and who must go.
 *
 * ZeroMQ accepts whoever comes, for as long as there are descriptors. So its connections are counted here, as its monitor tells of them, and one that
 * should not be there is shut down, which ZeroMQ takes for a peer that closed it:
 *   - more than GUESTS_FROM_ONE of one address: the oldest of them that has said nothing of use;
 *   - more than GUESTS_MAX in all: the same, of the address that has most of those;
 *   - one that has said nothing of use for GUEST_SILENT_S (the handshake has a shorter limit of its own: link.h), or in GUEST_BYTES;
 *   - one whose allowance is spent: GUEST_MOST at once, GUEST_REFILL a second.
 * One that has been useful is never put out for the sake of others. Local sockets are not counted.
 *
 * Threads:   the loop's. Descriptors are ZeroMQ's: one may be closed and given to another at any time. So it is looked at whose it is before it is shut down; in the
 *            instant between, the worst is a connection that has to be made again.
 * Ownership: guests_done() frees.
 * Errors:    none; where there is no memory for a guest it is put out. */
#pragma once

#include "common/allowance.h"

#include <netinet/in.h>
#include <stddef.h>

#define GUESTS_MAX      128
#define GUESTS_FROM_ONE 32
#define GUEST_SILENT_S  30
#define GUEST_BYTES     32768 /* that one may have sent before it was of use */
#define GUEST_MOST      1000
#define GUEST_REFILL    100

struct guest {
    int fd;
    struct in6_addr address;
    in_port_t port;
    uint64_t since_ns;
    struct allowance allowance;
    bool useful; /* said something of use */
    bool out;    /* has been shut down, and is not gone yet */
    int from_one; /* how many are here from its address, itself included */
};

struct guests {
    struct guest *all;
    int count, capacity;
    uint64_t put_out; /* so far */
};

void guests_done(struct guests *guests);

/* A connection came. The address of the one that had to go for it is written as text if one had to: true. */
bool guests_came(struct guests *guests, int fd, uint64_t now_ns, char *ret, size_t size);

/* It went. Its address, if it had never been useful nor was put out: true. */
bool guests_went(struct guests *guests, int fd, char *ret, size_t size);

/* It said something: of use, or not, and counted so much against its allowance. True: that was too much, it is put out. */
bool guests_said(struct guests *guests, int fd, bool useful, double cost, uint64_t now_ns);

/* Put it out. False: it is not here any more. */
bool guests_put_out(struct guests *guests, int fd);

/* From time to time. How many were put out that had said nothing of use for too long, or in too many words. */
int guests_tick(struct guests *guests, uint64_t now_ns);

void guests_address(const struct guests *guests, int fd, char *ret, size_t size); /* "?" if it is not here */
