/* The pickle machine, fed by hand: limits, nonsense, and what it must never do. */
#include "worker/weights/pickle.h"

#include "tests/test.h"

static int load(struct pickle *pickle, const void *bytes, size_t size, struct pickle_value **ret, struct why *why)
{
    size_t used;
    char *exact = malloc(size); /* so that ASan sees a read past the end */
    memcpy(exact, bytes, size);
    pickle_init(pickle, "file");
    int r = pickle_load(pickle, (uint8_t *)exact, size, &used, ret, why);
    free(exact);
    return r;
}

static void refuse_bytes(const void *bytes, size_t size, int code, const char *part)
{
    struct pickle pickle;
    struct pickle_value *value;
    struct why why = { "" };
    CHECK_INT(load(&pickle, bytes, size, &value, &why), code);
    CHECK_CONTAINS(why.text, "file: ");
    CHECK_CONTAINS(why.text, part);
    pickle_done(&pickle);
}

#define REFUSE(text, part) refuse_bytes(text, sizeof(text) - 1, -EINVAL, part)

static int64_t number(const void *bytes, size_t size)
{
    struct pickle pickle;
    struct pickle_value *value;
    CHECK_INT(load(&pickle, bytes, size, &value, NULL), 0);
    CHECK_INT(value->kind, PICKLE_INT);
    int64_t result = value->number;
    pickle_done(&pickle);
    return result;
}

#define NUMBER(text) number(text, sizeof(text) - 1)

TEST(numbers_of_every_length_are_read)
{
    CHECK_INT(NUMBER("K\xff."), 255);
    CHECK_INT(NUMBER("M\x34\x12."), 0x1234);
    CHECK_INT(NUMBER("J\xff\xff\xff\xff."), -1);
    CHECK_INT(NUMBER("J\xff\xff\xff\x7f."), INT32_MAX);
    CHECK_INT(NUMBER("\x8a\0."), 0);
    CHECK_INT(NUMBER("\x8a\x01\x7f."), 127);
    CHECK_INT(NUMBER("\x8a\x02\xff\0."), 255);
    CHECK_INT(NUMBER("\x8a\x01\xfe."), -2);
    CHECK_INT(NUMBER("\x8a\x05\0\0\0\0\x01."), 1ll << 32);
    CHECK_INT(NUMBER("\x8a\x08\0\0\0\0\0\0\0\x80."), INT64_MIN);
    REFUSE("\x8a\x09\0\0\0\0\0\0\0\0\x01.", "holds more than weights: a number of more than 64 bits");
}

TEST(dictionaries_keep_their_entries_and_order)
{
    static const char bytes[] = "}(X\1\0\0\0aK\1U\1bK\2uX\1\0\0\0c](K\3K\4es.";
    struct pickle pickle;
    struct pickle_value *value;
    CHECK_INT(load(&pickle, bytes, sizeof(bytes) - 1, &value, NULL), 0);
    CHECK_INT(value->count, 3);
    CHECK_STR(value->first->key->text, "a");
    CHECK_INT(pickle_find(value, "b")->number, 2);
    CHECK_INT(pickle_find(value, "c")->count, 2);
    CHECK(!pickle_find(value, "d"));
    pickle_done(&pickle);
}

TEST(names_that_are_not_on_the_list_are_refused)
{
    REFUSE("cos\nsystem\n(X\4\0\0\0lsls" "tR.", "wants to import os.system; refused, nothing was run");
    REFUSE("c__builtin__\neval\n.", "__builtin__.eval");
    REFUSE("ctorch\nFloatStorage2\n.", "torch.FloatStorage2");
    REFUSE("ccollections\nOrderedDict.system\n.", "collections.OrderedDict.system");
    REFUSE("ctorch", "a name is cut");
    REFUSE("c\xff\n\n.", "no name");
}

TEST(instructions_that_weights_do_not_need_are_refused)
{
    static const char codes[] = "iodI0BCVlLPFSgp\x82\x8c\x8d\x8e\x90\x92\x93\x94\x95\x96\x97\x98";
    for (size_t i = 0; i < sizeof(codes) - 1; i++) {
        char bytes[16] = { codes[i] };
        refuse_bytes(bytes, sizeof(bytes), -EINVAL, "which weights do not need");
    }
    REFUSE("\x80\x04.", "protocol 4");
}

TEST(nonsense_is_refused)
{
    REFUSE(".", "more or less than one value");
    REFUSE("NN.", "more or less than one value");
    REFUSE("(.", "more or less than one value");
    REFUSE("N", "ends in the middle");
    REFUSE("X\xff\xff\xff\xff", "ends in the middle");
    REFUSE("X\5\0\0\0abc", "ends in the middle");
    REFUSE("X\1\0\0\0\xff.", "not UTF-8");
    REFUSE("X\1\0\0\0\0.", "holds more than weights: a text with NUL");
    REFUSE("Nt.", "no mark");
    REFUSE("(\x85.", "stack is empty");
    REFUSE("N\x86.", "stack is empty");
    REFUSE("h\0.", "not remembered");
    REFUSE("q\0.", "nothing to remember");
    REFUSE("Nr\0\0\1\0.", "holds more than weights: more than 65536 values that are referred to");
    REFUSE("NNa.", "no list");
    REFUSE("NNNs.", "no dictionary");
    REFUSE("}(Nu.", "no dictionary");
    REFUSE("NNb.", "has none");
    REFUSE("NNR.", "an object in a form");
    REFUSE("ctorch\nFloatStorage\n)R.", "a storage in a form");
    REFUSE("ctorch._utils\n_rebuild_tensor_v2\n)R.", "a tensor in a form");
    REFUSE("ctorch.nn.parameter\nParameter\n)R.", "a parameter in a form");
    REFUSE("ctorch.nn.parameter\nParameter\nN\x85\x81.", "a parameter in a form");
    REFUSE("ccollections\nOrderedDict\n](Nae\x85R.", "no list");
    REFUSE("ccollections\nOrderedDict\n]Na\x85R.", "a dictionary in a form");
    REFUSE("(X\6\0\0\0moduleNNNNtQ.", "a storage in a form");
    REFUSE("NQ.", "a storage in a form");
}

#define STORAGE "(X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0kX\3\0\0\0cpuK\5tQ"

TEST(tensors_with_impossible_shapes_are_refused)
{
    REFUSE("ctorch._utils\n_rebuild_tensor\n(" STORAGE "J\xff\xff\xff\xff))tR.", "a tensor in a form");
    REFUSE("ctorch._utils\n_rebuild_tensor\n(" STORAGE "K\0K\1\x85)tR.", "a tensor in a form");
    REFUSE("ctorch._utils\n_rebuild_tensor\n(" STORAGE "K\0J\xff\xff\xff\xff\x85K\1\x85tR.", "the shape of a tensor");
    REFUSE("ctorch._utils\n_rebuild_tensor\n(" STORAGE "K\0(K\1K\1K\1K\1K\1K\1K\1K\1K\1t(K\1K\1K\1K\1K\1K\1K\1K\1K\1ttR.",
           "a tensor in a form");
}

static void refuse_many(const char *unit, size_t count, int code, const char *part)
{
    size_t length = strlen(unit);
    char *bytes = malloc(count * length);
    for (size_t i = 0; i < count; i++)
        memcpy(bytes + i * length, unit, length);
    refuse_bytes(bytes, count * length, code, part);
    free(bytes);
}

TEST(what_grows_has_a_limit)
{
    refuse_many("(", 70000, -EINVAL, "holds more than weights: more than 65536 values in one list");
    refuse_many("]", 70000, -EINVAL, "holds more than weights: more than 65536 values in one list");
    refuse_many("N\x85\x85\x85\x85\x85\x85\x85\x85\x85\x85\x85\x85\x85\x85\x85\x85\x85\x85\x85\x85", 60000, -ENOMEM, "takes more memory");
}

TEST(a_list_that_holds_itself_is_harmless)
{
    struct pickle pickle;
    struct pickle_value *value;
    CHECK_INT(load(&pickle, "]q\1h\1a.", 7, &value, NULL), 0);
    CHECK(value->first->value == value);
    pickle_done(&pickle);
}
