/* backbone: writes the demo's network, without a fitted fc. */
#include "tests/demo/backbone.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: backbone FILE.safetensors SEED\n");
        return 2;
    }
    struct why why = { "" };
    int r = backbone_write(argv[1], strtoull(argv[2], NULL, 10), &why);
    if (r < 0)
        fprintf(stderr, "backbone: %s\n", why.text[0] ? why.text : strerror(-r));
    return r < 0;
}
