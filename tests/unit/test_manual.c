/* The manual pages and --help are written by hand and from tables: they must name the same options. */
#include "common/bytes.h"
#include "common/cleanup.h"

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

/* ---- entries ---- */

/* What the tags of the entries between two headings name, as collect() does; `from` NULL: of the whole page. */
static void collect_entries(const char *page, const char *from, struct bytes *out)
{
    CLEANUP(bytes_done) struct bytes tags;
    const char *at = from ? strstr(page, from) : page, *end = from && at ? strstr(at + strlen(from), "\n.SH ") : NULL;
    CHECK(at);
    bytes_init(&tags, 1 << 20);
    while ((at = strstr(at, "\n.T")) && (!end || at < end)) {
        at = strchr(at + 1, '\n');
        size_t size = strcspn(at + 1, "\n");
        bytes_append(&tags, at, size + 1);
    }
    bytes_append_text(&tags, "\n");
    collect(tags.data, out);
}

static void help_of(const char *command, struct bytes *out)
{
    CLEANUP(freep) char *text = NULL;
    CHECK_INT(test_shell(&text, "%s/%s --help | grep '^  '", test_build(), command), 0);
    collect(text, out);
}

TEST(every_option_of_a_command_has_an_entry_in_the_manual)
{
    static const char *const commands[][2] = {
        { "coordinator", "run" }, { "coordinator", "resume" }, { "coordinator", "retry" }, { "coordinator", "status" }, { "coordinator", "report" },
        { "coordinator", "export" }, { "coordinator", "check" }, { "coordinator", "nodes" }, { "worker", "" }, { "worker", "classify" },
        { "worker", "info" }, { "worker", "weights" }, { "worker", "verify" }, { "worker", "calibrate" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        CLEANUP(bytes_done) struct bytes help, entries;
        char path[4096], command[64];
        snprintf(path, sizeof(path), "%s/docs/man/sleddog-%s.1", test_source(), commands[i][0]);
        snprintf(command, sizeof(command), "sleddog-%s %s", commands[i][0], commands[i][1]);
        CLEANUP(freep) char *page = test_read_file(path, NULL);
        bytes_init(&help, 1 << 20);
        bytes_init(&entries, 1 << 20);
        help_of(command, &help);
        collect_entries(page, NULL, &entries);
        every_word_is_in(help.data, entries.data, command);
    }
}

TEST(an_entry_under_the_heading_of_a_command_is_an_option_of_it)
{
    static const char *const headings[][2] = { { "run", "\n.SH OPTIONS OF RUN" }, { "report", "\n.SH OPTIONS OF REPORT" }, { "check", "\n.SH OPTIONS OF CHECK" },
                                               { "nodes", "\n.SH OPTIONS OF NODES" } };
    char path[4096], command[64];
    snprintf(path, sizeof(path), "%s/docs/man/sleddog-coordinator.1", test_source());
    CLEANUP(freep) char *page = test_read_file(path, NULL);
    for (size_t i = 0; i < ARRAY_SIZE(headings); i++) {
        CLEANUP(bytes_done) struct bytes help, entries;
        snprintf(command, sizeof(command), "sleddog-coordinator %s", headings[i][0]);
        bytes_init(&help, 1 << 20);
        bytes_init(&entries, 1 << 20);
        help_of(command, &help);
        bytes_append_text(&help, "--version "); /* of the program */
        collect_entries(page, headings[i][1], &entries);
        CHECK(entries.size > 3);
        every_word_is_in(entries.data, help.data, command);
    }
}

TEST(the_first_help_shows_what_report_can_do)
{
    CLEANUP(freep) char *text = NULL;
    CHECK_INT(test_shell(&text, "%s/sleddog-coordinator --help", test_build()), 0);
    CHECK_CONTAINS(text, "report JOBDIR [--classes | --json | --html FILE | --image URI]");
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
