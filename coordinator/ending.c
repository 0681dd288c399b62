/* ending.c: a run that came to no end: how to go on. */
#include "common/program.h"
#include "coordinator/hint.h"
#include "coordinator/hint_nodes.h"
#include "coordinator/session.h"

#include <errno.h>
#include <string.h>

/* A new job keeps what it was asked for, whether it works or not; no worker has taken a job that has no fingerprint. */
static bool nothing_worked(const struct coordinator *c)
{
    return c && !*c->fingerprint;
}

int session_resume_command(const struct session *session, const struct coordinator *c, struct bytes *out)
{
    const struct run_options options = hint_with_keys(&session->options, c);
    const char *kept = session->placement.kept;
    bool keys_are_wanted = options.trust.key != session->options.trust.key || options.trust.node_key != session->options.trust.node_key;
    if (!kept || (keys_are_wanted && !strstr(kept, " --key ")) || nothing_worked(c) || (c && c->introduced))
        return hint_command("resume", &options, session->dir.path, out);
    bytes_printf(out, "%s resume%s", program_called(), kept);
    hint_word(out, session->dir.path);
    return bytes_error(out);
}

/* Too few workers: what each node of the list says. */
static void print_check(const struct session *session, const struct coordinator *c, int r)
{
    const struct run_options options = hint_with_keys(&session->options, c);
    struct bytes command;
    bytes_init(&command, 65536);
    if (r == -ETIMEDOUT && options.nodes && hint_check(&options, &command) == 0)
        fprintf(stderr, "what each node says: %s\n", command.data);
    bytes_done(&command);
}

void session_hint(const struct session *session, const struct coordinator *c, int r)
{
    struct bytes command;
    bytes_init(&command, 65536);
    bool mended_elsewhere = r == -ENODEV || r == -ENOENT || (c && c->bad_list); /* weights, labels, sources: parts of the job itself */
    if (mended_elsewhere && c && !c->counts.done_batches)
        fprintf(stderr, "nothing was classified; mend that, remove %s, and run again\n", session->dir.path);
    else if (r != -EBADMSG && session_resume_command(session, c, &command) == 0)
        fprintf(stderr, "go on with: %s\n", command.data);
    bytes_done(&command);
    print_check(session, c, r);
}
