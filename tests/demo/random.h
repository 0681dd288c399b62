/* random.h: the demo's own dice, the same on every machine for the same seed.
 *
 * SplitMix64 (G. Steele, D. Lea, C. Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014); normal
 * deviates by the polar method of Marsaglia and Bray (1964).
 *
 * Threads: a struct dice belongs to its caller. Nothing allocates, nothing fails. */
#pragma once

#include <stdint.h>

struct dice {
    uint64_t state;
};

/* Dice for the i-th of many independent things that share a seed. */
struct dice dice_for(uint64_t seed, uint64_t i);

uint64_t dice_next(struct dice *dice);
/* 0..n-1 */
int dice_below(struct dice *dice, int n);
/* Uniform in [low, high). */
double dice_between(struct dice *dice, double low, double high);
/* Mean 0, variance 1. */
double dice_normal(struct dice *dice);
