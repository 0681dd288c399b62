/* trust.h: how a coordinator proves to nodes who it is, and knows who they are.
 *
 * With --key, each node needs a public key: its own in the node list (key=), else that of --node-key. Without, nodes of this machine are spoken to as they are, others
 * only with --insecure.
 *
 * Threads:   constant once open.
 * Ownership: trust_done() wipes the secret key.
 * Errors:    -EINVAL or -EPERM with a sentence that names the option, the file or the node. */
#pragma once

#include "common/options.h"
#include "coordinator/nodelist.h"
#include "proto/link.h"

struct trust_options {
    const char *key, *node_key;
    bool insecure;
};

#define TRUST_ROWS(type, member)                                                                                                              \
    { 0, "key", OPTION_TEXT, offsetof(type, member.key), "FILE", "this coordinator's secret key, made by keygen", 0, 0, NULL },                 \
    { 0, "node-key", OPTION_TEXT, offsetof(type, member.node_key), "FILE|KEY", "public key of the nodes that have no key= in the node list", 0, 0, NULL }, \
    { 0, "insecure", OPTION_FLAG, offsetof(type, member.insecure), NULL, "speak without keys to nodes beyond this machine", 0, 0, NULL }

struct trust {
    bool keyed, insecure;
    struct curve_pair pair;
    char node_key[KEY_TEXT]; /* "": none */
};

int trust_open(const struct trust_options *options, struct trust *ret, struct why *why);
void trust_done(struct trust *trust);

/* Makes the key of a node of the list the one that it must have, be it said elsewhere or in a file; "": nothing is encrypted. */
int trust_node(const struct trust *trust, struct nodelist_node *node, struct why *why);

/* All of them. Says so if --insecure is of no use. */
int trust_nodes(const struct trust *trust, struct nodelist *nodes, struct why *why);

/* A link to a node that must have this key, "" for none. `largest`: link_options'. */
int trust_connect(const struct trust *trust, void *context, const char *endpoint, const char *key, size_t largest, struct link **ret, struct why *why);
