/* resolver.c: put in front of libc (LD_PRELOAD), a name service that does not answer for names that begin with "slow-": half a minute passes, and then
 * there is no such name. */
#include <dlfcn.h>
#include <netdb.h>
#include <string.h>
#include <unistd.h>

typedef int lookup(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **ret);

__attribute__((visibility("default"))) int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **ret)
{
    lookup *real;
    void *symbol = dlsym(RTLD_NEXT, "getaddrinfo");
    memcpy(&real, &symbol, sizeof(symbol));
    if (!node || strncmp(node, "slow-", 5))
        return real(node, service, hints, ret);
    sleep(30);
    return EAI_AGAIN;
}
