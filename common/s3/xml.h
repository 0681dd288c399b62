/* xml.h: answers in XML, element by element, as they arrive [expat].
 *
 * Nothing that a server sends can make it take much memory: elements are at most 16 deep, one element's text and the path have caps, and
 * document type declarations (with their entities) are refused.
 *
 * Control characters, raw or as "&#x1;", are no XML 1.0, and yet some stores write them where a key has one: each is read as U+FFFD.
 *
 * Threads:   a parser belongs to one thread at a time.
 * Ownership: xml_new() to xml_free(); path and text are valid during the call only.
 * Errors:    -EBADMSG for what is not well-formed or too large, -ENOMEM; what on_end() returns if it is negative. After an error every call returns it
 *            again. */
#pragma once

#include <stddef.h>

struct xml;

/* At the end of each element: its path from the root, "ListBucketResult/Contents/Key" (without namespaces), and its own text. */
typedef int xml_on_end(void *arg, const char *path, const char *text, size_t size);

int xml_new(xml_on_end *on_end, void *arg, struct xml **ret);
void xml_free(struct xml *xml); /* accepts NULL */
int xml_feed(struct xml *xml, const char *data, size_t size);
int xml_end(struct xml *xml); /* the whole document was there */

/* A document that is in memory already. */
int xml_read(const char *data, size_t size, xml_on_end *on_end, void *arg);
