/* web_answer.c: what is answered to a request: what its path is, what its query wants, and chance. */
#include "tests/cluster/lib/web_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The value of "name=value" or "name" in a query; NULL when it is not there. */
static const char *parameter(const char *query, const char *name)
{
    size_t size = strlen(name);
    for (const char *at = query; at && *at; at = strchr(at, '&')) {
        at += *at == '&';
        if (!strncmp(at, name, size) && (at[size] == '=' || at[size] == '&' || !at[size]))
            return at[size] == '=' ? at + size + 1 : at + size;
    }
    return NULL;
}

static void follow_query(struct answer *answer, const char *query)
{
    const char *value;
    if ((value = parameter(query, "delay")))
        answer->delay_ms = atoi(value);
    if ((value = parameter(query, "status")))
        answer->status = atoi(value);
    if ((value = parameter(query, "cut"))) {
        answer->cuts = true;
        answer->cut = strtoull(value, NULL, 10);
    }
    if ((value = parameter(query, "length"))) {
        answer->lies = true;
        answer->length = strtoull(value, NULL, 10);
    }
    if ((value = parameter(query, "etag")))
        snprintf(answer->etag, sizeof(answer->etag), "%.*s", (int)strcspn(value, "&"), value);
    if ((value = parameter(query, "redirect")))
        snprintf(answer->location, sizeof(answer->location), "%s", value);
    answer->stalls |= parameter(query, "stall") != NULL;
    answer->silent |= parameter(query, "silent") != NULL;
    answer->resets |= parameter(query, "reset") != NULL;
    answer->infinite |= parameter(query, "infinite") != NULL;
    answer->chunked |= parameter(query, "chunked") != NULL;
    answer->unmarked |= parameter(query, "unmarked") != NULL;
}

/* One of the kinds of trouble, by chance. */
static void misbehave(struct web *web, struct answer *answer)
{
    const char *kinds = web->spec.kinds ? web->spec.kinds : "503";
    char kind[32];
    int count = 1;
    for (const char *at = kinds; (at = strchr(at, ',')); at++)
        count++;
    for (int skip = rand_r(&web->random) % count; skip; skip--)
        kinds = strchr(kinds, ',') + 1;
    snprintf(kind, sizeof(kind), "%.*s", (int)strcspn(kinds, ","), kinds);
    answer->resets = !strcmp(kind, "reset");
    answer->stalls = !strcmp(kind, "stall");
    answer->silent = !strcmp(kind, "silent");
    if (!strcmp(kind, "truncate")) {
        answer->cuts = true;
        answer->cut = 10;
    }
    if (atoi(kind))
        answer->status = atoi(kind);
    web->counts.bad++;
}

void web_decide(struct web *web, struct connection *c)
{
    char *path = strchr(c->request, ' '), *end = path ? strchr(path + 1, ' ') : NULL;
    c->answer = (struct answer){ .status = 200, .delay_ms = web->spec.delay_ms };
    web->counts.requests++;
    if (!end) {
        c->answer.status = 400;
        return;
    }
    *end = '\0';
    char *query = strchr(++path, '?');
    struct object *object = web_find(web, path, query ? (size_t)(query - path) : strlen(path));
    c->body = object ? object->data : NULL;
    c->body_size = object ? object->size : 0;
    if (object)
        object->requests++;
    else
        c->answer.status = 404;
    if (web->spec.wants && !strstr(path, web->spec.wants)) {
        c->answer.status = 403;
        return;
    }
    const char *times = query ? parameter(query + 1, "times") : NULL;
    if (query && (!times || (object && object->requests <= strtoull(times, NULL, 10))))
        follow_query(&c->answer, query + 1);
    else if (rand_r(&web->random) < web->spec.bad * RAND_MAX)
        misbehave(web, &c->answer);
}

void web_write_head(const struct web *web, struct connection *c)
{
    struct answer *answer = &c->answer;
    if (*answer->location)
        answer->status = 302;
    if (answer->status != 200)
        c->body_size = 0;
    size_t length = answer->lies ? answer->length : c->body_size;
    int size = snprintf(c->head, sizeof(c->head), "HTTP/1.1 %d -\r\n", answer->status);
    if (answer->infinite || answer->chunked)
        size += snprintf(c->head + size, sizeof(c->head) - (size_t)size, "Transfer-Encoding: chunked\r\n");
    else if (!answer->unmarked)
        size += snprintf(c->head + size, sizeof(c->head) - (size_t)size, "Content-Length: %zu\r\n", length);
    if (*answer->etag)
        size += snprintf(c->head + size, sizeof(c->head) - (size_t)size, "ETag: \"%s\"\r\n", answer->etag);
    if (*answer->location)
        size += snprintf(c->head + size, sizeof(c->head) - (size_t)size, "Location: %s\r\n", answer->location);
    size += snprintf(c->head + size, sizeof(c->head) - (size_t)size, "%s\r\n", web->spec.closes ? "Connection: close\r\n" : "");
    if (answer->infinite || answer->chunked)
        size += snprintf(c->head + size, sizeof(c->head) - (size_t)size, "%zx\r\n", c->body_size);
    c->head_size = (size_t)size;
    if (answer->stalls)
        c->body_size /= 2;
    if (answer->cuts && answer->cut < c->body_size)
        c->body_size = answer->cut;
    c->ends = web->spec.closes || answer->unmarked || answer->cuts || answer->lies;
    c->head_sent = c->body_sent = 0;
}
