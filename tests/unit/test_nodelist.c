#include "coordinator/nodelist.h"

#include "tests/test.h"

#include <sys/stat.h>

static struct why why;

static int parse(const char *text, struct nodelist *ret)
{
    return nodelist_parse("nodes", text, strlen(text), ret, &why);
}

static void check_nodes(const char *text, const char *const *expected)
{
    struct nodelist list;
    int r = parse(text, &list);
    if (r < 0)
        test_fail(__FILE__, __LINE__, "%d %s", r, why.text);
    for (int i = 0; i < list.count; i++)
        CHECK_STR(list.nodes[i], expected[i]);
    CHECK(!expected[list.count]);
    nodelist_free(&list);
    CHECK(!list.nodes && !list.count);
}

static void check_refused(const char *text, const char *sentence)
{
    struct nodelist list;
    CHECK_INT(parse(text, &list), -EINVAL);
    CHECK_STR(why.text, sentence);
}

TEST(names_addresses_and_ports_are_read)
{
    check_nodes("gpu-1\ngpu_2.example.org:6000\n10.0.0.1\n[::1]\n[fe80::1%eth0]:1\nh:65535",
                (const char *const[]){ "gpu-1:5571", "gpu_2.example.org:6000", "10.0.0.1:5571", "[::1]:5571", "[fe80::1%eth0]:1", "h:65535", NULL });
}

TEST(comments_blanks_and_line_ends_of_every_kind_are_tolerated)
{
    check_nodes("# all\r\n\r\n  a  # first\r\n\tb:07 \r\n#\n", (const char *const[]){ "a:5571", "b:7", NULL });
}

TEST(a_bad_line_is_named_with_its_number)
{
    check_refused("a\n\nb c\n", "nodes, line 3: \"b c\": not a host name");
    check_refused("::1", "nodes, line 1: \"::1\": an IPv6 address needs brackets: [::1]:5571");
    check_refused("[::1", "nodes, line 1: \"[::1\": a '[' without ']'");
    check_refused("[::1]5571", "nodes, line 1: \"[::1]5571\": something between ']' and the port");
    check_refused("[::g/]", "nodes, line 1: \"[::g/]\": not a host name");
    check_refused(":5571", "nodes, line 1: \":5571\": not a host name");
    static const char *const ports[] = { "h:", "h:0", "h:65536", "h:x", "h:1x", "h:-1", "h: 1", "[::1]:", "h:99999999999999999999" };
    for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
        struct nodelist list;
        CHECK_INT(parse(ports[i], &list), -EINVAL);
        CHECK_CONTAINS(why.text, "the port must be a number from 1 to 65535");
    }
}

TEST(a_node_said_twice_is_refused)
{
    check_refused("a\nb\nA:5571\n", "nodes, line 3: A:5571 is there already; one line a node");
    check_nodes("a:1\na:2", (const char *const[]){ "a:1", "a:2", NULL });
}

TEST(a_list_without_nodes_is_refused)
{
    check_refused("", "nodes: names no node; one host[:port] a line");
    check_refused("# nothing\n", "nodes: names no node; one host[:port] a line");
}

TEST(a_nul_byte_is_no_letter_of_a_name)
{
    struct nodelist list;
    CHECK_INT(nodelist_parse("nodes", "a\0b\n", 4, &list, &why), -EINVAL);
    CHECK_CONTAINS(why.text, "not a host name");
    CHECK_INT(nodelist_parse("nodes", "\0", 1, &list, &why), -EINVAL);
}

TEST(names_and_lists_have_their_limits)
{
    struct nodelist list;
    char name[300];
    memset(name, 'x', sizeof(name));
    CHECK_INT(nodelist_parse("nodes", name, 255, &list, &why), 0);
    nodelist_free(&list);
    CHECK_INT(nodelist_parse("nodes", name, 256, &list, &why), -EINVAL);
    char *many = NULL;
    size_t size;
    FILE *out = open_memstream(&many, &size);
    for (int i = 0; i < MAX_NODES; i++)
        fprintf(out, "n%d\n", i);
    fflush(out);
    CHECK_INT(nodelist_parse("nodes", many, size, &list, &why), 0);
    CHECK_INT(list.count, MAX_NODES);
    nodelist_free(&list);
    fprintf(out, "last\n");
    fclose(out);
    CHECK_INT(nodelist_parse("nodes", many, size, &list, &why), -EINVAL);
    CHECK_STR(why.text, "nodes, line 4097: more than 4096 nodes");
    free(many);
}

TEST(a_file_is_read_and_what_is_none_is_told)
{
    struct nodelist list;
    test_write_file("nodes", "a\n", 2);
    CHECK_INT(nodelist_read("nodes", &list, &why), 0);
    CHECK_STR(list.nodes[0], "a:5571");
    nodelist_free(&list);
    CHECK_INT(nodelist_read("missing", &list, &why), -ENOENT);
    CHECK_CONTAINS(why.text, "missing: ");
    mkdir("folder", 0700);
    CHECK_INT(nodelist_read("folder", &list, &why), -EIO);
    CHECK_CONTAINS(why.text, "is it a folder?");
    CHECK_INT(nodelist_read("/dev/zero", &list, &why), -EMSGSIZE);
    CHECK_STR(why.text, "/dev/zero: too large for a node list");
}
