#include "common/s3/xml.h"

#include "common/bytes.h"
#include "common/cleanup.h"

#include <ctype.h>
#include <errno.h>
#include <expat.h>
#include <stdbool.h>
#include <string.h>

#define DEPTH_MAX 16
#define NAME_MAX_ 128
#define TEXT_MAX_ 16384
#define REFERENCE_MAX 12 /* "&#x0000001F;" */
#define REPLACEMENT   "\xef\xbf\xbd"

struct xml {
    XML_Parser parser;
    xml_on_end *on_end;
    void *arg;
    int error;
    int depth;
    size_t starts[DEPTH_MAX]; /* of each open element's name in `path` */
    char path[DEPTH_MAX * (NAME_MAX_ + 1)];
    size_t path_size;
    struct bytes text;        /* of the innermost element, since its last child */
    char reference[REFERENCE_MAX + 1]; /* "&#..." whose end is not there yet */
    size_t reference_size;
    char clean[4096];         /* what expat gets to see */
    size_t clean_size;
};

static void fail(struct xml *xml, int r)
{
    if (!xml->error)
        xml->error = r;
    XML_StopParser(xml->parser, XML_FALSE);
}

static void on_start(void *arg, const XML_Char *name, const XML_Char **attributes)
{
    struct xml *xml = arg;
    const char *colon = strrchr(name, ':'), *local = colon ? colon + 1 : name;
    size_t length = strlen(local);
    (void)attributes;
    if (xml->error)
        return;
    if (xml->depth == DEPTH_MAX || length > NAME_MAX_) {
        fail(xml, -EBADMSG);
        return;
    }
    xml->starts[xml->depth++] = xml->path_size;
    if (xml->path_size)
        xml->path[xml->path_size++] = '/';
    memcpy(xml->path + xml->path_size, local, length + 1);
    xml->path_size += length;
    bytes_clear(&xml->text);
}

static void on_text(void *arg, const XML_Char *text, int size)
{
    struct xml *xml = arg;
    int r = xml->error ? 0 : bytes_append(&xml->text, text, (size_t)size);
    if (r < 0)
        fail(xml, r == -EMSGSIZE ? -EBADMSG : r);
}

static void on_finish(void *arg, const XML_Char *name)
{
    struct xml *xml = arg;
    (void)name;
    if (xml->error)
        return;
    int r = xml->on_end(xml->arg, xml->path, xml->text.data ? xml->text.data : "", xml->text.size);
    if (r < 0) {
        fail(xml, r);
        return;
    }
    xml->path_size = xml->starts[--xml->depth];
    xml->path[xml->path_size] = '\0';
    bytes_clear(&xml->text);
}

static void on_doctype(void *arg, const XML_Char *name, const XML_Char *system, const XML_Char *public, int has_internal)
{
    (void)name, (void)system, (void)public, (void)has_internal;
    fail(arg, -EBADMSG);
}

int xml_new(xml_on_end *on_end, void *arg, struct xml **ret)
{
    CLEANUP(freep) struct xml *xml = calloc(1, sizeof(*xml));
    if (!xml)
        return -ENOMEM;
    xml->parser = XML_ParserCreate(NULL);
    if (!xml->parser)
        return -ENOMEM;
    xml->on_end = on_end;
    xml->arg = arg;
    bytes_init(&xml->text, TEXT_MAX_);
    XML_SetUserData(xml->parser, xml);
    XML_SetElementHandler(xml->parser, on_start, on_finish);
    XML_SetCharacterDataHandler(xml->parser, on_text);
    XML_SetStartDoctypeDeclHandler(xml->parser, on_doctype);
    *ret = take(xml);
    return 0;
}

void xml_free(struct xml *xml)
{
    if (!xml)
        return;
    XML_ParserFree(xml->parser);
    bytes_done(&xml->text);
    free(xml);
}

static int parse(struct xml *xml, const char *data, size_t size, bool last)
{
    if (!xml->error && XML_Parse(xml->parser, data, (int)size, last) != XML_STATUS_OK && !xml->error)
        xml->error = XML_GetErrorCode(xml->parser) == XML_ERROR_NO_MEMORY ? -ENOMEM : -EBADMSG;
    return xml->error;
}

/* ---- control characters ------------------------------------------------------------------------------------------------------ */

static bool is_forbidden(unsigned long c)
{
    return c < ' ' && c != '\t' && c != '\n' && c != '\r';
}

static void flush(struct xml *xml)
{
    parse(xml, xml->clean, xml->clean_size, false);
    xml->clean_size = 0;
}

static void put(struct xml *xml, const char *data, size_t size)
{
    while (size) {
        size_t room = sizeof(xml->clean) - xml->clean_size, n = size < room ? size : room;
        memcpy(xml->clean + xml->clean_size, data, n);
        xml->clean_size += n;
        data += n;
        size -= n;
        if (xml->clean_size == sizeof(xml->clean))
            flush(xml);
    }
}

/* "&#...;" is complete, or is none after all. */
static void put_reference(struct xml *xml)
{
    const char *text = xml->reference;
    size_t size = xml->reference_size;
    xml->reference[size] = '\0';
    bool is_reference = size > 3 && text[1] == '#' && text[size - 1] == ';', hex = is_reference && text[2] == 'x';
    char *end = xml->reference;
    unsigned long c = is_reference ? strtoul(text + (hex ? 3 : 2), &end, hex ? 16 : 10) : ' ';
    bool bad = is_reference && *end == ';' && is_forbidden(c);
    put(xml, bad ? REPLACEMENT : text, bad ? strlen(REPLACEMENT) : size);
    xml->reference_size = 0;
}

/* Whether the byte may go on with what begins with '&'. */
static bool continues(const struct xml *xml, char c)
{
    if (xml->reference_size == 1)
        return c == '#';
    return xml->reference_size < REFERENCE_MAX && (isxdigit((unsigned char)c) || c == 'x' || c == ';');
}

static void put_special(struct xml *xml, char c)
{
    if (xml->reference_size && !continues(xml, c))
        put_reference(xml);
    if (c == '&' || xml->reference_size) {
        xml->reference[xml->reference_size++] = c;
        if (c == ';')
            put_reference(xml);
    } else if (is_forbidden((unsigned char)c)) {
        put(xml, REPLACEMENT, strlen(REPLACEMENT));
    } else {
        put(xml, &c, 1);
    }
}

static size_t plain_run(const char *data, size_t size)
{
    size_t n = 0;
    while (n < size && data[n] != '&' && !is_forbidden((unsigned char)data[n]))
        n++;
    return n;
}

int xml_feed(struct xml *xml, const char *data, size_t size)
{
    for (size_t at = 0; at < size && !xml->error;) {
        size_t run = xml->reference_size ? 0 : plain_run(data + at, size - at);
        put(xml, data + at, run);
        at += run;
        if (at < size)
            put_special(xml, data[at++]);
    }
    flush(xml);
    return xml->error;
}

int xml_end(struct xml *xml)
{
    if (xml->reference_size)
        put_reference(xml);
    return parse(xml, xml->clean, xml->clean_size, true);
}

int xml_read(const char *data, size_t size, xml_on_end *on_end, void *arg)
{
    struct xml *xml;
    int r = xml_new(on_end, arg, &xml);
    if (r < 0)
        return r;
    r = xml_feed(xml, data, size);
    if (r == 0)
        r = xml_end(xml);
    xml_free(xml);
    return r;
}
