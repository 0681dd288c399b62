/* pickle.c: the stack machine. One small function an instruction, found in a table by its byte.
 *
 * On the stack a mark is the address of `mark_value`. GET instructions share values, they do not copy them; everything that
 * grows is bounded: stack, memo, the length of a text, and the arena, which all values come from. */
#include "worker/weights/pickle_torch.h"

#include "common/utf8.h"

#include <errno.h>
#include <string.h>

#define STACK_MAX 65536
#define MEMO_MAX  65536
#define TEXT_MAX  1024u         /* bytes */

struct machine {
    struct pickle *pickle;
    const uint8_t *begin, *at, *end;
    struct pickle_value **stack, **memo;
    size_t stack_room, memo_room; /* up to STACK_MAX and MEMO_MAX, as needed */
    size_t depth;
    bool stopped;
    struct why *why;
};

static struct pickle_value mark_value;

/* ---- the machine's hands ---------------------------------------------------------------------------------------------- */

static int broken(const struct machine *m, const char *what)
{
    return because(m->why, -EINVAL, "%s: its pickle is damaged at byte %zu: %s; download the file again", m->pickle->path,
                   (size_t)(m->at - m->begin), what);
}

/* Nothing is wrong with it, but no state_dict needs this: an optimizer's state, a history, notes ... */
static int beyond(const struct machine *m, const char *what)
{
    return because(m->why, -EINVAL, "%s: holds more than weights: %s (byte %zu of its pickle); " RESAVE, m->pickle->path, what,
                   (size_t)(m->at - m->begin));
}

static int no_memory(const struct machine *m)
{
    return because(m->why, -ENOMEM, "%s: its pickle takes more memory than there is, or than a state_dict needs (%u MB); " RESAVE,
                   m->pickle->path, PICKLE_MEMORY >> 20);
}

/* Room for `need` values in an array; those that are new are NULL. */
static int make_room(struct machine *m, struct pickle_value ***array, size_t *room, size_t need)
{
    size_t wanted = *room ? *room : 64;
    while (wanted < need)
        wanted *= 2;
    if (wanted == *room)
        return 0;
    struct pickle_value **larger = realloc(*array, wanted * sizeof(**array));
    if (!larger)
        return no_memory(m);
    memset(larger + *room, 0, (wanted - *room) * sizeof(*larger));
    *array = larger;
    *room = wanted;
    return 0;
}

static int push(struct machine *m, struct pickle_value *value)
{
    if (!value)
        return no_memory(m);
    if (m->depth == STACK_MAX)
        return beyond(m, "more than 65536 values in one list or dictionary");
    int r = make_room(m, &m->stack, &m->stack_room, m->depth + 1);
    if (r == 0)
        m->stack[m->depth++] = value;
    return r;
}

/* The value on top, which must not be a mark; NULL if there is none. */
static struct pickle_value *pop(struct machine *m)
{
    if (!m->depth || m->stack[m->depth - 1] == &mark_value)
        return NULL;
    return m->stack[--m->depth];
}

static struct pickle_value *top(const struct machine *m)
{
    return m->depth && m->stack[m->depth - 1] != &mark_value ? m->stack[m->depth - 1] : NULL;
}

/* Takes everything above the topmost mark off the stack, and the mark; the items stay readable until the next push. */
static int pop_mark(struct machine *m, struct pickle_value ***ret, size_t *ret_count)
{
    size_t at = m->depth;
    while (at && m->stack[at - 1] != &mark_value)
        at--;
    if (!at)
        return broken(m, "there is no mark");
    *ret = &m->stack[at];
    *ret_count = m->depth - at;
    m->depth = at - 1;
    return 0;
}

/* The next `count` bytes; NULL, with the reason told, when there are not so many. */
static const uint8_t *read_bytes(struct machine *m, size_t count)
{
    const uint8_t *bytes = m->at;
    if (count > (size_t)(m->end - m->at)) {
        because(m->why, -EINVAL, "%s: ends in the middle of its pickle; download the file again", m->pickle->path);
        return NULL;
    }
    m->at += count;
    return bytes;
}

static int read_number(struct machine *m, int size, uint64_t *ret)
{
    const uint8_t *bytes = read_bytes(m, (size_t)size);
    *ret = 0;
    for (int i = size - 1; i >= 0 && bytes; i--)
        *ret = *ret << 8 | bytes[i];
    return bytes ? 0 : -EINVAL;
}

/* ---- constants -------------------------------------------------------------------------------------------------------- */

static int push_kind(struct machine *m, enum pickle_kind kind, int64_t number)
{
    struct pickle_value *value = pickle_new(m->pickle, kind);
    if (value)
        value->number = number;
    return push(m, value);
}

static int op_none(struct machine *m) { return push_kind(m, PICKLE_NONE, 0); }
static int op_true(struct machine *m) { return push_kind(m, PICKLE_BOOL, 1); }
static int op_false(struct machine *m) { return push_kind(m, PICKLE_BOOL, 0); }
static int op_empty_tuple(struct machine *m) { return push_kind(m, PICKLE_TUPLE, 0); }
static int op_empty_list(struct machine *m) { return push_kind(m, PICKLE_LIST, 0); }
static int op_empty_dict(struct machine *m) { return push_kind(m, PICKLE_DICT, 0); }

static int push_int(struct machine *m, int size, bool is_signed)
{
    uint64_t number = 0;
    int r = size ? read_number(m, size, &number) : 0;
    if (r == 0 && is_signed && size && size < 8 && number >> (8 * size - 1))
        number |= UINT64_MAX << 8 * size;
    return r < 0 ? r : push_kind(m, PICKLE_INT, (int64_t)number);
}

static int op_int1(struct machine *m) { return push_int(m, 1, false); }
static int op_int2(struct machine *m) { return push_int(m, 2, false); }
static int op_int4(struct machine *m) { return push_int(m, 4, true); }

static int op_long1(struct machine *m)
{
    uint64_t size;
    int r = read_number(m, 1, &size);
    if (r == 0 && size > 8)
        r = beyond(m, "a number of more than 64 bits");
    return r < 0 ? r : push_int(m, (int)size, true);
}

static int op_float(struct machine *m)
{
    /* its value does not matter: no weight is a float of the pickle itself */
    return read_bytes(m, 8) ? push_kind(m, PICKLE_FLOAT, 0) : -EINVAL;
}

static int push_text(struct machine *m, int length_size)
{
    uint64_t size;
    int r = read_number(m, length_size, &size);
    if (r < 0)
        return r;
    const uint8_t *bytes = read_bytes(m, (size_t)size);
    if (!bytes)
        return -EINVAL;
    if (size >= TEXT_MAX)
        return beyond(m, "a text of more than 1023 bytes");
    if (memchr(bytes, '\0', (size_t)size))
        return beyond(m, "a text with NUL characters in it");
    if (!utf8_valid((const char *)bytes, (size_t)size))
        return broken(m, "a text is not UTF-8");
    char *text = arena_take(&m->pickle->arena, (size_t)size + 1);
    struct pickle_value *value = pickle_new(m->pickle, PICKLE_TEXT);
    if (!text || !value)
        return no_memory(m);
    memcpy(text, bytes, (size_t)size);
    value->text = text;
    return push(m, value);
}

static int op_unicode(struct machine *m) { return push_text(m, 4); }
static int op_short_string(struct machine *m) { return push_text(m, 1); }

/* ---- memo ------------------------------------------------------------------------------------------------------------- */

static int put(struct machine *m, int size)
{
    uint64_t i;
    int r = read_number(m, size, &i);
    if (r < 0)
        return r;
    if (!top(m))
        return broken(m, "nothing to remember");
    if (i >= MEMO_MAX)
        return beyond(m, "more than 65536 values that are referred to");
    r = make_room(m, &m->memo, &m->memo_room, i + 1);
    if (r == 0)
        m->memo[i] = top(m);
    return r;
}

static int get(struct machine *m, int size)
{
    uint64_t i;
    int r = read_number(m, size, &i);
    if (r < 0)
        return r;
    return i < m->memo_room && m->memo[i] ? push(m, m->memo[i]) : broken(m, "a value is recalled that was not remembered");
}

static int op_put1(struct machine *m) { return put(m, 1); }
static int op_put4(struct machine *m) { return put(m, 4); }
static int op_get1(struct machine *m) { return get(m, 1); }
static int op_get4(struct machine *m) { return get(m, 4); }

/* ---- containers ------------------------------------------------------------------------------------------------------- */

static int op_mark(struct machine *m)
{
    return push(m, &mark_value);
}

static int add_all(struct machine *m, struct pickle_value *to, struct pickle_value **items, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (pickle_add(m->pickle, to, NULL, items[i]) < 0)
            return no_memory(m);
    return 0;
}

static int push_tuple(struct machine *m, struct pickle_value **items, size_t count)
{
    struct pickle_value *tuple = pickle_new(m->pickle, PICKLE_TUPLE);
    int r = tuple ? add_all(m, tuple, items, count) : 0;
    return r < 0 ? r : push(m, tuple);
}

static int op_tuple(struct machine *m)
{
    struct pickle_value **items;
    size_t count;
    int r = pop_mark(m, &items, &count);
    return r < 0 ? r : push_tuple(m, items, count);
}

static int short_tuple(struct machine *m, size_t count)
{
    struct pickle_value *items[3];
    for (size_t i = count; i-- > 0;)
        if (!(items[i] = pop(m)))
            return broken(m, "the stack is empty");
    return push_tuple(m, items, count);
}

static int op_tuple1(struct machine *m) { return short_tuple(m, 1); }
static int op_tuple2(struct machine *m) { return short_tuple(m, 2); }
static int op_tuple3(struct machine *m) { return short_tuple(m, 3); }

static int append(struct machine *m, struct pickle_value **items, size_t count)
{
    struct pickle_value *list = top(m);
    return list && list->kind == PICKLE_LIST ? add_all(m, list, items, count) : broken(m, "something is appended to no list");
}

static int op_append(struct machine *m)
{
    struct pickle_value *item = pop(m);
    return item ? append(m, &item, 1) : broken(m, "the stack is empty");
}

static int op_appends(struct machine *m)
{
    struct pickle_value **items;
    size_t count;
    int r = pop_mark(m, &items, &count);
    return r < 0 ? r : append(m, items, count);
}

static int set_items(struct machine *m, struct pickle_value **items, size_t count)
{
    struct pickle_value *dict = top(m);
    if (!dict || dict->kind != PICKLE_DICT || count % 2)
        return broken(m, "an entry is set in no dictionary");
    for (size_t i = 0; i < count; i += 2)
        if (pickle_add(m->pickle, dict, items[i], items[i + 1]) < 0)
            return no_memory(m);
    return 0;
}

static int op_setitem(struct machine *m)
{
    struct pickle_value *items[2];
    items[1] = pop(m);
    items[0] = items[1] ? pop(m) : NULL;
    return items[0] ? set_items(m, items, 2) : broken(m, "the stack is empty");
}

static int op_setitems(struct machine *m)
{
    struct pickle_value **items;
    size_t count;
    int r = pop_mark(m, &items, &count);
    return r < 0 ? r : set_items(m, items, count);
}

/* ---- names and what is made of them ----------------------------------------------------------------------------------- */

static int read_line(struct machine *m, char line[TEXT_MAX])
{
    const uint8_t *end = memchr(m->at, '\n', (size_t)(m->end - m->at));
    size_t size = end ? (size_t)(end - m->at) : TEXT_MAX;
    if (size >= TEXT_MAX || memchr(m->at, '\0', size) || !utf8_valid((const char *)m->at, size))
        return broken(m, "a name is cut or is no name");
    memcpy(line, m->at, size);
    line[size] = '\0';
    m->at = end + 1;
    return 0;
}

static int op_global(struct machine *m)
{
    char module[TEXT_MAX], name[TEXT_MAX];
    struct pickle_value *value;
    int r = read_line(m, module);
    if (r == 0)
        r = read_line(m, name);
    if (r == 0)
        r = torch_global(m->pickle, module, name, &value, m->why);
    return r == -ENOMEM ? no_memory(m) : r < 0 ? r : push(m, value);
}

static int op_persistent(struct machine *m)
{
    struct pickle_value *id = pop(m), *value;
    if (!id)
        return broken(m, "the stack is empty");
    int r = torch_storage(m->pickle, id, &value, m->why);
    return r == -ENOMEM ? no_memory(m) : r < 0 ? r : push(m, value);
}

static int op_reduce(struct machine *m)
{
    struct pickle_value *arguments = pop(m), *callable = arguments ? pop(m) : NULL, *value;
    if (!callable)
        return broken(m, "the stack is empty");
    int r = torch_reduce(m->pickle, callable, arguments, &value, m->why);
    return r == -ENOMEM ? no_memory(m) : r < 0 ? r : push(m, value);
}

/* Attributes: of a state_dict its `_metadata`, of an old Parameter its flags. No weights in either. */
static int op_build(struct machine *m)
{
    const struct pickle_value *state = pop(m), *target = state ? top(m) : NULL;
    if (!target || (target->kind != PICKLE_DICT && target->kind != PICKLE_TENSOR))
        return broken(m, "attributes are set on something that has none");
    return 0;
}

static int op_protocol(struct machine *m)
{
    uint64_t protocol;
    int r = read_number(m, 1, &protocol);
    if (r == 0 && protocol > 2)
        r = because(m->why, -EINVAL, "%s: a pickle of protocol %d, PyTorch writes 2; re-save it with torch.save(model.state_dict(), "
                    "...) and no pickle_protocol", m->pickle->path, (int)protocol);
    return r;
}

static int op_stop(struct machine *m)
{
    m->stopped = true;
    return m->depth == 1 && top(m) ? 0 : broken(m, "it ends with more or less than one value");
}

typedef int instruction(struct machine *m);

static instruction *const instructions[256] = {
    [0x80] = op_protocol,      ['.'] = op_stop,
    ['N'] = op_none,           [0x88] = op_true,          [0x89] = op_false,
    ['K'] = op_int1,           ['M'] = op_int2,           ['J'] = op_int4,      [0x8a] = op_long1,
    ['G'] = op_float,          ['X'] = op_unicode,        ['U'] = op_short_string,
    ['q'] = op_put1,           ['r'] = op_put4,           ['h'] = op_get1,      ['j'] = op_get4,
    ['('] = op_mark,           [')'] = op_empty_tuple,    [']'] = op_empty_list, ['}'] = op_empty_dict,
    ['t'] = op_tuple,          [0x85] = op_tuple1,        [0x86] = op_tuple2,   [0x87] = op_tuple3,
    ['a'] = op_append,         ['e'] = op_appends,        ['s'] = op_setitem,   ['u'] = op_setitems,
    ['c'] = op_global,         ['Q'] = op_persistent,     ['R'] = op_reduce,    [0x81] = op_reduce,
    ['b'] = op_build,
};

static int run(struct machine *m)
{
    while (!m->stopped) {
        const uint8_t *code = read_bytes(m, 1);
        if (!code)
            return -EINVAL;
        if (!instructions[*code])
            return because(m->why, -EINVAL, "%s: its pickle has instruction 0x%02x at byte %zu, which weights do not need; refused, "
                           "nothing was run; " RESAVE, m->pickle->path, *code,
                           (size_t)(code - m->begin));
        int r = instructions[*code](m);
        if (r < 0)
            return r;
    }
    return 0;
}

int pickle_load(struct pickle *pickle, const uint8_t *bytes, size_t size, size_t *ret_used, struct pickle_value **ret,
                struct why *why)
{
    struct machine machine = { .pickle = pickle, .begin = bytes, .at = bytes, .end = bytes + size, .why = why };
    int r = run(&machine);
    if (r == 0) {
        *ret_used = (size_t)(machine.at - bytes);
        *ret = machine.stack[0];
    }
    free(machine.stack);
    free(machine.memo);
    return r;
}
