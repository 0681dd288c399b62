/* resume_help.c: what `resume --help` and `retry --help` print. */
#include "coordinator/session.h"

#include <string.h>

#define MAX_HELP 256

/* From the comma or semicolon in front of `mark` to its end. */
static void cut(char *text, const char *mark)
{
    char *end = strstr(text, mark), *begin = end;
    while (begin && begin > text && *begin != ',' && *begin != ';')
        begin--;
    if (begin)
        memmove(begin, end + strlen(mark), strlen(end + strlen(mark)) + 1);
}

void session_help(const char *title)
{
    printf("sleddog-coordinator %s\n\n"
           "What is not given is as the job ran last: nodes, keys, local workers, time limits, tuning; `run --help` says what it is where it never was given.\n"
           "With --nodes or --local, what was about nodes (keys, groups, --min-nodes) and flags are forgotten; time limits and tuning stay.\n\n", title);
    /* The tables say what an option is where a job begins: "60 by default". */
    for (const struct option_row *row = resume_rows(); row->name; row++) {
        char text[MAX_HELP];
        struct option_row one[2] = { *row, { 0 } };
        snprintf(text, sizeof(text), "%s", row->help);
        cut(text, " by default");
        cut(text, " if there is no --nodes");
        one[0].help = text;
        options_print(one, stdout);
    }
}
