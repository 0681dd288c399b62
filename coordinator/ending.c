/* ending.c: a run that came to no end: how to go on. */
#include "common/program.h"
#include "coordinator/hint.h"
#include "coordinator/hint_nodes.h"
#include "coordinator/session.h"

#include <errno.h>

/* What did not work is not proposed where something else did before. */
static int say_resume(const struct session *session, const struct coordinator *c, const struct run_options *options, struct bytes *out)
{
    const char *kept = session->placement.kept;
    if (!kept || (c && c->introduced))
        return hint_command("resume", options, session->dir.path, out);
    bytes_printf(out, "%s resume%s", program_called(HINT_PROGRAM), kept);
    hint_word(out, session->dir.path);
    return bytes_error(out);
}

/* Too few workers: what each node of the list says. */
static void print_check(const struct run_options *options, int r)
{
    struct bytes command;
    bytes_init(&command, 65536);
    if (r == -ETIMEDOUT && options->nodes && hint_check(options, &command) == 0)
        fprintf(stderr, "what each node says: %s\n", command.data);
    bytes_done(&command);
}

void session_hint(const struct session *session, const struct coordinator *c, int r)
{
    const struct run_options options = hint_with_keys(&session->options, c);
    struct bytes command;
    bytes_init(&command, 65536);
    bool mended_elsewhere = r == -ENODEV || r == -ENOENT; /* weights, labels, sources: parts of the job itself */
    if (mended_elsewhere && c && !c->counts.done_images)
        fprintf(stderr, "nothing was classified; mend that, remove %s, and run again\n", session->dir.path);
    else if (r != -EBADMSG && say_resume(session, c, &options, &command) == 0)
        fprintf(stderr, "go on with: %s\n", command.data);
    bytes_done(&command);
    print_check(&options, r);
}
