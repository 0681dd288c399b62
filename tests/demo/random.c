#include "tests/demo/random.h"

#include <math.h>

uint64_t dice_next(struct dice *dice)
{
    uint64_t z = dice->state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

struct dice dice_for(uint64_t seed, uint64_t i)
{
    struct dice outer = { seed }, inner = { dice_next(&outer) ^ i };
    return (struct dice){ dice_next(&inner) };
}

int dice_below(struct dice *dice, int n)
{
    return (int)(((dice_next(dice) >> 32) * (uint64_t)n) >> 32);
}

double dice_between(struct dice *dice, double low, double high)
{
    return low + (high - low) * (double)(dice_next(dice) >> 11) * 0x1p-53;
}

double dice_normal(struct dice *dice)
{
    double x, y, square;
    do {
        x = dice_between(dice, -1, 1);
        y = dice_between(dice, -1, 1);
        square = x * x + y * y;
    } while (square >= 1 || square == 0);
    return x * sqrt(-2 * log(square) / square);
}
