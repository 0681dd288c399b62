#include "common/redact.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static size_t scheme_size(const char *uri, size_t size)
{
    static const char *const schemes[] = { "http://", "https://" };
    for (int i = 0; i < 2; i++)
        if (size >= strlen(schemes[i]) && !strncasecmp(uri, schemes[i], strlen(schemes[i])))
            return strlen(schemes[i]);
    return 0;
}

static size_t span_until(const char *text, size_t size, const char *ends)
{
    size_t i = 0;
    while (i < size && !(text[i] && strchr(ends, text[i])))
        i++;
    return i;
}

size_t uri_scheme(const char *text)
{
    size_t size = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+.-");
    return strncmp(text + size, "://", 3) ? 0 : size;
}

int uri_redact(struct bytes *out, const char *uri, size_t size)
{
    size_t start = scheme_size(uri, size);
    if (!start)
        return bytes_append(out, uri, size);
    size_t host_end = start + span_until(uri + start, size - start, "/?#"), host = start;
    for (size_t i = start; i < host_end; i++)
        if (uri[i] == '@')
            host = i + 1;
    size_t end = host + span_until(uri + host, size - host, "?#");
    bytes_append(out, uri, start);
    bytes_append(out, uri + host, end - host);
    return end < size && uri[end] == '?' ? bytes_append_text(out, "?...") : bytes_error(out);
}

void uri_show(char *text, size_t room, const char *uri, size_t size, const char *otherwise)
{
    struct bytes shown;
    bytes_init(&shown, size + 16);
    bool known = uri_redact(&shown, uri, size) == 0 && shown.size;
    snprintf(text, room, "%s", known ? shown.data : otherwise);
    bytes_done(&shown);
}
