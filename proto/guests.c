#include "proto/guests.h"

#include "common/clock.h"

#include <arpa/inet.h>
#include <linux/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* The other end of a descriptor. False: it has none, or not over a network. */
static bool look(int fd, struct guest *ret)
{
    struct sockaddr_storage name = { 0 };
    socklen_t size = sizeof(name);
    if (getpeername(fd, (struct sockaddr *)&name, &size) < 0)
        return false;
    if (name.ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&name;
        ret->address = in6->sin6_addr;
        ret->port = in6->sin6_port;
        return true;
    }
    if (name.ss_family != AF_INET)
        return false;
    const struct sockaddr_in *in = (const struct sockaddr_in *)&name;
    ret->address = (struct in6_addr){ .s6_addr = { [10] = 0xff, [11] = 0xff } };
    memcpy(&ret->address.s6_addr[12], &in->sin_addr, sizeof(in->sin_addr));
    ret->port = in->sin_port;
    return true;
}

static void print(const struct guest *guest, char *ret, size_t size)
{
    char text[INET6_ADDRSTRLEN];
    bool v4 = IN6_IS_ADDR_V4MAPPED(&guest->address);
    inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? (const void *)&guest->address.s6_addr[12] : &guest->address, text, sizeof(text));
    snprintf(ret, size, "%s", text);
}

static bool same_address(const struct guest *a, const struct guest *b)
{
    return !memcmp(&a->address, &b->address, sizeof(a->address));
}

static struct guest *find(const struct guests *guests, int fd)
{
    for (int i = 0; i < guests->count && fd >= 0; i++)
        if (guests->all[i].fd == fd)
            return &guests->all[i];
    return NULL;
}

void guests_done(struct guests *guests)
{
    free(guests->all);
    *guests = (struct guests){ 0 };
}

/* How many are here like this one, told to all of them. */
static void count_like(struct guests *guests, const struct guest *like)
{
    int count = 0;
    for (int i = 0; i < guests->count; i++)
        count += !guests->all[i].out && same_address(&guests->all[i], like);
    for (int i = 0; i < guests->count; i++)
        if (same_address(&guests->all[i], like))
            guests->all[i].from_one = count;
}

static void put_out(struct guests *guests, struct guest *guest)
{
    struct guest now;
    guest->out = true;
    guests->put_out++;
    if (look(guest->fd, &now) && now.port == guest->port && same_address(&now, guest))
        shutdown(guest->fd, SHUT_RDWR);
    count_like(guests, guest);
}

static bool goes_before(const struct guest *a, const struct guest *b)
{
    return !b || a->from_one > b->from_one || (a->from_one == b->from_one && a->since_ns < b->since_ns);
}

/* Who has to go so that there is room: of the address of `like`, if it is not NULL. */
static struct guest *choose(const struct guests *guests, const struct guest *like)
{
    struct guest *chosen = NULL;
    for (int i = 0; i < guests->count; i++) {
        struct guest *guest = &guests->all[i];
        if (!guest->out && !guest->useful && (!like || same_address(guest, like)) && goes_before(guest, chosen))
            chosen = guest;
    }
    return chosen;
}

static void forget(struct guests *guests, struct guest *guest)
{
    struct guest gone = *guest;
    *guest = guests->all[--guests->count];
    count_like(guests, &gone);
}

static struct guest *add(struct guests *guests, const struct guest *guest)
{
    if (guests->count == guests->capacity) {
        int capacity = guests->capacity ? guests->capacity * 2 : 16;
        struct guest *all = realloc(guests->all, (size_t)capacity * sizeof(*all));
        if (!all)
            return NULL;
        guests->all = all;
        guests->capacity = capacity;
    }
    guests->all[guests->count] = *guest;
    return &guests->all[guests->count++];
}

static int present(const struct guests *guests)
{
    int count = 0;
    for (int i = 0; i < guests->count; i++)
        count += !guests->all[i].out;
    return count;
}

bool guests_came(struct guests *guests, int fd, uint64_t now_ns, char *ret, size_t size)
{
    struct guest guest = { .fd = fd, .since_ns = now_ns }, *old = find(guests, fd);
    if (old)
        forget(guests, old);
    if (!look(fd, &guest))
        return false;
    struct guest *here = add(guests, &guest), *victim = NULL;
    if (!here) {
        shutdown(fd, SHUT_RDWR);
        return false;
    }
    count_like(guests, here);
    if (here->from_one > GUESTS_FROM_ONE)
        victim = choose(guests, here);
    else if (present(guests) > GUESTS_MAX)
        victim = choose(guests, NULL);
    if (!victim)
        return false;
    print(victim, ret, size);
    put_out(guests, victim);
    return true;
}

bool guests_went(struct guests *guests, int fd, char *ret, size_t size)
{
    struct guest *guest = find(guests, fd);
    if (!guest)
        return false;
    bool stranger = !guest->useful && !guest->out;
    print(guest, ret, size);
    forget(guests, guest);
    return stranger;
}

bool guests_said(struct guests *guests, int fd, bool useful, double cost, uint64_t now_ns)
{
    struct guest *guest = find(guests, fd);
    if (!guest)
        return false;
    guest->useful |= useful;
    if (guest->out || allowance_take(&guest->allowance, cost, GUEST_MOST, GUEST_REFILL, now_ns))
        return false;
    put_out(guests, guest);
    return true;
}

bool guests_put_out(struct guests *guests, int fd)
{
    struct guest *guest = find(guests, fd);
    if (guest && !guest->out)
        put_out(guests, guest);
    return guest;
}

static bool says_too_much(const struct guest *guest)
{
    struct tcp_info info = { 0 };
    socklen_t size = sizeof(info);
    return getsockopt(guest->fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 && info.tcpi_bytes_received > GUEST_BYTES;
}

int guests_tick(struct guests *guests, uint64_t now_ns)
{
    int count = 0;
    for (int i = 0; i < guests->count; i++) {
        struct guest *guest = &guests->all[i];
        bool silent = now_ns >= guest->since_ns + GUEST_SILENT_S * NS_PER_S;
        if (guest->out || guest->useful || (!silent && !says_too_much(guest)))
            continue;
        put_out(guests, guest);
        count++;
    }
    return count;
}

void guests_address(const struct guests *guests, int fd, char *ret, size_t size)
{
    const struct guest *guest = find(guests, fd);
    snprintf(ret, size, "?");
    if (guest)
        print(guest, ret, size);
}
