#include "worker/listen.h"

#include "common/cleanup.h"
#include "common/hostport.h"

#include <errno.h>
#include <string.h>

/* NULL: another scheme, or none. */
static const char *after(const char *listen, const char *scheme)
{
    size_t size = strlen(scheme);
    return strncmp(listen, scheme, size) ? NULL : listen + size;
}

/* Port 0, and '*' as ZeroMQ says it, is a free one. */
static bool is_port(const char *text)
{
    return !strcmp(text, "0") || !strcmp(text, "*") || hostport_port(text);
}

static const char *find_problem(const char *listen)
{
    const char *path = after(listen, "ipc://"), *address = after(listen, "tcp://"), *problem;
    if (path)
        return *path ? NULL : "no path";
    if (!address)
        address = listen;
    if (strstr(address, "://"))
        return "no way to connect that a worker has";
    const char *colon = hostport_split(address, &problem);
    if (!problem && !*colon)
        problem = "no port";
    if (!problem && colon == address)
        problem = "no address before the port";
    if (!problem && (colon - address != 1 || *address != '*'))
        problem = hostport_check_host(address, (size_t)(colon - address));
    if (!problem && !is_port(colon + 1))
        problem = "the port must be a number from 0 to 65535";
    return problem;
}

int listen_check(const char *listen, struct why *why)
{
    const char *problem = find_problem(listen);
    return problem ? because(why, -EINVAL, "--listen %s: %s; give ADDRESS:PORT, like 127.0.0.1:5571 or *:5571, or ipc://PATH", listen, problem) : 0;
}

bool listen_is_local(const char *listen)
{
    static const char *const beginnings[] = { "127.", "localhost:", "[::1]:" };
    const char *tcp = after(listen, "tcp://");
    bool local = after(listen, "ipc://");
    for (size_t i = 0; i < ARRAY_SIZE(beginnings); i++)
        local |= after(tcp ? tcp : listen, beginnings[i]) != NULL;
    return local;
}
