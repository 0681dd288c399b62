#include "coordinator/resolver.h"

#include "common/thread.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TCP "tcp://"

struct resolver {
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t changed;
    struct mailbox *box;
    int kind;
    struct mail *first, **last; /* to be looked up: questions */
    int waiting;                /* how many */
    int threads, idle;
    bool closed;
};

struct helper {
    struct thread thread;
    struct resolver *resolver;
};

/* ---- looking up ---- */

bool resolver_is_name(const char *endpoint)
{
    char host[512];
    struct in_addr address;
    const char *colon = strrchr(endpoint, ':');
    if (strncmp(endpoint, TCP, strlen(TCP)) || endpoint[strlen(TCP)] == '[' || !colon)
        return false;
    snprintf(host, sizeof(host), "%.*s", (int)(colon - endpoint - (long)strlen(TCP)), endpoint + strlen(TCP));
    return inet_pton(AF_INET, host, &address) != 1;
}

static const struct addrinfo *choose(const struct addrinfo *found, unsigned nth)
{
    const struct addrinfo *one = found;
    for (; nth; nth--)
        one = one->ai_next ? one->ai_next : found;
    return one;
}

static void look_up(struct resolved *answer)
{
    const struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
    struct addrinfo *found = NULL;
    char host[512], address[NI_MAXHOST], port[16];
    const char *colon = strrchr(answer->endpoint, ':');
    snprintf(host, sizeof(host), "%.*s", (int)(colon - answer->endpoint - (long)strlen(TCP)), answer->endpoint + strlen(TCP));
    snprintf(port, sizeof(port), "%s", colon + 1);
    int e = getaddrinfo(host, NULL, &hints, &found);
    const struct addrinfo *one = e ? NULL : choose(found, answer->nth);
    if (one)
        e = getnameinfo(one->ai_addr, one->ai_addrlen, address, sizeof(address), NULL, 0, NI_NUMERICHOST);
    if (e) {
        const char *text = e == EAI_SYSTEM ? strerror(errno) : gai_strerror(e);
        answer->r = because(&answer->why, -ENOENT, "its name cannot be looked up: %s", text);
    } else if (strchr(address, ':'))
        snprintf(answer->endpoint, sizeof(answer->endpoint), TCP "[%.400s]:%s", address, port);
    else
        snprintf(answer->endpoint, sizeof(answer->endpoint), TCP "%.400s:%s", address, port);
    if (found)
        freeaddrinfo(found);
}

/* The lock being held. */
static struct resolved *next_question(struct resolver *resolver)
{
    while (!resolver->closed && !resolver->first) {
        resolver->idle++;
        pthread_cond_wait(&resolver->changed, &resolver->lock);
        resolver->idle--;
    }
    struct resolved *question = resolver->closed ? NULL : (struct resolved *)resolver->first;
    if (question) {
        resolver->first = question->mail.next;
        if (!resolver->first)
            resolver->last = &resolver->first;
        resolver->waiting--;
    }
    return question;
}

static void destroy(struct resolver *resolver)
{
    pthread_cond_destroy(&resolver->changed);
    pthread_mutex_destroy(&resolver->lock);
    free(resolver);
}

static void run(void *arg)
{
    struct helper *helper = arg;
    struct resolver *resolver = helper->resolver;
    pthread_mutex_lock(&resolver->lock);
    for (struct resolved *question; (question = next_question(resolver));) {
        pthread_mutex_unlock(&resolver->lock);
        look_up(question);
        pthread_mutex_lock(&resolver->lock);
        if (resolver->closed)
            free(question);
        else
            mailbox_post(resolver->box, &question->mail);
    }
    bool last = --resolver->threads == 0;
    pthread_mutex_unlock(&resolver->lock);
    if (last)
        destroy(resolver);
    pthread_detach(pthread_self());
    free(helper);
}

/* ---- asking ---- */

/* The lock being held. */
static int add_thread(struct resolver *resolver)
{
    struct helper *helper = calloc(1, sizeof(*helper));
    if (!helper)
        return -ENOMEM;
    helper->resolver = resolver;
    int r = thread_start(&helper->thread, "resolver", run, helper);
    if (r < 0)
        free(helper);
    else
        resolver->threads++;
    return r;
}

int resolver_open(struct mailbox *box, int kind, struct resolver **ret, struct why *why)
{
    struct resolver *resolver = calloc(1, sizeof(*resolver));
    if (!resolver)
        return because(why, -ENOMEM, "out of memory");
    pthread_mutex_init(&resolver->lock, NULL);
    pthread_cond_init(&resolver->changed, NULL);
    resolver->box = box;
    resolver->kind = kind;
    resolver->last = &resolver->first;
    *ret = resolver;
    return 0;
}

int resolver_ask(struct resolver *resolver, const char *endpoint, unsigned nth, void *user, uint64_t number)
{
    struct resolved *question = calloc(1, sizeof(*question));
    if (!question)
        return -ENOMEM;
    question->mail.kind = resolver->kind;
    question->user = user;
    question->number = number;
    question->nth = nth;
    snprintf(question->endpoint, sizeof(question->endpoint), "%s", endpoint);
    pthread_mutex_lock(&resolver->lock);
    int r = resolver->waiting >= resolver->idle && resolver->threads < RESOLVER_THREADS ? add_thread(resolver) : 0;
    if (resolver->threads) {
        *resolver->last = &question->mail;
        resolver->last = &question->mail.next;
        resolver->waiting++;
        pthread_cond_signal(&resolver->changed);
        question = NULL;
        r = 0;
    }
    pthread_mutex_unlock(&resolver->lock);
    free(question);
    return r;
}

void resolver_close(struct resolver *resolver)
{
    if (!resolver)
        return;
    pthread_mutex_lock(&resolver->lock);
    resolver->closed = true;
    while (resolver->first) {
        struct mail *question = resolver->first;
        resolver->first = question->next;
        free(question);
    }
    pthread_cond_broadcast(&resolver->changed);
    bool nobody = !resolver->threads;
    pthread_mutex_unlock(&resolver->lock);
    if (nobody)
        destroy(resolver);
}
