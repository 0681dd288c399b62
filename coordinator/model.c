/* model.c: the job's model, lent to workers that do not find it otherwise: lender.h, for the loop. */
#include "common/cache.h"
#include "common/cleanup.h"
#include "coordinator/coordinator.h"
#include "coordinator/lender.h"
#include "coordinator/objectstore.h"

#include <limits.h>
#include <string.h>

/* The file on this machine: what is at an address was downloaded when the job was made, and may have left the cache since. */
static const char *locate(const struct coordinator *c, char path[PATH_MAX])
{
    const struct spec *spec = c->spec;
    if (!cache_is_url(spec->weights))
        return spec->weights;
    struct s3_options s3 = objectstore_options(spec, &c->plan->tuning->s3);
    return cache_find(c->plan->tuning->cache, spec->weights, spec->weights_sha256, &s3, path) == 0 ? path : "";
}

int model_lend(struct coordinator *c, struct why *why)
{
    char path[PATH_MAX];
    return lender_open(locate(c, path), c->spec->weights_sha256, &c->box, &c->lender, why);
}

void coordinator_on_want_model(struct coordinator *c, struct node *node, const struct message *message)
{
    struct message head = { .kind = MESSAGE_model_chunk, .from = c->incarnation, .to = message->from, .model_chunk.epoch = c->plan->epoch };
    struct why why;
    if (message->want_model.epoch != c->plan->epoch || node->state == NODE_REFUSED || node->state == NODE_GONE)
        return;
    if (lender_want(c->lender, &node->borrower, &head, &message->want_model, node, node->call, &why) < 0)
        node_refused(node, why.text);
}

void model_send(struct lent *lent)
{
    struct node *node = lent->user;
    if (!node->link || lent->call != node->call)
        lender_drop(lent); /* it introduces itself anew, and asks again */
    else {
        node->lent_bytes += lent->length;
        node->chatter.spent -= 1; /* that wish brought something on */
        lender_send(lent, node->link);
    }
}
