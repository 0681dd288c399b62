#include "worker/verifier.h"

#include "worker/task.h"

static void run(void *arg)
{
    struct verifier *verifier = arg;
    verifier->result = verify(verifier->tuning, NULL, &verifier->found, &verifier->why);
    mailbox_post(verifier->box, &verifier->mail);
}

void verifier_start(struct verifier *verifier, const struct tuning *tuning, struct mailbox *box)
{
    if (verifier->started)
        return;
    verifier->mail.kind = MAIL_VERIFIED;
    verifier->tuning = tuning;
    verifier->box = box;
    if (thread_start(&verifier->thread, "verify", run, verifier) < 0)
        return; /* asked again later */
    verifier->started = true;
    verifier->verdict = VERDICT_PENDING;
}

void verifier_finish(struct verifier *verifier)
{
    thread_join(&verifier->thread);
    verifier->verdict = verifier->result < 0 ? VERDICT_NONE : verifier->found.wrong ? VERDICT_WRONG : VERDICT_RIGHT;
}

void verifier_done(struct verifier *verifier)
{
    thread_join(&verifier->thread);
}

const char *verifier_text(const struct verifier *verifier)
{
    switch (verifier->verdict) {
    case VERDICT_RIGHT:
    case VERDICT_WRONG:
        return verifier->found.text;
    case VERDICT_NONE:
        return verifier->started ? verifier->why.text : "";
    case VERDICT_PENDING:
        break;
    }
    return "";
}

const char *verifier_fingerprint(const struct verifier *verifier)
{
    return verifier->verdict == VERDICT_PENDING ? "" : verifier->found.fingerprint;
}
