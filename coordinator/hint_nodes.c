#include "coordinator/hint_nodes.h"

#include "common/program.h"
#include "coordinator/hint.h"

static bool keys_are_wanted(const struct coordinator *c)
{
    for (const struct node *node = c ? c->nodes : NULL; node; node = node->next)
        if (node->state == NODE_CALLING && node->wants_keys)
            return true;
    return false;
}

struct run_options hint_with_keys(const struct run_options *options, const struct coordinator *c)
{
    struct run_options ret = *options;
    if (keys_are_wanted(c)) {
        ret.trust.key = ret.trust.key ? ret.trust.key : "FILE";
        ret.trust.node_key = ret.trust.node_key ? ret.trust.node_key : "FILE";
    }
    return ret;
}

static void put(struct bytes *out, const char *option, const char *value)
{
    if (!value)
        return;
    bytes_append_text(out, option);
    hint_word(out, value);
}

int hint_check(const struct run_options *options, struct bytes *out)
{
    bytes_printf(out, "%s check", program_called());
    put(out, " --nodes", options->nodes);
    for (int i = 0; i < options->group.count; i++)
        put(out, " --group", options->group.text[i]);
    put(out, " --key", options->trust.key);
    put(out, " --node-key", options->trust.node_key);
    bytes_append_text(out, options->trust.insecure ? " --insecure" : "");
    return bytes_error(out);
}
