#include "coordinator/nodelist.h"

#include "tests/test.h"

#include <sys/stat.h>

static struct why why;

static int parse(const char *text, struct nodelist *ret)
{
    return nodelist_parse("nodes", text, strlen(text), NULL, ret, &why);
}

static void check_nodes(const char *text, const char *const *expected)
{
    struct nodelist list;
    int r = parse(text, &list);
    if (r < 0)
        test_fail(__FILE__, __LINE__, "%d %s", r, why.text);
    for (int i = 0; i < list.count; i++)
        CHECK_STR(list.nodes[i].name, expected[i]);
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
    check_refused("a\n\nb c\n", "nodes, line 3: \"c\": one node a line; behind it only key=KEY and a comment");
    check_refused("a\nb/c\n", "nodes, line 2: \"b/c\": not a host name");
    check_refused("::1", "nodes, line 1: \"::1\": an IPv6 address needs brackets: [::1]:5571");
    check_refused("[::1", "nodes, line 1: \"[::1\": a '[' without ']'");
    check_refused("[::1]5571", "nodes, line 1: \"[::1]5571\": something between ']' and the port");
    check_refused("[::g/]", "nodes, line 1: \"[::g/]\": not a host name");
    check_refused(":5571", "nodes, line 1: \":5571\": not a host name");
    check_refused("[::1::2]", "nodes, line 1: \"[::1::2]\": not an IPv6 address");
    check_refused("tcp://a:5571", "nodes, line 1: \"tcp://a:5571\": only host[:port], without what stands before //");
    check_refused("a..b", "nodes, line 1: \"a..b\": not a host name: nothing before a dot");
    check_refused(".b", "nodes, line 1: \".b\": not a host name: nothing before a dot");
    check_refused("-a", "nodes, line 1: \"-a\": not a host name: a '-' at an end");
    check_refused("a-.b:1", "nodes, line 1: \"a-.b:1\": not a host name: a '-' at an end");
    static const char *const addresses[] = { "10.0.0.300", "10.0.0", "1.2.3.4.5", "5571", "10.0.0.1." };
    for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
        struct nodelist list;
        CHECK_INT(parse(addresses[i], &list), -EINVAL);
        CHECK_CONTAINS(why.text, "not an IPv4 address");
    }
    check_nodes("a.b.\n1a.2\n10.0.0.1.example\n_x.y", (const char *const[]){ "a.b.:5571", "1a.2:5571", "10.0.0.1.example:5571", "_x.y:5571", NULL });
    static const char *const ports[] = { "h:", "h:0", "h:65536", "h:x", "h:1x", "h:-1", "[::1]:", "h:99999999999999999999" };
    for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
        struct nodelist list;
        CHECK_INT(parse(ports[i], &list), -EINVAL);
        CHECK_CONTAINS(why.text, "the port must be a number from 1 to 65535");
    }
}

TEST(a_node_said_twice_is_refused)
{
    check_refused("a\nb\nA:5571\n", "nodes, line 3: A:5571 is there already, in line 1; one line a node");
    check_nodes("a:1\na:2", (const char *const[]){ "a:1", "a:2", NULL });
}

/* ---- ranges ---- */

TEST(ranges_stand_for_their_numbers_and_keep_zeros)
{
    check_nodes("gpu[01-03].example", (const char *const[]){ "gpu01.example:5571", "gpu02.example:5571", "gpu03.example:5571", NULL });
    check_nodes("g[1,3,5-7]:7", (const char *const[]){ "g1:7", "g3:7", "g5:7", "g6:7", "g7:7", NULL });
    check_nodes("g[8-11]", (const char *const[]){ "g8:5571", "g9:5571", "g10:5571", "g11:5571", NULL });
    check_nodes("g[08-11]", (const char *const[]){ "g08:5571", "g09:5571", "g10:5571", "g11:5571", NULL });
    check_nodes("r[1-2]n[0,01]", (const char *const[]){ "r1n0:5571", "r1n01:5571", "r2n0:5571", "r2n01:5571", NULL });
    check_nodes("10.0.0.[9-10]", (const char *const[]){ "10.0.0.9:5571", "10.0.0.10:5571", NULL });
    check_nodes("[1-2].example", (const char *const[]){ "1.example:5571", "2.example:5571", NULL });
    check_nodes("h:[1-2]", (const char *const[]){ "h:1", "h:2", NULL });
    check_nodes("[::1]:[1-2]", (const char *const[]){ "[::1]:1", "[::1]:2", NULL });
}

TEST(a_bad_range_is_told)
{
    check_refused("g[1-", "nodes, line 1: \"g[1-\": a '[' without ']'");
    check_refused("g[]", "nodes, line 1: \"g[]\": a range has numbers of at most 9 digits in it, like [01-04] or [1,3,5-7]");
    check_refused("g[1,]", "nodes, line 1: \"g[1,]\": a range has numbers of at most 9 digits in it, like [01-04] or [1,3,5-7]");
    check_refused("g[-1]", "nodes, line 1: \"g[-1]\": a range has numbers of at most 9 digits in it, like [01-04] or [1,3,5-7]");
    check_refused("g[1234567890]", "nodes, line 1: \"g[1234567890]\": a range has numbers of at most 9 digits in it, like [01-04] or [1,3,5-7]");
    check_refused("g[1;2]", "nodes, line 1: \"g[1;2]\": [1;2]: a range is made of numbers, '-' and ',', like [01-04] or [1,3,5-7]");
    check_refused("g[4-1]", "nodes, line 1: \"g[4-1]\": 4-1: runs backwards");
    check_refused("g[01-100]", "nodes, line 1: \"g[01-100]\": 01-100: with zeros in front both numbers need as many digits");
    check_refused("a\ng[1-4097]", "nodes, line 2: \"g[1-4097]\": 1-4097: more than 4096 nodes");
    check_refused("g[1-64]x[1-65]", "nodes, line 1: more than 4096 nodes");
    check_refused("g[1-3,2]", "nodes, line 1: g2:5571 is there already, in line 1; one line a node");
    check_refused("a[1-2]\nb\na2", "nodes, line 3: a2:5571 is there already, in line 1; one line a node");
    check_refused("g[1]:70000", "nodes, line 1: \"g1:70000\": the port must be a number from 1 to 65535");
}

/* ---- groups ---- */

static const char grouped[] = "head\n[big]  # eight GPUs\nb[1-2]\n[small]\ns1\nb2\n[big]\nb3\n";

static void check_groups(const struct texts *groups, const char *const *expected)
{
    struct nodelist list;
    int r = nodelist_parse("nodes", grouped, strlen(grouped), groups, &list, &why);
    if (r < 0)
        test_fail(__FILE__, __LINE__, "%d %s", r, why.text);
    for (int i = 0; i < list.count; i++)
        CHECK_STR(list.nodes[i].name, expected[i]);
    CHECK(!expected[list.count]);
    nodelist_free(&list);
}

TEST(groups_choose_nodes_each_once_and_without_them_all_are_taken)
{
    check_groups(NULL, (const char *const[]){ "head:5571", "b1:5571", "b2:5571", "s1:5571", "b3:5571", NULL });
    check_groups(&(struct texts){ { "big" }, 1 }, (const char *const[]){ "b1:5571", "b2:5571", "b3:5571", NULL });
    check_groups(&(struct texts){ { "small" }, 1 }, (const char *const[]){ "b2:5571", "s1:5571", NULL });
    check_groups(&(struct texts){ { "small", "big" }, 2 }, (const char *const[]){ "b1:5571", "b2:5571", "s1:5571", "b3:5571", NULL });
    check_groups(&(struct texts){ { "big,small" }, 1 }, (const char *const[]){ "b1:5571", "b2:5571", "s1:5571", "b3:5571", NULL });
}

static void check_groups_refused(const char *text, const char *group, const char *sentence)
{
    struct nodelist list;
    CHECK_INT(nodelist_parse("nodes", text, strlen(text), &(struct texts){ { group }, 1 }, &list, &why), -EINVAL);
    CHECK_STR(why.text, sentence);
}

TEST(a_group_that_is_not_there_or_empty_is_told_and_a_bad_heading_with_its_line)
{
    check_groups_refused(grouped, "bug", "nodes: has no group \"bug\"; its groups: big, small");
    check_groups_refused(grouped, "big,", "nodes: has no group \"\"; its groups: big, small");
    check_groups_refused("a\n", "big", "nodes: has no group \"big\"; its groups: none");
    check_groups_refused("a\n[big]\n[small]\nb\n", "big", "nodes: names no node in these groups; one host[:port] a line");
    check_refused("[]\na", "nodes, line 1: the name of a group has 1 to 63 characters");
    check_refused("a\n[b*]\n", "nodes, line 2: \"[b*]\": the name of a group has letters, digits, '-', '.' and '_'");
    check_refused("[a]\nx\nx\n", "nodes, line 3: x:5571 is there already, in line 2; one line a node");
    check_refused("[a]\nx\n[b]\ny\n[a]\nx:5571\n", "nodes, line 6: x:5571 is there already, in line 2; one line a node");
}

/* ---- keys ---- */

#define KEY "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"
#define KEY_2 "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"

TEST(a_node_has_a_key_or_a_file_with_it_that_is_looked_for_from_the_lists_folder)
{
    static const char text[] = "a key=" KEY " # its key\nb\tkey=" "#" KEY_2 "\n[x]\nn[1-2]:7 key=keys/%h.pub\nc key=/etc/c.pub#d.pub\n[y]\na\n";
    struct nodelist list;
    CHECK_INT(nodelist_parse("/etc/sleddog/nodes", text, strlen(text), NULL, &list, &why), -EINVAL);
    CHECK_CONTAINS(why.text, "line 2: key=: ");
    CHECK_CONTAINS(why.text, "a public key has 40 characters of Z85 (this has 41), or give the path of a .pub file");
    static const char right[] = "a key=" KEY " # its key\n[x]\nn[1-2]:7 key=keys/%h.pub\nc key=/etc/c.pub\n[y]\na\nc key=/etc/c.pub\n";
    CHECK_INT(nodelist_parse("/etc/sleddog/nodes", right, strlen(right), NULL, &list, &why), 0);
    CHECK_INT(list.count, 4);
    CHECK_STR(list.nodes[0].key, KEY);
    CHECK(!list.nodes[0].key_file);
    CHECK_INT(list.nodes[0].line, 1);
    CHECK_STR(list.nodes[1].key_file, "/etc/sleddog/keys/n1.pub");
    CHECK_STR(list.nodes[2].key_file, "/etc/sleddog/keys/n2.pub");
    CHECK_STR(list.nodes[2].key, "");
    CHECK_STR(list.nodes[3].key_file, "/etc/c.pub");
    nodelist_free(&list);
}

TEST(a_key_may_have_the_sign_in_it_that_begins_comments)
{
    struct nodelist list;
    static const char text[] = "a key=:{66.dEPVSw:Yh9^Sop$z0vYyrK+.4@*Z^MHYco#\n";
    CHECK_INT(nodelist_parse("nodes", text, strlen(text), NULL, &list, &why), 0);
    CHECK_STR(list.nodes[0].key, ":{66.dEPVSw:Yh9^Sop$z0vYyrK+.4@*Z^MHYco#");
    nodelist_free(&list);
}

TEST(bad_keys_are_told)
{
    check_refused("a key=", "nodes, line 1: key=: a public key has 40 characters of Z85 (this has 0), or give the path of a .pub file");
    check_refused("a kex=b.pub", "nodes, line 1: \"kex=b.pub\": one node a line; behind it only key=KEY and a comment");
    check_refused("a key=b.pub key=c.pub", "nodes, line 1: two keys; one node has one");
    check_refused("[a]\nx key=b.pub\n[b]\nx key=c.pub\n", "nodes, line 4: x:5571 has another key in line 2");
    check_refused("a key=b.kex", "nodes, line 1: key=b.kex: a public key has 40 characters of Z85 (this has 5), or give the path of a .pub file");
}

#define SECRET "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs" /* of KEY_2 */

TEST(a_secret_key_in_the_list_is_refused_and_not_shown)
{
    check_refused("a key=keys/b.key", "nodes, line 1: key=keys/b.key: a secret key, by its name, and a public one is wanted; give key=keys/b.pub");
    check_refused("a key=" SECRET, "nodes, line 1: key=: no public key: mistyped, or a secret one; give what a .pub file has, or its path");
    check_refused("a key=\"" SECRET "\"", "nodes, line 1: key=: a public key has 40 characters of Z85 (this has 42), or give the path of a .pub file");
    check_refused("a " SECRET, "nodes, line 1: \"...\": one node a line; behind it only key=KEY and a comment");
    check_refused("a\n" SECRET " secret key of worker", "nodes, line 2: a key, and the name of a node is wanted: one host[:port] a line, with key=KEY behind it");
    check_refused(SECRET, "nodes, line 1: a key, and the name of a node is wanted: one host[:port] a line, with key=KEY behind it");
    check_refused("abc#dabc#dabc#dabc#dabc#dabc#dabc#dabc#d", "nodes, line 1: a key, and the name of a node is wanted: one host[:port] a line, with key=KEY behind it");
    check_refused("0#$<pfdt>]OIySXEuc6V}i4uGq1v$O(JuR4ie{3u", "nodes, line 1: a key, and the name of a node is wanted: one host[:port] a line, with key=KEY behind it");
}

/* ---- */

TEST(a_list_without_nodes_is_refused)
{
    check_refused("", "nodes: names no node; one host[:port] a line");
    check_refused("# nothing\n", "nodes: names no node; one host[:port] a line");
}

TEST(a_nul_byte_is_no_letter_of_a_name)
{
    struct nodelist list;
    CHECK_INT(nodelist_parse("nodes", "a\0b\n", 4, NULL, &list, &why), -EINVAL);
    CHECK_CONTAINS(why.text, "not a host name");
    CHECK_INT(nodelist_parse("nodes", "\0", 1, NULL, &list, &why), -EINVAL);
}

TEST(names_and_lists_have_their_limits)
{
    struct nodelist list;
    char name[300];
    memset(name, 'x', sizeof(name));
    CHECK_INT(nodelist_parse("nodes", name, 63, NULL, &list, &why), 0);
    nodelist_free(&list);
    CHECK_INT(nodelist_parse("nodes", name, 64, NULL, &list, &why), -EINVAL);
    CHECK_CONTAINS(why.text, "not a host name: more than 63 characters without a dot");
    for (size_t i = 63; i < sizeof(name); i += 64)
        name[i] = '.';
    CHECK_INT(nodelist_parse("nodes", name, 255, NULL, &list, &why), 0);
    nodelist_free(&list);
    CHECK_INT(nodelist_parse("nodes", name, 256, NULL, &list, &why), -EINVAL);
    char *many = NULL;
    size_t size;
    FILE *out = open_memstream(&many, &size);
    for (int i = 0; i < MAX_NODES; i++)
        fprintf(out, "n%d\n", i);
    fflush(out);
    CHECK_INT(nodelist_parse("nodes", many, size, NULL, &list, &why), 0);
    CHECK_INT(list.count, MAX_NODES);
    nodelist_free(&list);
    fprintf(out, "last\n");
    fclose(out);
    CHECK_INT(nodelist_parse("nodes", many, size, NULL, &list, &why), -EINVAL);
    CHECK_STR(why.text, "nodes, line 4097: more than 4096 nodes");
    free(many);
}

TEST(a_file_is_read_and_what_is_none_is_told)
{
    struct nodelist list;
    test_write_file("nodes", "a\n", 2);
    CHECK_INT(nodelist_read("nodes", NULL, &list, &why), 0);
    CHECK_STR(list.nodes[0].name, "a:5571");
    nodelist_free(&list);
    CHECK_INT(nodelist_read("missing", NULL, &list, &why), -ENOENT);
    CHECK_CONTAINS(why.text, "missing: ");
    mkdir("folder", 0700);
    CHECK_INT(nodelist_read("folder", NULL, &list, &why), -EIO);
    CHECK_CONTAINS(why.text, "is it a folder?");
    CHECK_INT(nodelist_read("/dev/zero", NULL, &list, &why), -EMSGSIZE);
    CHECK_STR(why.text, "/dev/zero: too large for a node list");
}
