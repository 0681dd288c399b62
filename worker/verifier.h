/* verifier.h: verify() beside the loop of the daemon, once in its life, when somebody asks and nothing else is to be done.
 *
 * Threads:   everything but the verification itself belongs to the loop thread.
 * Ownership: embedded in struct worker; verifier_done() waits for its thread. */
#pragma once

#include "common/mailbox.h"
#include "common/thread.h"
#include "proto/messages.h"
#include "worker/verify.h"

struct verifier {
    struct mail mail; /* kind MAIL_VERIFIED: verifier_finish() is to be called */
    struct thread thread;
    const struct tuning *tuning;
    struct mailbox *box;
    bool started;
    enum verdict verdict;
    int result;
    struct verify_result found;
    struct why why;
};

/* Starts unless it has been started before. */
void verifier_start(struct verifier *verifier, const struct tuning *tuning, struct mailbox *box);
void verifier_finish(struct verifier *verifier);
void verifier_done(struct verifier *verifier);

/* One line about the verdict; "" when nothing is known. */
const char *verifier_text(const struct verifier *verifier);

/* Of the engine that was verified; "" as long as the verification may be at it. */
const char *verifier_fingerprint(const struct verifier *verifier);
