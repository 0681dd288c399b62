/* Documents that must keep up with the code. */
#include "proto/messages.h"

#include "tests/test.h"

static char *document(const char *name)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s", test_source(), name);
    return test_read_file(path, NULL);
}

TEST(the_protocol_page_describes_every_message)
{
    char *page = document("docs/protocol.md");
    for (int kind = 1; kind < MESSAGE_KINDS; kind++) {
        char row[64];
        snprintf(row, sizeof(row), "| `%s` |", message_name((enum message_kind)kind));
        CHECK_CONTAINS(page, row);
    }
    free(page);
}

TEST(the_protocol_page_draws_every_state_of_a_batch_and_of_a_node)
{
    char *page = document("docs/protocol.md"), *states;
    CHECK_INT(test_shell(&states, "cd %s && grep -hE '^enum (batch|node)_state \\{' coordinator/*.h | grep -oE '(BATCH|NODE)_[A-Z]+'", test_source()), 0);
    CHECK_CONTAINS(states, "BATCH_QUEUED\n");
    CHECK_CONTAINS(states, "NODE_CALLING\n");
    for (char *state = strtok(states, "\n"); state; state = strtok(NULL, "\n"))
        CHECK_CONTAINS(page, state);
    free(states);
    free(page);
}

TEST(the_architecture_page_names_every_folder_and_engine_room)
{
    char *page = document("docs/architecture.md"), *files;
    CHECK_INT(test_shell(&files, "cd %s && find common proto worker coordinator -name '*.h' -o -name '*.def' | "
                                 "sed 's/\\.[a-z]*$//; s|.*/||' | sort -u", test_source()), 0);
    for (char *name = strtok(files, "\n"); name; name = strtok(NULL, "\n"))
        if (!strstr(page, name))
            test_fail(__FILE__, __LINE__, "docs/architecture.md does not mention %s", name);
    free(files);
    free(page);
}

TEST(no_document_or_source_names_a_path_of_one_machine)
{
    char *found;
    test_shell(&found, "cd %s && grep -rnE '/(%s|%s)/' README.md Makefile common proto worker coordinator tests docs deploy || true", test_source(), "work", "farm");
    CHECK_STR(found, "");
    free(found);
}

TEST(every_link_between_documents_leads_somewhere_and_no_gap_was_left)
{
    char *found;
    test_shell(&found,
               "cd %s && for page in README.md docs/*.md; do grep -oE '\\]\\([^)#:]+\\)' $page | tr -d '])(' | while read -r link; do "
               "[ -e \"$(dirname $page)/$link\" ] || echo \"$page: $link\"; done; grep -nE '@[A-Z]+@' $page; done; true", test_source());
    CHECK_STR(found, "");
    free(found);
}

TEST(every_test_that_a_document_names_exists)
{
    char *found;
    test_shell(&found,
               "cd %s && grep -ohE '`test_[a-z0-9_]+/[A-Za-z0-9_]+`' README.md docs/*.md | tr -d '`' | sort -u | while IFS=/ read -r program name; do "
               "grep -qE \"^TEST(_WITHIN)?\\((.*, )?$name\\)\" tests/*/$program.c || echo \"$program/$name\"; done; true", test_source());
    CHECK_STR(found, "");
    free(found);
}

TEST(everything_that_can_fail_has_a_test)
{
    char *rows;
    CHECK_INT(test_shell(&rows, "awk '/^## /{ on = /What can fail/ } on && /^\\|/ && !/^\\| (what|\\*\\*)|^\\|--/' %s/docs/operating.md", test_source()), 0);
    int count = 0;
    for (char *row = strtok(rows, "\n"); row; row = strtok(NULL, "\n"), count++)
        CHECK_CONTAINS(row, "| `test_");
    CHECK(count > 20);
    free(rows);
}
