#include "common/hostport.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* Between brackets, perhaps with a zone behind it. NULL: nothing is wrong. */
static const char *check_ipv6(const char *host, size_t size)
{
    char address[HOST_MAX + 1];
    struct in6_addr binary;
    snprintf(address, sizeof(address), "%.*s", (int)strcspn(host + 1, "%]"), host + 1);
    for (size_t i = 0; i < size; i++)
        if (!isalnum((unsigned char)host[i]) && !strchr("[]:.%-", host[i]))
            return "not a host name";
    return inet_pton(AF_INET6, address, &binary) == 1 ? NULL : "not an IPv6 address";
}

/* As the name service takes them: parts of 1 to 63 letters, digits, '-' and '_' with dots between. Digits alone are an address. */
static const char *check_name(const char *host, size_t size)
{
    char address[HOST_MAX + 1];
    struct in_addr binary;
    size_t part = 0;
    for (size_t i = 0; i < size; i++) {
        if (!isalnum((unsigned char)host[i]) && !strchr("-._", host[i]))
            return "not a host name";
        if (host[i] == '.' && !part)
            return "not a host name: nothing before a dot";
        if (host[i] == '-' && (!part || i + 1 == size || host[i + 1] == '.'))
            return "not a host name: a '-' at an end";
        part = host[i] == '.' ? 0 : part + 1;
        if (part > 63)
            return "not a host name: more than 63 characters without a dot";
    }
    snprintf(address, sizeof(address), "%.*s", (int)size, host);
    return address[strspn(address, "0123456789.")] || inet_pton(AF_INET, address, &binary) == 1 ? NULL : "not an IPv4 address";
}

const char *hostport_check_host(const char *host, size_t size)
{
    if (!size || size > HOST_MAX)
        return "not a host name";
    return *host == '[' ? check_ipv6(host, size) : check_name(host, size);
}

int hostport_port(const char *text)
{
    int port = 0;
    for (const char *c = text; *c && port <= 65535; c++)
        port = isdigit((unsigned char)*c) ? port * 10 + (*c - '0') : 65536;
    return port <= 65535 ? port : 0;
}

const char *hostport_split(const char *text, const char **problem)
{
    const char *bracket = *text == '[' ? strchr(text, ']') : NULL, *colon = strchr(bracket ? bracket : text, ':');
    *problem = NULL;
    if (strstr(text, "://"))
        *problem = "only host[:port], without what stands before //";
    else if (*text == '[' && !bracket)
        *problem = "a '[' without ']'";
    else if (bracket && bracket[1] && bracket[1] != ':')
        *problem = "something between ']' and the port";
    else if (!bracket && colon && strchr(colon + 1, ':'))
        *problem = "an IPv6 address needs brackets: [::1]:5571";
    return colon ? colon : text + strlen(text);
}
