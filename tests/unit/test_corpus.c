/* test_corpus.c: every fuzz target has inputs in tests/corpus, and takes them all. */
#include "tests/test.h"

#include <glob.h>

/* NAME of fuzz_NAME.c */
static void replay(const char *name)
{
    char *output;
    int status = test_shell(&output, "%s/tests/fuzz/fuzz_%s %s/tests/corpus/%s/*", test_build(), name, test_source(), name);
    if (status)
        test_fail(__FILE__, __LINE__, "fuzz_%s: status %d: %s", name, status, output);
    CHECK_CONTAINS(output, " inputs");
    free(output);
}

TEST(every_fuzz_target_takes_its_corpus)
{
    char pattern[4096];
    glob_t found;
    snprintf(pattern, sizeof(pattern), "%s/tests/fuzz/fuzz_*.c", test_source());
    CHECK_INT(glob(pattern, 0, NULL, &found), 0);
    CHECK(found.gl_pathc >= 8);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        char name[64];
        CHECK_INT(sscanf(strrchr(found.gl_pathv[i], '/'), "/fuzz_%63[a-z0-9_]", name), 1);
        replay(name);
    }
    globfree(&found);
}
