#include "worker/engines.h"

#include "tests/test.h"

TEST(an_unknown_engine_is_named)
{
    const struct engine_ops *ops;
    struct why why;
    CHECK_INT(engines_find("tpu", &ops, &why), -ENOENT);
    CHECK_CONTAINS(why.text, "engine tpu: there is none of this name");
}

TEST(a_missing_plugin_is_named_with_the_folders_searched)
{
    const struct engine_ops *ops;
    struct why why;
    unsetenv("SLEDDOG_ENGINES");
    CHECK_INT(engines_find("cudnn", &ops, &why), -ENOENT);
    CHECK_CONTAINS(why.text, "engine cudnn: sleddog-engine-cudnn.so not found in ");
    CHECK_CONTAINS(why.text, "tests/unit or ");
    CHECK_CONTAINS(why.text, "nvcc");
}

TEST(auto_takes_onednn_where_there_is_no_gpu)
{
    const struct engine_ops *ops;
    char text[256];
    struct why why;
    setenv("SLEDDOG_ENGINES", test_build(), 1);
    if (engines_find("cudnn", &ops, NULL) == 0 && ops->probe(text, sizeof(text), NULL) == 0)
        test_skip("there is a GPU here");
    if (engines_find("auto", &ops, &why) < 0)
        test_fail(__FILE__, __LINE__, "%s", why.text);
    CHECK_STR(ops->name, "onednn");
    CHECK_INT(ops->probe(text, sizeof(text), &why), 0);
    CHECK_CONTAINS(text, "oneDNN 2.");
}

TEST(a_file_that_is_no_plugin_is_refused)
{
    const struct engine_ops *ops;
    struct why why;
    setenv("SLEDDOG_ENGINES", ".", 1);
    test_write_file("sleddog-engine-onednn.so", "text", 4);
    CHECK_INT(engines_find("onednn", &ops, &why), -ENOEXEC);
    CHECK_CONTAINS(why.text, "engine onednn: cannot load");
}

TEST(the_gpu_engine_loads_and_says_that_there_is_no_device)
{
    const struct engine_ops *ops;
    struct engine_spec spec = { .top = 1 };
    struct engines_opened opened;
    char text[256];
    struct why why;
    setenv("SLEDDOG_ENGINES", test_build(), 1);
    if (engines_find("cudnn", &ops, &why) == -ENOENT)
        test_skip("%s", why.text);
    if (engines_find("cudnn", &ops, &why) < 0)
        test_fail(__FILE__, __LINE__, "%s", why.text);
    if (ops->probe(text, sizeof(text), &why) == 0)
        test_skip("there is a GPU here: %s", text);
    CHECK_INT(ops->probe(text, sizeof(text), &why), -ENODEV);
    CHECK_CONTAINS(why.text, "engine cudnn: no usable GPU: ");
    CHECK_INT(engines_open("cudnn", &spec, &opened, &why), -EINVAL);
    CHECK_CONTAINS(why.text, "needs a network and weights");
}

TEST(a_worker_that_is_to_use_a_gpu_and_has_none_ends_at_once_with_status_1)
{
    char *output = NULL;
    int status = test_shell(&output, "env -u SLEDDOG_ENGINES timeout 20 %s/sleddog-worker --engine cudnn --listen 127.0.0.1:0", test_build());
    if (status == 124)
        test_skip("there is a GPU here");
    CHECK_INT(status, 1);
    CHECK_CONTAINS(output, "engine cudnn: ");
    free(output);
}

static void build_plugin(const char *name, const char *source)
{
    char path[64];
    snprintf(path, sizeof(path), "%s.c", name);
    test_write_file(path, source, strlen(source));
    if (test_shell(NULL, "cc -shared -fPIC -I%s -o sleddog-engine-%s.so %s", test_source(), name, path))
        test_fail(__FILE__, __LINE__, "cannot build a plugin");
}

TEST(a_plugin_of_another_version_or_kind_is_refused)
{
    const struct engine_ops *ops;
    struct why why;
    setenv("SLEDDOG_ENGINES", ".", 1);
    build_plugin("onednn", "#include \"worker/engine.h\"\n"
                           "static const struct engine_ops ops = { .abi = ENGINE_ABI + 1, .name = \"onednn\" };\n"
                           "const struct engine_ops *sleddog_engine(void) { return &ops; }\n");
    CHECK_INT(engines_find("onednn", &ops, &why), -ENOEXEC);
    CHECK_CONTAINS(why.text, "install program and plugin of the same version");
    build_plugin("cudnn", "int other;\n");
    CHECK_INT(engines_find("cudnn", &ops, &why), -ENOEXEC);
    CHECK_CONTAINS(why.text, "has no function sleddog_engine");
}
