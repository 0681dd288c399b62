#include "common/program.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const char *file = "sleddog";
static char *called; /* NULL: found on the PATH */

void program_remember(const char *name, const char *argv0)
{
    struct bytes text;
    file = name;
    bytes_init(&text, 65536);
    if (argv0 && strchr(argv0, '/'))
        program_quote(&text, argv0);
    free(called);
    called = text.size ? bytes_take(&text) : NULL;
    bytes_done(&text);
}

const char *program_called(void)
{
    return called ? called : file;
}

void program_quote(struct bytes *out, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:,=+@%";
    bool quoted = !*word || word[strspn(word, plain)];
    bytes_append_text(out, quoted ? "'" : "");
    for (; *word; word++)
        if (*word == '\'')
            bytes_append_text(out, "'\\''");
        else
            bytes_append_char(out, *word);
    bytes_append_text(out, quoted ? "'" : "");
}
