#include "worker/sim.h"

#include <stdlib.h>
#include <string.h>

bool sim_is(const struct span *uri)
{
    return uri->size > 4 && !memcmp(uri->data, "sim:", 4);
}

/* The finaliser of SplitMix64: Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators", 2014. */
static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
    return x ^ (x >> 31);
}

uint64_t sim_number(const struct span *uri)
{
    return strtoull(uri->data + 4, NULL, 10);
}

void sim_fill(uint64_t number, uint8_t *pixels, size_t size)
{
    uint64_t mixed = mix(number + 1);
    memset(pixels, 0, size);
    for (size_t i = 0; i < 8 && i < size; i++)
        pixels[i] = (uint8_t)(mixed >> (8 * i));
}

void sim_pixels(const struct span *uri, uint8_t *pixels, size_t size)
{
    sim_fill(sim_number(uri), pixels, size);
}
