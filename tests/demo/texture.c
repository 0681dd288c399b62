/* texture.c: a kind of pattern is a function of two coordinates in periods, across and along its lines, that says
 * which of the two colours a point has. Everything else is common: the place of a pixel in those coordinates, four points a pixel
 * for soft edges, and noise. */
#include "tests/demo/texture.h"

#include "common/cleanup.h"
#include "tests/demo/random.h"

#include <math.h>
#include <stdbool.h>

typedef bool pattern(const struct texture_style *style, double across, double along);

static double fraction(double x)
{
    return x - floor(x);
}

static bool stripes(const struct texture_style *style, double across, double along)
{
    (void)along;
    return fraction(across) < style->share;
}

static bool checks(const struct texture_style *style, double across, double along)
{
    (void)style;
    return (fraction(across) < 0.5) != (fraction(along) < 0.5);
}

static bool rings(const struct texture_style *style, double across, double along)
{
    along *= style->stretch;
    return fraction(sqrt(across * across + along * along)) < style->share;
}

/* Discs that cover half of `share` of the plane. */
static bool dots(const struct texture_style *style, double across, double along)
{
    double x = fraction(across) - 0.5, y = fraction(along) - 0.5;
    return (x * x + y * y) * M_PI < style->share * 0.5;
}

static bool waves(const struct texture_style *style, double across, double along)
{
    return fraction(across + 0.4 * sin(along * M_PI)) < style->share;
}

static bool grid(const struct texture_style *style, double across, double along)
{
    double line = style->share * 0.4;
    return fraction(across) < line || fraction(along) < line;
}

/* Twenty-four rays from the origin. */
static bool rays(const struct texture_style *style, double across, double along)
{
    return fraction(atan2(across, along) / M_PI * 12) < style->share;
}

/* A random level at a whole point of the plane, 0..1. */
static double lattice(const struct texture_style *style, double x, double y)
{
    struct dice dice = dice_for(style->noise_seed, (uint64_t)((int64_t)x * 65536 + (int64_t)y));
    return dice_between(&dice, 0, 1);
}

/* Value noise: random levels at the whole points, smoothly joined, cut at the middle. */
static bool noise(const struct texture_style *style, double across, double along)
{
    double u = across * 7, v = along * 7, x = floor(u), y = floor(v);
    double a = u - x, b = v - y;
    a *= a * (3 - 2 * a);
    b *= b * (3 - 2 * b);
    double low = lattice(style, x, y) * (1 - a) + lattice(style, x + 1, y) * a;
    double high = lattice(style, x, y + 1) * (1 - a) + lattice(style, x + 1, y + 1) * a;
    return low * (1 - b) + high * b < 0.5;
}

/* `turns` are the angles a class may have, as multiples of 45 degrees, each a bit; 0 for any angle. */
static const struct kind {
    const char *name;
    pattern *pattern;
    unsigned turns;
} kinds[] = {
    { "horizontal_stripes", stripes, 1 << 0 },
    { "vertical_stripes", stripes, 1 << 2 },
    { "diagonal_stripes", stripes, 1 << 1 | 1 << 3 },
    { "checks", checks, 0 },
    { "rings", rings, 0 },
    { "dots", dots, 0 },
    { "waves", waves, 0 },
    { "grid", grid, 0 },
    { "rays", rays, 0 },
    { "noise", noise, 0 },
};

const char *texture_class(int kind)
{
    return kind >= 0 && (size_t)kind < ARRAY_SIZE(kinds) ? kinds[kind].name : NULL;
}

double texture_luma(const uint8_t rgb[3])
{
    return 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2];
}

static double draw_angle(struct dice *dice, unsigned turns)
{
    if (!turns)
        return dice_between(dice, 0, 180);
    int turn;
    do
        turn = dice_below(dice, 4);
    while (!(turns >> turn & 1));
    return turn * 45 + dice_between(dice, -TEXTURE_TILT, TEXTURE_TILT);
}

static void draw_palette(struct dice *dice, struct texture_style *style)
{
    do
        for (int i = 0; i < 6; i++) {
            bool repeat = style->grey && i % 3;
            style->colour[i / 3][i % 3] = repeat ? style->colour[i / 3][0] : (uint8_t)dice_below(dice, 256);
        }
    while (fabs(texture_luma(style->colour[0]) - texture_luma(style->colour[1])) < TEXTURE_CONTRAST);
}

struct texture_style texture_style(uint64_t seed, int kind, int i)
{
    struct dice dice = dice_for(seed, (uint64_t)kind << 32 | (uint32_t)i);
    struct texture_style style = { .kind = kind };
    int side = 180 + dice_below(&dice, 160);
    int longer = (int)(side * dice_between(&dice, 1, 1.5));
    bool tall = dice_below(&dice, 2);
    style.width = tall ? side : longer;
    style.height = tall ? longer : side;
    style.angle = draw_angle(&dice, kinds[kind].turns);
    style.period = side / dice_between(&dice, 14, 22);
    style.stretch = dice_between(&dice, 0.9, 1.1);
    style.x = style.width * dice_between(&dice, 0.35, 0.65);
    style.y = style.height * dice_between(&dice, 0.35, 0.65);
    style.share = dice_between(&dice, 0.4, 0.6);
    style.grey = dice_below(&dice, 6) == 0;
    draw_palette(&dice, &style);
    style.noise = dice_between(&dice, 0, 10);
    style.noise_seed = dice_next(&dice);
    style.quality = 60 + dice_below(&dice, 38);
    style.subsampling = 1 << dice_below(&dice, 3);
    return style;
}

/* Share of the first colour in a pixel, of four points. */
static double coverage(const struct texture_style *style, double x, double y, double cosine, double sine)
{
    int inside = 0;
    for (int point = 0; point < 4; point++) {
        double dx = x - style->x + (point & 1 ? 0.75 : 0.25), dy = y - style->y + (point & 2 ? 0.75 : 0.25);
        double across = (dy * cosine - dx * sine) / style->period;
        double along = (dx * cosine + dy * sine) / (style->period * style->stretch);
        inside += kinds[style->kind].pattern(style, across, along);
    }
    return inside / 4.0;
}

static uint8_t level(double value)
{
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value + 0.5);
}

static void mix(const struct texture_style *style, double share, struct dice *dice, uint8_t *rgb)
{
    for (int c = 0; c < 3; c++) {
        double value = share * style->colour[0][c] + (1 - share) * style->colour[1][c];
        rgb[c] = style->grey && c ? rgb[0] : level(value + style->noise * dice_normal(dice));
    }
}

void texture_render(const struct texture_style *style, uint8_t *pixels)
{
    struct dice dice = { style->noise_seed };
    double cosine = cos(style->angle * M_PI / 180), sine = sin(style->angle * M_PI / 180);
    for (int y = 0; y < style->height; y++)
        for (int x = 0; x < style->width; x++, pixels += 3)
            mix(style, coverage(style, x, y, cosine, sine), &dice, pixels);
}
