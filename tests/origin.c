#include "tests/origin.h"

#include "common/bytes.h"
#include "common/cleanup.h"
#include "common/thread.h"
#include "tests/test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <strings.h>
#include <sys/socket.h>

#define CONNECTIONS_MAX 1024
#define REQUEST_MAX     (64u << 20)

struct connection {
    struct origin *origin;
    struct thread thread;
    int fd;
};

struct origin {
    origin_handler *handler;
    void *arg;
    int fd;
    char url[64];
    struct thread thread;
    pthread_mutex_t lock; /* held while a request is answered */
    int count;
    atomic_bool stopped;
    struct connection connections[CONNECTIONS_MAX];
    int connection_count;
};

void origin_send(int fd, const void *data, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = send(fd, (const char *)data + done, size - done, MSG_NOSIGNAL);
        if (n <= 0)
            return; /* who asked has gone away */
        done += (size_t)n;
    }
}

void origin_answer(int fd, int status, const char *headers, const void *body, size_t size)
{
    struct bytes head;
    bytes_init(&head, 1 << 20);
    bytes_printf(&head, "HTTP/1.1 %d Text\r\n%sContent-Length: %zu\r\n\r\n", status, headers, size);
    origin_send(fd, head.data, head.size);
    origin_send(fd, body, size);
    bytes_done(&head);
}

bool origin_header(const struct origin_request *request, const char *name, char *value, size_t size)
{
    size_t length = strlen(name);
    for (const char *line = request->headers; line && *line; line = strstr(line, "\r\n") ? strstr(line, "\r\n") + 2 : NULL)
        if (!strncasecmp(line, name, length) && line[length] == ':') {
            const char *text = line + length + 1 + strspn(line + length + 1, " ");
            snprintf(value, size, "%.*s", (int)strcspn(text, "\r\n"), text);
            return true;
        }
    return false;
}

/* The bytes of the head, and how many of the body follow. 0: not whole yet. */
static size_t head_size(const struct bytes *in, size_t *ret_body)
{
    const char *end = in->size ? strstr(in->data, "\r\n\r\n") : NULL;
    char length[32] = "0";
    if (!end)
        return 0;
    struct origin_request request = { .headers = strstr(in->data, "\r\n") + 2 };
    origin_header(&request, "Content-Length", length, sizeof(length));
    *ret_body = strtoul(length, NULL, 10);
    return (size_t)(end - in->data) + 4;
}

static bool receive(int fd, struct bytes *in)
{
    char chunk[16384];
    ssize_t n = recv(fd, chunk, sizeof(chunk), 0);
    return n > 0 && bytes_append(in, chunk, (size_t)n) == 0;
}

static void handle(struct connection *connection, char *text, size_t head, size_t body)
{
    struct origin *origin = connection->origin;
    char *target = strchr(text, ' '), *end = target ? strchr(target + 1, ' ') : NULL, *headers = strstr(text, "\r\n");
    if (!end || !headers || end > headers)
        return;
    *target++ = '\0';
    *end = '\0';
    text[head - 2] = '\0';
    struct origin_request request = { text, target, headers + 2, text + head, body, 0 };
    pthread_mutex_lock(&origin->lock);
    request.number = origin->count++;
    origin->handler(origin->arg, connection->fd, &request);
    pthread_mutex_unlock(&origin->lock);
}

static void serve(void *arg)
{
    struct connection *connection = arg;
    struct bytes in;
    size_t head, body = 0;
    bytes_init(&in, REQUEST_MAX);
    while (!atomic_load(&connection->origin->stopped)) {
        while (!(head = head_size(&in, &body)) || in.size < head + body)
            if (!receive(connection->fd, &in))
                goto end;
        CLEANUP(freep) char *text = malloc(head + body + 1);
        CHECK(text);
        memcpy(text, in.data, head + body);
        text[head + body] = '\0';
        memmove(in.data, in.data + head + body, in.size - head - body);
        in.size -= head + body;
        in.data[in.size] = '\0';
        handle(connection, text, head, body);
    }
end:
    bytes_done(&in);
    shutdown(connection->fd, SHUT_RDWR);
}

static void accept_all(void *arg)
{
    struct origin *origin = arg;
    for (int fd; (fd = accept4(origin->fd, NULL, NULL, SOCK_CLOEXEC)) >= 0;) {
        CHECK(origin->connection_count < CONNECTIONS_MAX);
        struct connection *connection = &origin->connections[origin->connection_count++];
        connection->origin = origin;
        connection->fd = fd;
        CHECK_INT(thread_start(&connection->thread, "connection", serve, connection), 0);
    }
}

struct origin *origin_start(origin_handler *handler, void *arg)
{
    struct origin *origin = calloc(1, sizeof(*origin));
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t size = sizeof(address);
    CHECK(origin);
    pthread_mutex_init(&origin->lock, NULL);
    origin->handler = handler;
    origin->arg = arg;
    origin->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(origin->fd >= 0);
    CHECK_INT(bind(origin->fd, (struct sockaddr *)&address, sizeof(address)), 0);
    CHECK_INT(listen(origin->fd, 256), 0);
    CHECK_INT(getsockname(origin->fd, (struct sockaddr *)&address, &size), 0);
    snprintf(origin->url, sizeof(origin->url), "http://127.0.0.1:%d", ntohs(address.sin_port));
    CHECK_INT(thread_start(&origin->thread, "origin", accept_all, origin), 0);
    return origin;
}

void origin_stop(struct origin *origin)
{
    atomic_store(&origin->stopped, true);
    shutdown(origin->fd, SHUT_RDWR);
    thread_join(&origin->thread);
    close(origin->fd);
    for (int i = 0; i < origin->connection_count; i++) {
        shutdown(origin->connections[i].fd, SHUT_RDWR);
        thread_join(&origin->connections[i].thread);
        close(origin->connections[i].fd);
    }
    pthread_mutex_destroy(&origin->lock);
    free(origin);
}

const char *origin_url(const struct origin *origin)
{
    return origin->url;
}

int origin_count(struct origin *origin)
{
    pthread_mutex_lock(&origin->lock);
    int count = origin->count;
    pthread_mutex_unlock(&origin->lock);
    return count;
}
