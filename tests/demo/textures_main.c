/* textures: draws the demo's photos. Training and test pictures come from different seeds, so none is in both. */
#include "common/cleanup.h"
#include "tests/demo/photo.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: textures FOLDER TRAIN TEST SEED\n"
                        "draws TRAIN and TEST pictures of every class into FOLDER/train and FOLDER/test\n");
        return 2;
    }
    struct why why = { "" };
    char folder[PATH_MAX];
    uint64_t seed = strtoull(argv[4], NULL, 10);
    snprintf(folder, sizeof(folder), "%s/train", argv[1]);
    int r = photo_write_all(folder, 2 * seed, atoi(argv[2]), &why);
    snprintf(folder, sizeof(folder), "%s/test", argv[1]);
    if (r >= 0)
        r = photo_write_all(folder, 2 * seed + 1, atoi(argv[3]), &why);
    if (r < 0)
        fprintf(stderr, "textures: %s\n", why.text[0] ? why.text : strerror(-r));
    return r < 0;
}
