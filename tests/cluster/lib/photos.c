#include "tests/cluster/lib/photos.h"

#include "common/cleanup.h"
#include "tests/jpegs.h"
#include "tests/random_weights.h"
#include "tests/test.h"

#include <limits.h>
#include <sys/stat.h>

void photo_draw(const char *path, int number)
{
    struct jpeg_recipe recipe = {
        .name = "photo",
        .width = 230 + 37 * (number % 7),
        .height = 260 + 29 * (number % 5),
        .colour = number % 6 == 5 ? JPEG_GREY : JPEG_COLOUR,
        .h = 1 + number % 2,
        .v = 1 + number / 2 % 2,
        .quality = 60 + number % 30,
        .progressive = number % 4 == 3,
    };
    size_t size;
    CLEANUP(freep) uint8_t *data = jpeg_draw(&recipe, &size);
    test_write_file(path, data, size);
}

void photos_draw(const char *folder, int count)
{
    char path[PATH_MAX];
    CHECK(mkdir(folder, 0777) == 0 || errno == EEXIST);
    for (int i = 0; i < count; i++) {
        snprintf(path, sizeof(path), "%s/%c", folder, 'a' + i % 2);
        CHECK(mkdir(path, 0777) == 0 || errno == EEXIST);
        snprintf(path, sizeof(path), "%s/%c/%03d.jpg", folder, 'a' + i % 2, i);
        photo_draw(path, i);
    }
}

void model_write(const char *path, int classes)
{
    struct why why;
    if (random_weights_write(path, network_find("resnet18"), classes, DTYPE_BF16, 7, &why) < 0)
        test_fail(__FILE__, __LINE__, "%s", why.text);
}
