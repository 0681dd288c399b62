/* The safetensors reader, fed what files can hold, and the writer. */
#include "common/cleanup.h"
#include "tests/test.h"
#include "worker/weights/safetensors_write.h"
#include "worker/weights/weights.h"

#include <math.h>

/* A file with this header and `size` bytes of data 0, 1, 2, ...; `claimed` is the header size it tells. */
static int open_claiming(const char *header, size_t size, uint64_t claimed, struct weights **ret, struct why *why)
{
    static uint8_t file[1 << 16];
    size_t length = strlen(header);
    for (int i = 0; i < 8; i++)
        file[i] = (uint8_t)(claimed >> 8 * i);
    memcpy(file + 8, header, length);
    for (size_t i = 0; i < size; i++)
        file[8 + length + i] = (uint8_t)i;
    /* exactly as large as it is, so that ASan sees a read past the end */
    uint8_t *exact = malloc(8 + length + size);
    memcpy(exact, file, 8 + length + size);
    int r = weights_from_memory("file", exact, 8 + length + size, ret, why);
    if (r < 0)
        free(exact);
    return r;
}

static void close_memory(struct weights *weights)
{
    void *bytes = (void *)weights->bytes;
    weights_close(weights);
    free(bytes);
}

static void refuse(const char *header, size_t size, const char *part)
{
    struct weights *weights;
    struct why why = { "" };
    CHECK_INT(open_claiming(header, size, strlen(header), &weights, &why), -EINVAL);
    CHECK_CONTAINS(why.text, part);
    CHECK_CONTAINS(why.text, "file: ");
}

TEST(tensors_are_found_by_name_with_type_shape_and_data)
{
    struct weights *weights;
    const char *header = "{\"b\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[8,32]},"
                         "\"a\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[0,8]},"
                         "\"none\":{\"dtype\":\"F32\",\"shape\":[0,5],\"data_offsets\":[32,32]},"
                         "\"__metadata__\":{\"format\":\"pt\"}}  ";
    CHECK_INT(open_claiming(header, 32, strlen(header), &weights, NULL), 0);
    CHECK_INT(weights->count, 3);
    const struct tensor *b = weights_find(weights, "b");
    CHECK(b && b->dtype == DTYPE_F32 && b->dims == 2 && b->shape[0] == 2 && b->shape[1] == 3 && b->count == 6);
    CHECK_INT(((const uint8_t *)b->data)[0], 8);
    CHECK(weights_find(weights, "a")->count == 1);
    CHECK(weights_find(weights, "none")->count == 0);
    CHECK(!weights_find(weights, "c"));
    close_memory(weights);
}

TEST(half_precision_becomes_f32_exactly)
{
    static const uint16_t f16[] = { 0x3c00, 0xc000, 0x7bff, 0x0001, 0x83ff, 0x0400, 0x8000, 0x7c00, 0xfc00, 0x7e00 };
    static const float as_f16[] = { 1, -2, 65504, 0x1p-24f, -0x1.ff8p-15f, 0x1p-14f, -0.0f, INFINITY, -INFINITY };
    static const uint16_t bf16[] = { 0x3f80, 0xc040, 0x0001, 0x7f80 };
    static const float as_bf16[] = { 1, -3, 0x1p-133f, INFINITY };
    struct tensor tensor = { .dtype = DTYPE_F16, .count = 10, .data = f16 };
    float out[10];
    tensor_to_f32(&tensor, out);
    CHECK(!memcmp(out, as_f16, sizeof(as_f16)));
    CHECK(isnan(out[9]));
    tensor = (struct tensor){ .dtype = DTYPE_BF16, .count = 4, .data = bf16 };
    tensor_to_f32(&tensor, out);
    CHECK(!memcmp(out, as_bf16, sizeof(as_bf16)));
}

TEST(a_header_longer_than_the_file_or_the_limit_is_refused)
{
    struct weights *weights;
    struct why why;
    const char *header = "{}";
    static const uint64_t claims[] = { 3, 1u << 30, UINT64_MAX, UINT64_MAX - 7, (uint64_t)INT64_MAX + 1 };
    for (size_t i = 0; i < ARRAY_SIZE(claims); i++) {
        CHECK_INT(open_claiming(header, 0, claims[i], &weights, &why), -EINVAL);
        CHECK_CONTAINS(why.text, "a header of");
    }
    CHECK_INT(open_claiming(header, 0, 2, &weights, &why), 0);
    CHECK_INT(weights->count, 0);
    close_memory(weights);
}

TEST(a_header_above_the_limit_is_refused_though_the_file_has_it)
{
    enum { SIZE = 9 << 20 };
    char *file = calloc(1, SIZE);
    struct weights *weights;
    struct why why;
    memset(file + 8, ' ', SIZE - 8);
    file[8] = '{';
    file[SIZE - 1] = '}';
    for (int i = 0; i < 4; i++)
        file[i] = (char)((SIZE - 8) >> 8 * i);
    CHECK_INT(weights_from_memory("big", file, SIZE, &weights, &why), -EINVAL);
    CHECK_CONTAINS(why.text, "big: a header of 9437176 bytes");
    free(file);
}

TEST(what_is_no_safetensors_file_is_refused)
{
    struct weights *weights;
    struct why why;
    CHECK_INT(weights_from_memory("file", "", 0, &weights, &why), -EINVAL);
    CHECK_INT(weights_from_memory("file", "\x02\0\0\0\0\0\0\0", 8, &weights, &why), -EINVAL);
    CHECK_INT(weights_from_memory("photo", "\xff\xd8\xff\xe0 a photo", 12, &weights, &why), -EINVAL);
    CHECK_CONTAINS(why.text, "photo: not a weights file");
    refuse("{\"a\":", 0, "not valid JSON");
    refuse("{\"a\":1} x", 0, "not valid JSON");
    refuse("{\"a\":3}", 0, "needs \"dtype\"");
    refuse("{\"a\":{}}", 0, "needs \"dtype\"");
}

#define ENTRY(dtype, shape, offsets) "{\"dtype\":" dtype ",\"shape\":" shape ",\"data_offsets\":" offsets "}"

TEST(duplicate_names_are_refused)
{
    refuse("{\"a\":" ENTRY("\"F32\"", "[1]", "[0,4]") ",\"a\":" ENTRY("\"F32\"", "[1]", "[4,8]") "}", 8, "duplicate");
}

TEST(wrong_types_are_refused)
{
    refuse("{\"a\":" ENTRY("\"I32\"", "[2]", "[0,8]") "}", 8, "type I32");
    refuse("{\"a\":" ENTRY("\"\"", "[1]", "[0,8]") "}", 8, "type ");
    refuse("{\"a\":" ENTRY("7", "[1]", "[0,8]") "}", 8, "needs \"dtype\"");
    refuse("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"more\":1}}", 4, "nothing else");
}

TEST(impossible_shapes_are_refused)
{
    refuse("{\"a\":" ENTRY("\"F32\"", "3", "[0,4]") "}", 4, "\"shape\"");
    refuse("{\"a\":" ENTRY("\"F32\"", "[-1]", "[0,4]") "}", 4, "\"shape\"");
    refuse("{\"a\":" ENTRY("\"F32\"", "[1.0]", "[0,4]") "}", 4, "\"shape\"");
    refuse("{\"a\":" ENTRY("\"F32\"", "[1,1,1,1,1,1,1,1,1]", "[0,4]") "}", 4, "at most 8");
    refuse("{\"a\":" ENTRY("\"F32\"", "[4294967296,4294967296]", "[0,0]") "}", 0, "\"shape\"");
    refuse("{\"a\":" ENTRY("\"F32\"", "[4611686018427387904]", "[0,0]") "}", 0, "do not fit");
    refuse("{\"a\":" ENTRY("\"F32\"", "[99999999999999999999]", "[0,0]") "}", 0, "not valid JSON");
    refuse("{\"a\":" ENTRY("\"F32\"", "[2]", "[0,4]") "}", 4, "4 bytes of data do not fit");
}

TEST(impossible_offsets_are_refused)
{
    refuse("{\"a\":" ENTRY("\"F32\"", "[1]", "[4,0]") "}", 4, "ascending");
    refuse("{\"a\":" ENTRY("\"F32\"", "[1]", "[-4,0]") "}", 4, "ascending");
    refuse("{\"a\":" ENTRY("\"F32\"", "[1]", "[0]") "}", 4, "pair");
    refuse("{\"a\":" ENTRY("\"F32\"", "[1]", "[0,4,8]") "}", 4, "pair");
    refuse("{\"a\":" ENTRY("\"F32\"", "[1]", "\"x\"") "}", 4, "pair");
    refuse("{\"a\":" ENTRY("\"F32\"", "[1]", "[9223372036854775803,9223372036854775807]") "}", 4, "there is a hole");
}

TEST(holes_overlaps_and_leftovers_are_refused)
{
    refuse("{\"a\":" ENTRY("\"F32\"", "[1]", "[4,8]") "}", 8, "there is a hole");
    refuse("{\"a\":" ENTRY("\"F32\"", "[2]", "[0,8]") ",\"b\":" ENTRY("\"F32\"", "[2]", "[4,12]") "}", 12, "tensors overlap");
    refuse("{\"a\":" ENTRY("\"F32\"", "[2]", "[0,8]") "}", 7, "is the file complete?");
    refuse("{\"a\":" ENTRY("\"F32\"", "[1]", "[0,4]") "}", 8, "4 bytes after the last tensor");
}

TEST(a_name_longer_than_the_limit_is_refused)
{
    char header[TENSOR_NAME_MAX + 200], name[TENSOR_NAME_MAX + 1];
    memset(name, 'n', TENSOR_NAME_MAX);
    name[TENSOR_NAME_MAX] = '\0';
    snprintf(header, sizeof(header), "{\"%s\":" ENTRY("\"F32\"", "[1]", "[0,4]") "}", name);
    refuse(header, 4, "longer than");
}

TEST(files_that_cannot_be_opened_are_named)
{
    struct weights *weights;
    struct why why;
    CHECK_INT(weights_open("nowhere.safetensors", &weights, &why), -ENOENT);
    CHECK_CONTAINS(why.text, "nowhere.safetensors: cannot open");
    CHECK_INT(weights_open(".", &weights, &why), -EINVAL);
    test_write_file("empty", "", 0);
    CHECK_INT(weights_open("empty", &weights, &why), -EINVAL);
    CHECK_CONTAINS(why.text, "empty: the file is empty");
}

TEST(what_is_written_is_read_back)
{
    static const float values[6] = { 1, -2.5f, 3e-30f, 0, 7, 8 };
    static const uint16_t halves[2] = { 0x3c00, 0x4000 };
    struct tensor tensors[] = {
        { .name = "z", .dtype = DTYPE_F16, .dims = 1, .shape = { 2 }, .data = halves },
        { .name = "layer.weight", .dtype = DTYPE_F32, .dims = 2, .shape = { 2, 3 }, .data = values },
    };
    struct why why = { "" };
    struct weights *weights;
    CHECK_INT(safetensors_write("made", tensors, 2, &why), 0);
    CHECK_INT(weights_open("made", &weights, &why), 0);
    CHECK_INT(weights->count, 2);
    const struct tensor *tensor = weights_find(weights, "layer.weight");
    CHECK(tensor && tensor->dims == 2 && tensor->shape[1] == 3 && !memcmp(tensor->data, values, sizeof(values)));
    CHECK(!memcmp(weights_find(weights, "z")->data, halves, sizeof(halves)));
    char hex[SHA256_HEX];
    CHECK_INT(sha256_file("made", hex, NULL), 0);
    CHECK_STR(weights->sha256, hex);
    weights_close(weights);
}

TEST(a_file_that_cannot_be_written_leaves_nothing)
{
    struct why why;
    struct tensor tensor = { .name = "bad \xff name", .dtype = DTYPE_F32, .dims = 1, .shape = { 1 }, .data = &(float){ 1 } };
    CHECK_INT(safetensors_write("made", &tensor, 1, &why), -EINVAL);
    tensor.name = "good";
    CHECK_INT(safetensors_write("nowhere/made", &tensor, 1, &why), -ENOENT);
    CHECK_CONTAINS(why.text, "nowhere/made: cannot write");
    CHECK_INT(test_shell(NULL, "mkdir folder"), 0);
    CHECK_INT(safetensors_write("folder", &tensor, 1, &why), -EISDIR);
    CHECK_INT(test_shell(NULL, "ls *tmp 2>/dev/null"), 2);
}
