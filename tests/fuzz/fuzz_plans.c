/* A book of tuned plans from any bytes: read whole, within its limits, or refused and empty; what was read is written as it was. */
#include "worker/engines/cudnn_plans.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct book book = { .key = "Fake GPU, compute capability 9.0, 7 processors, fake 1" };
    char *text = calloc(1, size + 1);
    if (!text)
        return 0;
    memcpy(text, data, size);
    int r = book_parse(&book, text, size);
    assert(r == 0 || book.count == 0);
    assert(book.count <= BOOK_LINES_MAX);
    for (int i = 0; i < book.count; i++) {
        const struct book_line *line = &book.lines[i];
        assert(*line->shape && *line->plan && strlen(line->shape) < BOOK_TEXT_MAX && strlen(line->plan) < BOOK_TEXT_MAX);
        assert(!strpbrk(line->shape, "\n\r\t") && !strpbrk(line->plan, "\n\r\t"));
        assert(book_find(&book, line->shape) == line->plan);
    }
    book_done(&book);
    free(text);
    return 0;
}
