/* sha256.c: SHA-256 for machines without OpenSSL's headers: what tests/gpu/run builds with in place of common/sha256.c.
 *
 * Source: FIPS 180-4. Its constants are the first 32 bits of the fractional parts of the square and cube roots of primes. */
#include "common/sha256.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct state {
    uint32_t hash[8], keys[64];
};

static uint32_t fraction(long double root)
{
    return (uint32_t)((root - floorl(root)) * 4294967296.0L);
}

static void begin(struct state *state)
{
    int count = 0;
    for (int n = 2; count < 64; n++) {
        int d = 2;
        while (d < n && n % d)
            d++;
        if (d < n)
            continue;
        if (count < 8)
            state->hash[count] = fraction(sqrtl(n));
        state->keys[count++] = fraction(cbrtl(n));
    }
}

static uint32_t turn(uint32_t x, int n)
{
    return x >> n | x << (32 - n);
}

static void add_block(struct state *state, const uint8_t block[64])
{
    uint32_t w[64], h[8];
    memcpy(h, state->hash, sizeof(h));
    for (int i = 0; i < 16; i++)
        w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 | (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
    for (int i = 16; i < 64; i++)
        w[i] = w[i - 16] + w[i - 7] + (turn(w[i - 15], 7) ^ turn(w[i - 15], 18) ^ w[i - 15] >> 3) +
               (turn(w[i - 2], 17) ^ turn(w[i - 2], 19) ^ w[i - 2] >> 10);
    for (int i = 0; i < 64; i++) {
        uint32_t first = h[7] + (turn(h[4], 6) ^ turn(h[4], 11) ^ turn(h[4], 25)) + ((h[4] & h[5]) ^ (~h[4] & h[6])) + state->keys[i] + w[i];
        uint32_t second = (turn(h[0], 2) ^ turn(h[0], 13) ^ turn(h[0], 22)) + ((h[0] & h[1]) ^ (h[0] & h[2]) ^ (h[1] & h[2]));
        memmove(h + 1, h, 7 * sizeof(h[0]));
        h[4] += first;
        h[0] = first + second;
    }
    for (int i = 0; i < 8; i++)
        state->hash[i] += h[i];
}

int sha256_memory(const void *data, size_t size, char hex[SHA256_HEX])
{
    struct state state;
    uint8_t block[64] = { 0 };
    size_t whole = size / 64 * 64, rest = size - whole;
    begin(&state);
    for (size_t at = 0; at < whole; at += 64)
        add_block(&state, (const uint8_t *)data + at);
    if (rest)
        memcpy(block, (const uint8_t *)data + whole, rest);
    block[rest] = 0x80;
    if (rest >= 56) {
        add_block(&state, block);
        memset(block, 0, sizeof(block));
    }
    for (int i = 0; i < 8; i++)
        block[56 + i] = (uint8_t)((uint64_t)size * 8 >> (56 - 8 * i));
    add_block(&state, block);
    for (int i = 0; i < 8; i++)
        snprintf(hex + 8 * (size_t)i, 9, "%08x", state.hash[i]);
    return 0;
}
