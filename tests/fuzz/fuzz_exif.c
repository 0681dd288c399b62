/* fuzz_exif.c: any bytes are an EXIF block, and a JPEG that holds one; an orientation comes out. */
#include "worker/image/exif.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int block = exif_orientation(data, size), file = exif_orientation_of_jpeg(data, size);
    if (block < 1 || block > 8 || file < 1 || file > 8)
        abort();
    return 0;
}
