#include "tests/vp8l.h"

#include "common/bytes.h"
#include "common/cleanup.h"
#include "tests/test.h"

struct writer {
    struct bytes out;
    uint64_t bits; /* not yet in `out`, the first lowest */
    int count;
};

static void put(struct writer *w, unsigned value, int count)
{
    w->bits |= (uint64_t)value << w->count;
    for (w->count += count; w->count >= 8; w->count -= 8, w->bits >>= 8)
        bytes_append_char(&w->out, (char)w->bits);
}

/* A prefix code of one symbol, which takes no bits. */
static void put_code(struct writer *w, unsigned symbol)
{
    put(w, 1, 2); /* simple, one symbol */
    put(w, 1, 1); /* of 8 bits */
    put(w, symbol, 8);
}

/* Green, red, blue, alpha, distance. */
static void put_group(struct writer *w, unsigned green)
{
    put_code(w, green);
    for (int i = 0; i < 4; i++)
        put_code(w, 20);
}

/* A prefix code of `symbols` symbols, the first 256 of which have 8 bits. */
static void put_full_code(struct writer *w, int symbols)
{
    static const unsigned lengths[] = { 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1 }; /* of 17 18 0 1 2 3 4 5 16 6 7 8: 0 and 8 take a bit each */
    put(w, 0, 1);
    put(w, ARRAY_SIZE(lengths) - 4, 4);
    for (size_t i = 0; i < ARRAY_SIZE(lengths); i++)
        put(w, lengths[i], 3);
    put(w, 0, 1); /* all symbols follow */
    for (int i = 0; i < symbols; i++)
        put(w, i < 256, 1);
}

/* A symbol of such a code: prefix codes begin with their highest bit. */
static void put_symbol(struct writer *w, unsigned symbol)
{
    for (int bit = 7; bit >= 0; bit--)
        put(w, symbol >> bit & 1, 1);
}

static void begin(struct writer *w, int width, int height)
{
    bytes_init(&w->out, 4 << 20);
    bytes_append(&w->out, "RIFF????WEBPVP8L????", 20);
    put(w, 0x2f, 8);
    put(w, (unsigned)width - 1, 14);
    put(w, (unsigned)height - 1, 14);
    put(w, 0, 4); /* no alpha, version 0 */
}

static void set_size(char *at, size_t size)
{
    for (int i = 0; i < 4; i++)
        at[i] = (char)(size >> 8 * i);
}

static uint8_t *finish(struct writer *w, size_t *ret_size)
{
    put(w, 0, 7);
    set_size(w->out.data + 16, w->out.size - 20);
    if (w->out.size % 2)
        bytes_append_char(&w->out, 0);
    set_size(w->out.data + 4, w->out.size - 8);
    *ret_size = w->out.size;
    CHECK_INT(bytes_error(&w->out), 0);
    return (uint8_t *)bytes_take(&w->out);
}

uint8_t *vp8l_flat(int width, int height, size_t *ret_size)
{
    struct writer w = { 0 };
    begin(&w, width, height);
    for (unsigned transform = 0; transform < 3; transform++) { /* predictor, cross-colour, subtract green */
        put(&w, 1 | transform << 1, 3);
        if (transform == 2)
            break;
        put(&w, 7, 3);     /* tiles of 512 x 512 */
        put(&w, 0, 1);     /* no colour cache */
        put_group(&w, 13); /* the slowest predictor */
    }
    put(&w, 0, 3); /* no more transforms, no colour cache, one group of codes */
    put_group(&w, 1);
    return finish(&w, ret_size);
}

uint8_t *vp8l_tables(int side, size_t *ret_size)
{
    struct writer w = { 0 };
    unsigned tiles = (unsigned)(side / 4) * (unsigned)(side / 4);
    begin(&w, side, side);
    put(&w, 0, 2); /* no transforms, no colour cache */
    put(&w, 1, 4); /* groups of codes by tiles of 4 x 4 */
    put(&w, 0, 1); /* no colour cache in the picture of their numbers, which are red and green */
    put_full_code(&w, 280);
    put_full_code(&w, 256);
    for (int i = 0; i < 3; i++)
        put_code(&w, 20);
    for (unsigned i = 0; i < tiles; i++) {
        put_symbol(&w, i & 255);
        put_symbol(&w, i >> 8);
    }
    for (unsigned i = 0; i < tiles; i++)
        put_group(&w, i & 255);
    return finish(&w, ret_size);
}
