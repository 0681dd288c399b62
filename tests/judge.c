#include "tests/judge.h"

#include "common/cleanup.h"
#include "tests/test.h"

void judge_ask(struct judge *judge, int resize, int crop)
{
    *judge = (struct judge){ .resize = resize, .crop = crop, .list = fopen("judge-list", "w") };
    CHECK(judge->list);
}

void judge_add(struct judge *judge, const char *path)
{
    fprintf(judge->list, "%s\n", path);
}

void judge_run(struct judge *judge)
{
    CLEANUP(freep) char *output = NULL;
    CHECK_INT(fclose(judge->list), 0);
    int status = test_shell(&output, "/usr/bin/python3 %s/tests/golden/pixels.py %d %d judge-list judge-answers %s %s", test_source(),
                            judge->resize, judge->crop, judge->interpolation ? judge->interpolation : "bilinear",
                            judge->orient ? "orient" : "");
    if (status == 77 || status == 127)
        test_skip("no judge (python3-pil and python3-torchvision for /usr/bin/python3): %s", output);
    if (status)
        test_fail(__FILE__, __LINE__, "%s", output);
    judge->answers = test_read_file("judge-answers", &judge->size);
}

const uint8_t *judge_next(struct judge *judge)
{
    size_t bytes = 3 * (size_t)judge->crop * (size_t)judge->crop;
    CHECK(judge->at < judge->size);
    if (!judge->answers[judge->at++])
        return NULL;
    const uint8_t *pixels = (const uint8_t *)judge->answers + judge->at;
    judge->at += bytes;
    CHECK(judge->at <= judge->size);
    return pixels;
}
