/* nodes_command.c: the command `nodes`: the nodes of a list as others need them, one a line: for scripts (deploy/ssh). */
#include "coordinator/commands.h"

#include "common/cleanup.h"
#include "common/log.h"
#include "common/options.h"
#include "common/usage.h"
#include "coordinator/nodelist.h"

#include <errno.h>
#include <string.h>

struct nodes_options {
    const char *nodes;
    struct texts group;
    bool hosts;
    bool help;
};

static const struct option_row rows[] = {
    { 'n', "nodes", OPTION_TEXT, offsetof(struct nodes_options, nodes), "FILE", "node list: one host[:port] a line", 0, 0, NULL },
    { 0, "group", OPTION_TEXTS, offsetof(struct nodes_options, group), "NAME", "only the nodes of this [group] of the list; may be given again", 0, 0, NULL },
    { 0, "hosts", OPTION_FLAG, offsetof(struct nodes_options, hosts), NULL, "hosts without ports and brackets, each once", 0, 0, NULL },
    { 'h', "help", OPTION_FLAG, offsetof(struct nodes_options, help), NULL, "print this help", 0, 0, NULL },
    { 0 },
};

/* "host:port" without its port and, around an IPv6 address, brackets. */
static void host_of(const char *name, const char **ret, int *ret_size)
{
    bool brackets = *name == '[';
    *ret = name + brackets;
    *ret_size = (int)(strrchr(name, ':') - name) - 2 * brackets;
}

static bool is_host_of_an_earlier(const struct nodelist *list, int i)
{
    const char *host, *earlier;
    int size, earlier_size;
    host_of(list->nodes[i].name, &host, &size);
    for (int k = 0; k < i; k++) {
        host_of(list->nodes[k].name, &earlier, &earlier_size);
        if (size == earlier_size && !strncasecmp(host, earlier, (size_t)size))
            return true;
    }
    return false;
}

static void print_host(const struct nodelist *list, int i)
{
    const char *host;
    int size;
    host_of(list->nodes[i].name, &host, &size);
    if (!is_host_of_an_earlier(list, i))
        printf("%.*s\n", size, host);
}

static int print_nodes(const struct nodes_options *options, struct why *why)
{
    struct nodelist list;
    int r = nodelist_read(options->nodes, &options->group, &list, why);
    if (r < 0)
        return r;
    for (int i = 0; i < list.count; i++)
        if (options->hosts)
            print_host(&list, i);
        else
            puts(list.nodes[i].name);
    nodelist_free(&list);
    return 0;
}

int command_nodes(int argc, char **argv)
{
    struct nodes_options options = { .nodes = NULL };
    struct why why = { "" };
    int first;
    int r = options_parse(rows, &options, argc, argv, &first, &why);
    if (r == 0 && options.help) {
        puts("sleddog-coordinator nodes --nodes FILE: the nodes of a list, one host:port a line, its ranges written out\n");
        options_print(rows, stdout);
        return 0;
    }
    if (r == 0 && (!options.nodes || first < argc))
        r = because(&why, -EINVAL, "nodes: needs --nodes FILE and nothing else");
    if (r < 0)
        return usage_error("nodes", &why);
    r = print_nodes(&options, &why);
    if (r < 0)
        log_error("%s", why.text);
    return r < 0;
}
