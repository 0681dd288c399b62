/* retry.c: the command `retry`: runs those images of a complete job again whose failure may pass. */
#include "coordinator/commands.h"

#include "common/log.h"
#include "common/usage.h"
#include "coordinator/hint.h"
#include "coordinator/retries.h"
#include "coordinator/session.h"

#include <inttypes.h>

static int retry(struct session *session, const char *path, struct why *why)
{
    struct session_state state = { 0 };
    uint64_t images = 0;
    int r = session_reopen(session, path, why);
    if (r == 0)
        r = session_look(session, &state, why);
    if (r == 0 && !state.job.all_rows)
        r = hint_incomplete(session->db, path, why);
    if (r == 0)
        r = retries_count(session->db, &images, why);
    if (r == 0 && images)
        r = session_prepare_work(session, path, why);
    if (r == 0)
        r = retries_plan(session->db, (uint32_t)session->spec->batch, &images, why);
    if (r < 0)
        return usage_status(r, "retry", why);
    if (!images)
        log_info("%s: nothing to retry: no image of this job failed in a way that may pass", path);
    else
        log_info("%" PRIu64 " image%s failed in a way that may pass %s again; the other rows stay", images, images == 1 ? " that" : "s that",
                 images == 1 ? "runs" : "run");
    return images || !state.exported ? session_run(session) : session_nothing_to_do(session, &state);
}

int command_retry(int argc, char **argv)
{
    struct session session = SESSION_EMPTY;
    struct why why;
    int first;
    if (session_options(&session, argc, argv, &first, &why) < 0)
        return usage_error("retry", &why);
    if (session.options.help) {
        session_help("retry [OPTIONS] JOBDIR: runs those images of a complete job again whose failure may pass");
        return 0;
    }
    if (first + 1 != argc) {
        because(&why, 0, "retry: takes one job directory");
        return usage_error("retry", &why);
    }
    int status = retry(&session, argv[first], &why);
    session_done(&session);
    return status;
}
