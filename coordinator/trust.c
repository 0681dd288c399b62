#include "coordinator/trust.h"

#include "common/log.h"
#include "common/program.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

static int read_node_key(const char *given, char ret[KEY_TEXT], struct why *why)
{
    if (!key_is_valid(given) || access(given, F_OK) == 0)
        return key_read_public(given, ret, why);
    if (!key_is_public(given))
        return because(why, -EINVAL, "no public key: mistyped, or a secret one; give what a .pub file has, or its path. If it was a secret one, make a new pair: "
                       "everybody here can read command lines");
    memcpy(ret, given, KEY_TEXT);
    return 0;
}

int trust_open(const struct trust_options *options, struct trust *ret, struct why *why)
{
    int r = 0;
    *ret = (struct trust){ .keyed = options->key, .insecure = options->insecure };
    if (options->node_key && !options->key)
        return because(why, -EINVAL, "--node-key: needs --key FILE too, this coordinator's own secret key");
    if (options->key)
        r = curve_pair_read(options->key, &ret->pair, why);
    if (r == 0 && options->node_key)
        r = read_node_key(options->node_key, ret->node_key, why);
    return r < 0 ? because_in(why, r, *ret->pair.secret ? "--node-key" : "--key") : 0;
}

void trust_done(struct trust *trust)
{
    curve_pair_wipe(&trust->pair);
}

/* Names may begin like an address: 127.example.org is anywhere. */
static bool is_here(const char *name)
{
    bool loopback = !strncmp(name, "127.", 4) && name[strspn(name, "0123456789.")] == ':';
    return loopback || !strncasecmp(name, "localhost:", 10) || !strncmp(name, "[::1]:", 6);
}

int trust_node(const struct trust *trust, struct nodelist_node *node, struct why *why)
{
    const char *key = *node->key ? node->key : trust->node_key;
    bool has_key = *key || node->key_file;
    if (has_key && !trust->keyed)
        return because(why, -EINVAL, "%s: the node list has a key for it, and this coordinator has none: give --key FILE", node->name);
    if (node->key_file) {
        int r = key_read_public(node->key_file, node->key, why);
        return r < 0 ? because_in(why, r, "%s, its key= in line %d of the node list", node->name, node->line) : 0;
    }
    if (!has_key && trust->keyed && !trust->insecure)
        return because(why, -EINVAL, "%s: which key has it? add key= to its line of the node list, or give --node-key", node->name);
    if (!has_key && !trust->insecure && !is_here(node->name))
        return because(why, -EPERM, "%s: is beyond this machine, and there are no keys: anybody on the way could read and change what is said; give --key and --node-key "
                       "(%s keygen makes them), or --insecure if the network is trusted", node->name, program_called());
    if (!*node->key)
        memcpy(node->key, trust->node_key, KEY_TEXT);
    return 0;
}

static bool all_have_keys(const struct nodelist *nodes)
{
    for (int i = 0; i < nodes->count; i++)
        if (!*nodes->nodes[i].key)
            return false;
    return nodes->count;
}

int trust_nodes(const struct trust *trust, struct nodelist *nodes, struct why *why)
{
    int r = 0;
    for (int i = 0; i < nodes->count && r == 0; i++)
        r = trust_node(trust, &nodes->nodes[i], why);
    if (r == 0 && trust->insecure && all_have_keys(nodes))
        log_warning("--insecure: every node has a key, so all that is said is encrypted and it changes nothing; leave it out");
    return r;
}

int trust_connect(const struct trust *trust, void *context, const char *endpoint, const char *key, size_t largest, struct link **ret, struct why *why)
{
    struct link_options options = { .keys = *key ? &trust->pair : NULL, .server = key, .largest = largest };
    return link_connect_with(context, endpoint, &options, ret, why);
}
