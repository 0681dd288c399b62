#include "common/sha256.h"

#include "tests/test.h"

/* Known answers from FIPS 180-4's examples. */
TEST(memory_hashes_to_the_known_answers)
{
    char hex[SHA256_HEX];
    CHECK_INT(sha256_memory("abc", 3, hex), 0);
    CHECK_STR(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    CHECK_INT(sha256_memory("", 0, hex), 0);
    CHECK_STR(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(a_file_hashes_like_its_bytes)
{
    enum { SIZE = 200000 }; /* more than one read */
    char *bytes = calloc(1, SIZE), memory[SHA256_HEX], file[SHA256_HEX];
    memset(bytes, 'x', SIZE - 1);
    test_write_file("data", bytes, SIZE);
    CHECK_INT(sha256_memory(bytes, SIZE, memory), 0);
    CHECK_INT(sha256_file("data", file, NULL), 0);
    CHECK_STR(file, memory);
    free(bytes);
}

TEST(a_missing_file_is_named)
{
    char hex[SHA256_HEX];
    struct why why;
    CHECK_INT(sha256_file("nowhere", hex, &why), -ENOENT);
    CHECK_CONTAINS(why.text, "nowhere: cannot open");
    CHECK_INT(sha256_file(".", hex, &why), -EISDIR);
}

TEST(a_name_that_carries_another_hash_is_refused)
{
    static const char hex[] = "0676ba61b6795bbe1773cffd859882e5e297624d384b6993f7c9e683e722fb8a";
    struct why why = { "" };
    CHECK_INT(sha256_check_name("a-b/resnet50-0676ba61.pth", hex, &why), 0);
    CHECK_INT(sha256_check_name("resnet50-19c8e357.pth", hex, &why), -EINVAL);
    CHECK_CONTAINS(why.text, "resnet50-19c8e357.pth: its name says that its sha256 begins with 19c8e357, and it begins with 0676ba61");
    CHECK_INT(sha256_check_name("x-19c8e357.safetensors", hex, &why), -EINVAL);
    /* no claim */
    CHECK_INT(sha256_check_name("dogs-20260131.pth", hex, &why), 0);
    CHECK_INT(sha256_check_name("dogs-20261331.pth", hex, &why), -EINVAL);
    CHECK_INT(sha256_check_name("resnet50-19c8e357/model.pth", hex, &why), 0);
    CHECK_INT(sha256_check_name("resnet50-19c8e35g.pth", hex, &why), 0);
    CHECK_INT(sha256_check_name("resnet5019c8e357.pth", hex, &why), 0);
    CHECK_INT(sha256_check_name("resnet50-19c8e357", hex, &why), 0);
    CHECK_INT(sha256_check_name("", hex, &why), 0);
}
