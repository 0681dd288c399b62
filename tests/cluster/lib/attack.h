/* attack.h: peers that mean ill, each a process that goes on until it is stopped.
 *
 *     struct attack *attack = attack_start(ATTACK_SLOWLORIS, port);
 *     WAIT_FOR(attack_count(attack) > 1000);
 *     attack_stop(attack);
 *
 * They come from 127.0.0.2 to 127.0.0.9 in turn, but for those that say otherwise.
 *
 * Threads:   a test's only one. Ownership: attack_stop() frees. Errors: fail the test. */
#pragma once

#include <stddef.h>

enum attack_kind {
    ATTACK_SLOWLORIS,  /* thousands of connections that say half a greeting and wait; made again when they are closed */
    ATTACK_GARBAGE,    /* random bytes; connections that close at once; requests of HTTP */
    ATTACK_GIANT,      /* a greeting of CURVE, and then a command of 2^60 bytes, or of 17 MiB that comes by halves */
    ATTACK_HELLO,      /* a greeting of CURVE, and a made-up HELLO */
    ATTACK_REPLAY,     /* what attack_record() wrote down, from 127.0.0.1 */
    ATTACK_HALF_PLAIN, /* a greeting without keys, READY, and half a message of 16 MiB */
    ATTACK_FLOOD_PLAIN, /* messages of the protocol and nonsense, as fast as they go, and nothing is read */
    ATTACKS
};

struct attack;

struct attack *attack_start(enum attack_kind kind, int port);
void attack_stop(struct attack *attack); /* accepts NULL */
long attack_count(const struct attack *attack); /* connections so far; of ATTACK_FLOOD_PLAIN messages */
const char *attack_name(enum attack_kind kind);

/* Stands between a client and this port, for connections one by one, and writes down what the last one that said anything said to the server. Returns the port it
 * listens on. */
int attack_record(int port, const char *path);
