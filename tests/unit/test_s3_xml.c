#include "common/s3/xml.h"

#include "common/bytes.h"
#include "tests/test.h"

static struct bytes seen;

static int note(void *arg, const char *path, const char *text, size_t size)
{
    (void)arg;
    return bytes_printf(&seen, "%s=%.*s\n", path, (int)size, text);
}

static int read_text(const char *text)
{
    bytes_done(&seen);
    bytes_init(&seen, 1 << 20);
    return xml_read(text, strlen(text), note, NULL);
}

TEST(elements_come_with_their_paths_and_unescaped_texts)
{
    CHECK_INT(read_text("<?xml version='1.0'?><a xmlns='http://s3.amazonaws.com/doc/2006-03-01/'><b>1 &amp; &apos;2&#39;</b><c/><x:d>"
                        "<![CDATA[<e>]]></x:d></a>"), 0);
    CHECK_STR(seen.data, "a/b=1 & '2'\na/c=\na/d=<e>\na=\n");
}

TEST(a_document_may_come_in_pieces_of_one_byte)
{
    static const char text[] = "<a><b>caf\xc3\xa9&#1;&lt;</b></a>";
    struct xml *xml;
    bytes_init(&seen, 1000);
    CHECK_INT(xml_new(note, NULL, &xml), 0);
    for (size_t i = 0; i < sizeof(text) - 1; i++)
        CHECK_INT(xml_feed(xml, text + i, 1), 0);
    CHECK_INT(xml_end(xml), 0);
    xml_free(xml);
    CHECK_STR(seen.data, "a/b=caf\xc3\xa9\xef\xbf\xbd<\na=\n");
}

TEST(what_is_not_well_formed_is_refused)
{
    static const char *const bad[] = { "", "x", "<a>", "<a></b>", "<a>&none;</a>", "<a>\xff</a>", "{\"json\": 1}",
                                       "<html><br></html>", "<a>&#x110000;</a>", "<a>&#;</a>", "<a>&#1</a>", "<a>&", "<a>&#0000000000000001;</a>" };
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        CHECK_INT(read_text(bad[i]), -EBADMSG);
}

TEST(control_characters_are_read_as_replacements)
{
    CHECK_INT(read_text("<a><b>1\x01\x1f</b><c>&#x1;&#31;&#x0;&#x00001F;</c><d>&#x0d;\t&#10;&#65;&amp;&#x41;</d></a>"), 0);
    CHECK_STR(seen.data, "a/b=1\xef\xbf\xbd\xef\xbf\xbd\na/c=\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\na/d=\r\t\nA&A\na=\n");
}

TEST(entities_cannot_blow_up)
{
    CHECK_INT(read_text("<!DOCTYPE a [<!ENTITY x 'xxxxxxxxxx'><!ENTITY y '&x;&x;&x;'>]><a>&y;</a>"), -EBADMSG);
    CHECK_INT(read_text("<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>"), -EBADMSG);
}

TEST(depth_names_and_texts_have_limits)
{
    struct bytes text;
    bytes_init(&text, 1 << 20);
    for (int i = 0; i < 17; i++)
        bytes_append_text(&text, "<a>");
    CHECK_INT(read_text(text.data), -EBADMSG);
    bytes_clear(&text);
    bytes_append_char(&text, '<');
    for (int i = 0; i < 129; i++)
        bytes_append_char(&text, 'n');
    bytes_append_text(&text, "/>");
    CHECK_INT(read_text(text.data), -EBADMSG);
    bytes_clear(&text);
    bytes_append_text(&text, "<a>");
    for (int i = 0; i < 20000; i++)
        bytes_append_char(&text, 't');
    bytes_append_text(&text, "</a>");
    CHECK_INT(read_text(text.data), -EBADMSG);
    bytes_done(&text);
}

static int refuse(void *arg, const char *path, const char *text, size_t size)
{
    (void)path, (void)text, (void)size;
    ++*(int *)arg;
    return -ERANGE;
}

TEST(an_error_of_the_callback_ends_the_reading)
{
    int calls = 0;
    struct xml *xml;
    CHECK_INT(xml_new(refuse, &calls, &xml), 0);
    CHECK_INT(xml_feed(xml, "<a><b/><c/></a>", 15), -ERANGE);
    CHECK_INT(xml_feed(xml, "<a>", 3), -ERANGE);
    CHECK_INT(xml_end(xml), -ERANGE);
    CHECK_INT(calls, 1);
    xml_free(xml);
}
