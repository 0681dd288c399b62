#include "tests/trial.h"

#include "common/cleanup.h"
#include "tests/test.h"

void trial_new_spec(struct trial *trial, const struct preprocess_spec *spec)
{
    *trial = (struct trial){ .room = 20000, .crop = spec->crop };
    trial->answers = calloc((size_t)trial->room, sizeof(*trial->answers));
    CHECK_INT(preprocess_new(spec, &trial->p), 0);
    judge_ask(&trial->judge, spec->resize, spec->crop);
    trial->judge.interpolation = interpolation_name(spec->interpolation);
    trial->judge.orient = spec->exif_orient;
}

void trial_new(struct trial *trial, int resize, int crop)
{
    trial_new_spec(trial, &(struct preprocess_spec){ .resize = resize, .crop = crop });
}

void trial_add(struct trial *trial, const void *file, size_t size, const char *name, size_t at)
{
    struct why why = { "" };
    CHECK(trial->count < trial->room);
    struct answer *answer = &trial->answers[trial->count++];
    snprintf(answer->path, sizeof(answer->path), "%s-%zu-%d", name, at, trial->count);
    test_write_file(answer->path, file, size);
    judge_add(&trial->judge, answer->path);
    CLEANUP(freep) char *copy = malloc(size + !size); /* exactly as large, so that ASan sees a read past the end */
    memcpy(copy, file, size);
    answer->r = preprocess_decode(trial->p, copy, size, &why);
    snprintf(answer->why, sizeof(answer->why), "%.255s", why.text);
    if (answer->r < 0)
        return;
    answer->pixels = malloc(3 * (size_t)trial->crop * (size_t)trial->crop);
    preprocess_render(trial->p, answer->pixels);
}

static void compare(struct trial *trial, const struct answer *ours, const uint8_t *theirs)
{
    if (ours->pixels && !theirs)
        test_fail(__FILE__, __LINE__, "%s: Pillow refuses it, we do not", ours->path);
    if (!ours->pixels && theirs && !trial->lenient)
        test_fail(__FILE__, __LINE__, "%s: Pillow accepts it, we say: %s", ours->path, ours->why);
    trial->refused_more += !ours->pixels && theirs;
    if (ours->pixels && memcmp(ours->pixels, theirs, 3 * (size_t)trial->crop * (size_t)trial->crop))
        test_fail(__FILE__, __LINE__, "%s: Pillow has other pixels", ours->path);
    if (!ours->pixels)
        CHECK(strlen(ours->why) > 10);
}

void trial_end(struct trial *trial, int *ret_accepted)
{
    *ret_accepted = 0;
    judge_run(&trial->judge);
    for (int i = 0; i < trial->count; i++) {
        compare(trial, &trial->answers[i], judge_next(&trial->judge));
        *ret_accepted += trial->answers[i].pixels != NULL;
        free(trial->answers[i].pixels);
    }
    free(trial->answers);
    free(trial->judge.answers);
    preprocess_free(trial->p);
}
