#include "worker/engines/cudnn_losses.h"

#include <stdio.h>
#include <stdlib.h>

#define LOSSES_MOST 1 /* after which a plan is tried once more */

/* False for a line that a book has no room for. */
static bool name_line(char line[BOOK_TEXT_MAX], const char *plan)
{
    return snprintf(line, BOOK_TEXT_MAX, "lost with %s", plan) < BOOK_TEXT_MAX;
}

static int count(const struct book *book, const char *line)
{
    const char *text = book_find(book, line);
    int losses = text ? atoi(text) : 0;
    return losses < 0 ? 0 : losses > LOSSES_MOST ? LOSSES_MOST + 1 : losses;
}

bool losses_forbid(const struct book *book, const char *plan)
{
    char line[BOOK_TEXT_MAX];
    return name_line(line, plan) && count(book, line) > LOSSES_MOST;
}

int losses_add(struct book *book, const char *plan)
{
    char line[BOOK_TEXT_MAX], text[16];
    if (!name_line(line, plan))
        return 0;
    snprintf(text, sizeof(text), "%d", count(book, line) + 1);
    return book_put(book, line, text);
}
