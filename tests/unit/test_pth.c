/* PyTorch's own files, both forms: what torch.save() wrote is found, what is hostile or damaged is refused in words. */
#include "common/cleanup.h"
#include "tests/test.h"
#include "worker/weights/weights.h"

#include <glob.h>
#include <unistd.h>

static void make_files(void)
{
    char *output;
    if (test_shell(NULL, "/usr/bin/python3 -c 'import torch, torchvision'"))
        test_skip("no python3-torch and python3-torchvision for /usr/bin/python3");
    if (test_shell(&output, "/usr/bin/python3 -W ignore %s/tests/golden/pth_files.py", test_source()))
        test_fail(__FILE__, __LINE__, "%s", output);
    free(output);
}

static struct weights *open_good(const char *path)
{
    struct weights *weights;
    struct why why;
    if (weights_open(path, &weights, &why) < 0)
        test_fail(__FILE__, __LINE__, "%s", why.text);
    return weights;
}

static void check_same(const char *path, const struct tensor *found, const struct tensor *expected)
{
    bool same = found && found->dtype == expected->dtype && found->dims == expected->dims && found->count == expected->count &&
                !memcmp(found->shape, expected->shape, (size_t)found->dims * sizeof(found->shape[0])) &&
                !memcmp(found->data, expected->data, found->count * dtype_size(found->dtype));
    if (!same)
        test_fail(__FILE__, __LINE__, "%s: tensor %s is %s", path, expected->name, found ? "different" : "missing");
}

static void check_good(const char *path)
{
    char other[128];
    snprintf(other, sizeof(other), "%.*s.safetensors", (int)(strlen(path) - 4), path);
    CLEANUP(weights_closep) struct weights *weights = open_good(path);
    CLEANUP(weights_closep) struct weights *expected = open_good(other);
    CHECK_INT(weights->count, expected->count);
    for (size_t i = 0; i < expected->count; i++)
        check_same(path, weights_find(weights, expected->tensors[i].name), &expected->tensors[i]);
    CHECK_STR(weights->format, strstr(path, "-zip") ? "pth (zip)" : "pth (legacy)");
}

TEST(what_torch_save_writes_is_read_in_both_forms)
{
    glob_t files;
    make_files();
    CHECK_INT(glob("good-*.pth", 0, NULL, &files), 0);
    CHECK_INT(files.gl_pathc, 17);
    for (size_t i = 0; i < files.gl_pathc; i++)
        check_good(files.gl_pathv[i]);
    globfree(&files);
}

static void check_bad(const char *name, const char *part)
{
    struct weights *weights;
    struct why why = { "" };
    char path[64];
    snprintf(path, sizeof(path), "bad-%s.pth", name);
    CHECK_INT(weights_open(path, &weights, &why), -EINVAL);
    CHECK_CONTAINS(why.text, path);
    CHECK_CONTAINS(why.text, part);
}

TEST(what_is_no_state_dict_is_refused_in_words)
{
    static const char resave[] = "refused, nothing was run; re-save the weights with torch.save(model.state_dict(), ...)";
    make_files();
    check_bad("evil", "wants to import posix.system; refused, nothing was run");
    check_bad("evil-legacy", "wants to import posix.system");
    CHECK(access("it-ran", F_OK) < 0);
    check_bad("whole", "holds a whole model, not only its weights: it wants to import torch.nn.modules.linear.Linear");
    check_bad("whole", resave);
    check_bad("whole-legacy", "wants to import torchvision.models.resnet.ResNet");
    check_bad("script", "holds a whole model, not only its weights: it wants to import __torch__");
    check_bad("arguments", "wants to import argparse.Namespace");
    check_bad("int", "wants to import torch.IntStorage");
    check_bad("turned", "tensor t is not contiguous");
    check_bad("repeated", "tensor t is not contiguous");
    check_bad("list", "holds a list, not a dictionary of tensors");
    check_bad("tensor", "holds a tensor, not a dictionary of tensors");
    check_bad("mixed", "entry epoch is a number, not a tensor");
    check_bad("number", "is called by a number");
    check_bad("protocol", "pickle of protocol 4");
    check_bad("protocol-legacy", "a pickle, but none that torch.save() wrote");
    check_bad("long-name", "holds more than weights: a text of more than 1023 bytes");
    check_bad("notes", "holds more than weights: a text of more than 1023 bytes");
    check_bad("notes", "re-save the weights with torch.save(model.state_dict(), ...)");
    check_bad("seed", "holds more than weights: a number of more than 64 bits");
    check_bad("history", "holds more than weights: more than 65536 values that are referred to");
    check_bad("view", "storage k is a view of another");
    check_bad("beyond", "tensor a needs numbers 7 to 8 of storage k, which has 6");
    check_bad("twice", "storage k is there twice");
    check_bad("counts", "storage k is described in two ways");
    check_bad("kinds", "storage k is described in two ways");
    check_bad("absent", "the numbers of tensor b (storage m) are missing");
    check_bad("tar", "a tar archive");
    check_bad("pickle", "a pickle, but none that torch.save() wrote");
    check_bad("compressed", "entry p/data.pkl is compressed");
    check_bad("order", "not little-endian");
    check_bad("missing", "entry p/data/0 is missing");
    check_bad("short", "another size than its tensors need");
    check_bad("overlap", "entries of the zip archive overlap");
    check_bad("no-pickle", "without p/data.pkl");
    check_bad("photo", "not one of PyTorch's");
}

/* Exactly as large as it is, so that ASan sees a read past the end. */
static int open_copy(const char *data, size_t size, struct weights **ret)
{
    struct why why = { "" };
    char *exact = malloc(size);
    memcpy(exact, data, size);
    int r = weights_from_memory("copy", exact, size, ret, &why);
    if (r == 0) {
        float *values = malloc(4096);
        for (size_t i = 0; i < (*ret)->count; i++)
            if ((*ret)->tensors[i].dtype != DTYPE_I64 && (*ret)->tensors[i].count <= 1024)
                tensor_to_f32(&(*ret)->tensors[i], values);
        free(values);
        weights_close(*ret);
    } else {
        CHECK_INT(r, -EINVAL);
        CHECK_CONTAINS(why.text, "copy: ");
    }
    free(exact);
    return r;
}

static void truncate_and_flip(const char *path)
{
    size_t size, accepted = 0;
    char *data = test_read_file(path, &size);
    struct weights *weights;
    CHECK_INT(open_copy(data, size, &weights), 0);
    for (size_t length = 1; length < size; length++)
        if (open_copy(data, length, &weights) == 0)
            test_fail(__FILE__, __LINE__, "%s: %zu of %zu bytes were taken for the whole", path, length, size);
    for (size_t at = 0; at < size; at++)
        for (int bits = 0; bits < 3; bits++) {
            static const char masks[] = { 1, (char)0x80, (char)0xff };
            data[at] ^= masks[bits];
            accepted += open_copy(data, size, &weights) == 0;
            data[at] ^= masks[bits];
        }
    printf("%s: %zu of %zu flips changed no structure\n", path, accepted, 3 * size);
    free(data);
}

TEST(truncated_and_damaged_files_are_refused_or_harmless)
{
    make_files();
    truncate_and_flip("good-parameters-zip.pth");
    truncate_and_flip("good-parameters-legacy.pth");
    truncate_and_flip("good-old-legacy.pth");
}

TEST(a_changed_number_does_not_pass_the_checksum)
{
    make_files();
    size_t size;
    char *data = test_read_file("good-plain-zip.pth", &size);
    struct weights *weights, *whole;
    struct why why;
    CHECK_INT(weights_from_memory("whole", data, size, &whole, NULL), 0);
    char *number = (char *)weights_find(whole, "0.weight")->data;
    weights_close(whole);
    *number ^= 1;
    CHECK_INT(weights_from_memory("changed", data, size, &weights, &why), -EINVAL);
    CHECK_CONTAINS(why.text, "does not have its checksum");
    free(data);
}
