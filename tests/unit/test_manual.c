/* The manual pages and --help are written by hand and from tables: they must name the same options. */
#include "common/bytes.h"

#include "tests/test.h"

#include <ctype.h>

/* Collects the distinct "--word"s of a text as " --word " sequence. Backslashes of troff are skipped. */
static void collect(const char *text, struct bytes *out)
{
    bytes_append_text(out, " ");
    for (const char *at = text; *at; at++) {
        char word[64] = " --", *to = word + 3;
        const char *c = at;
        for (int dashes = 0; dashes < 2; dashes++) {
            c += *c == '\\';
            if (*c++ != '-')
                goto next;
        }
        if (!islower((unsigned char)*c) || (at > text && (isalnum((unsigned char)at[-1]) || at[-1] == '-')))
            continue;
        while ((islower((unsigned char)*c) || *c == '-' || (*c == '\\' && c[1] == '-')) && to < word + 60) {
            if (*c != '\\')
                *to++ = *c;
            c++;
        }
        strcpy(to, " ");
        if (!strstr(out->data, word))
            bytes_append_text(out, word + 1);
    next:;
    }
}

static void every_word_is_in(const char *words, const char *all, const char *where)
{
    char *copy = strdup(words), *rest = copy;
    for (char *word = strsep(&rest, " "); word; word = strsep(&rest, " ")) {
        char spaced[80];
        snprintf(spaced, sizeof(spaced), " %s ", word);
        if (*word && !strstr(all, spaced))
            test_fail(__FILE__, __LINE__, "%s lacks %s", where, word);
    }
    free(copy);
}

static void compare(const char *program, const char *const *commands)
{
    struct bytes help, manual;
    bytes_init(&help, 1 << 20);
    bytes_init(&manual, 1 << 20);
    for (; *commands; commands++) {
        char *text;
        CHECK_INT(test_shell(&text, "%s/%s %s", test_build(), program, *commands), 0);
        collect(text, &help);
        free(text);
    }
    char path[4096];
    snprintf(path, sizeof(path), "%s/docs/man/%s.1", test_source(), program);
    char *page = test_read_file(path, NULL);
    collect(page, &manual);
    CHECK(help.size > 100);
    every_word_is_in(help.data, manual.data, "the manual page");
    every_word_is_in(manual.data, help.data, "--help");
    free(page);
    bytes_done(&help);
    bytes_done(&manual);
}

TEST(the_manual_of_the_coordinator_names_the_options_of_its_help)
{
    static const char *const commands[] = { "--help", "run --help", "resume --help", "retry --help", "status --help", "report --help", "export --help", "check --help", "nodes --help", NULL };
    compare("sleddog-coordinator", commands);
}

TEST(the_manual_of_the_worker_names_the_options_of_its_help)
{
    static const char *const commands[] = { "--help", "classify --help", "info --help", "weights --help", "verify --help", "calibrate --help", NULL };
    compare("sleddog-worker", commands);
}

TEST(a_manual_page_is_free_of_formatting_errors)
{
    if (test_shell(NULL, "command -v man >/dev/null"))
        test_skip("no man here");
    char *text;
    test_shell(&text, "for p in coordinator worker; do man --warnings -E UTF-8 -l %s/docs/man/sleddog-$p.1 >/dev/null; done", test_source());
    CHECK_STR(text, "");
    free(text);
}
