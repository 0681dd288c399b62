#include "worker/listen.h"

#include "common/cleanup.h"
#include "tests/test.h"

static void expect_good(const char *listen, bool local)
{
    struct why why;
    if (listen_check(listen, &why) < 0)
        test_fail(__FILE__, __LINE__, "%s", why.text);
    CHECK_INT(listen_is_local(listen), local);
}

static void expect_bad(const char *listen, const char *problem)
{
    struct why why;
    char sentence[512];
    snprintf(sentence, sizeof(sentence), "--listen %s: %s; give ADDRESS:PORT, like 127.0.0.1:5571 or *:5571, or ipc://PATH", listen, problem);
    CHECK_INT(listen_check(listen, &why), -EINVAL);
    CHECK_STR(why.text, sentence);
}

TEST(an_address_with_a_port_or_the_path_of_a_socket_can_be_listened_on)
{
    static const char *const here[] = { "127.0.0.1:5571", "127.0.0.2:0", "tcp://127.0.0.1:*", "localhost:1", "tcp://localhost:1", "[::1]:65535", "tcp://[::1]:1", "ipc:///tmp/x:y",
                                        "ipc://x" };
    static const char *const everywhere[] = { "*:5571", "tcp://*:0", "*:*", "0.0.0.0:5571", "[::]:5571", "[fe80::1%eth0]:5571", "eth0:5571", "gpu-01.example:5571", "192.0.2.1:5" };
    for (size_t i = 0; i < ARRAY_SIZE(here); i++)
        expect_good(here[i], true);
    for (size_t i = 0; i < ARRAY_SIZE(everywhere); i++)
        expect_good(everywhere[i], false);
}

TEST(what_is_no_address_is_told)
{
    static const char *const ports[] = { "*:", "*:99999", "127.0.0.1:65536", "h:x", "h:-1", "[::1]:1x", "tcp://*:**" };
    expect_bad("foo", "no port");
    expect_bad("*", "no port");
    expect_bad("", "no port");
    expect_bad("tcp://127.0.0.1", "no port");
    expect_bad(":5582", "no address before the port");
    expect_bad("tcp://:5582", "no address before the port");
    expect_bad("ipc://", "no path");
    expect_bad("udp://127.0.0.1:1", "no way to connect that a worker has");
    expect_bad("tcp://tcp://h:1", "no way to connect that a worker has");
    expect_bad("::1:5571", "an IPv6 address needs brackets: [::1]:5571");
    expect_bad("[::1", "a '[' without ']'");
    expect_bad("[::g]:1", "not an IPv6 address");
    expect_bad("10.0.0.300:1", "not an IPv4 address");
    expect_bad("**:1", "not a host name");
    expect_bad("a b:1", "not a host name");
    for (size_t i = 0; i < ARRAY_SIZE(ports); i++)
        expect_bad(ports[i], "the port must be a number from 0 to 65535");
}
