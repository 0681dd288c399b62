#include "common/keys.h"

#include "proto/curve.h"
#include "tests/test.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define ONE "q]h<pfdt>]OIySXEuc6V}i4uGq1v$O(JuR4ie{3u"
#define TWO "/MkYo+LdHI8YAoqIEn1!){xMQn{0G&yJe&kP9Tl@"
/* RFC 26 gives no pair; this one is of ZeroMQ's own manual, zmq_curve(7). */
#define MANUAL_PUBLIC "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"
#define MANUAL_SECRET "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs"
#define OTHER_SECRET  "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6"
/* One in 32: a point of the base point's group. */
#define PUBLIC_LIKE   "r6yv6gyftk&0YWI@T=Ozlu]<82AeM5OMr)3.bEGW"

static struct why why;
static struct key_list list;
static char key[KEY_TEXT];

static void write_file(const char *path, const char *text, mode_t mode)
{
    test_write_file(path, text, strlen(text));
    CHECK_INT(chmod(path, mode), 0);
}

static int parse(const char *text)
{
    return key_list_parse("list", text, strlen(text), &list, &why);
}

TEST(forty_digits_of_z85_that_stand_for_bytes_are_a_key)
{
    CHECK(key_is_valid(ONE) && key_is_valid(MANUAL_SECRET));
    CHECK(key_is_valid("%nSc0%nSc0%nSc0%nSc0%nSc0%nSc0%nSc0%nSc0")); /* 2^32 - 1, eight times */
    CHECK(!key_is_valid("%nSc1%nSc0%nSc0%nSc0%nSc0%nSc0%nSc0%nSc0"));
    CHECK(!key_is_valid("########################################"));
    CHECK(!key_is_valid("") && !key_is_valid(ONE "x"));
    CHECK(!key_is_valid("q]h<pfdt>]OIySXEuc6V}i4uGq1v$O(JuR4ie{3"));
    CHECK(!key_is_valid("q]h<pfdt>]OIySXEuc6V}i4uGq1v$O(JuR4ie{3~"));
}

TEST(a_public_key_follows_from_the_secret_one)
{
    struct curve_pair pair, made;
    write_file("pair.key", MANUAL_SECRET "\n", 0600);
    CHECK_INT(curve_pair_read("pair.key", &pair, &why), 0);
    CHECK_STR(pair.public, MANUAL_PUBLIC);
    CHECK_INT(curve_pair_new(&made, &why), 0);
    CHECK(key_is_valid(made.public) && key_is_valid(made.secret) && strcmp(made.public, pair.public));
    curve_pair_wipe(&pair);
    for (size_t i = 0; i < sizeof(pair); i++)
        CHECK(!((const char *)&pair)[i]);
}

TEST(a_list_has_a_key_a_line_with_a_note_and_comments)
{
    CHECK_INT(parse("# ours\n\n  " ONE "  first # one \r\n" TWO "\n" ONE " again\n"), 0);
    CHECK_INT(list.count, 2);
    CHECK_STR(key_list_find(&list, ONE)->note, "first # one");
    CHECK_STR(key_list_find(&list, TWO)->note, "");
    CHECK(!key_list_find(&list, MANUAL_PUBLIC));
    key_list_free(&list);
    CHECK_INT(parse(""), 0);
    CHECK_INT(list.count, 0);
}

TEST(a_line_without_a_key_is_named_and_not_shown)
{
    CHECK_INT(parse(ONE "\n" MANUAL_SECRET "x\n"), -EINVAL);
    CHECK_CONTAINS(why.text, "list, line 2: no key; a line has the 40 characters of one");
    CHECK(!strstr(why.text, "D:)Q"));
    CHECK_INT(parse("key\n"), -EINVAL);
}

TEST(the_sign_of_a_comment_may_be_in_a_key_and_cannot_begin_one)
{
    CHECK_INT(parse("#]h<pfdt>]OIySXEuc6V}i4uGq1v$O(JuR4ie{3u\n"), 0); /* more than four bytes hold */
    CHECK_INT(list.count, 0);
    CHECK_INT(parse(":{66.dEPVSw:Yh9^Sop$z0vYyrK+.4@*Z^MHYco#\n"), 0);
    CHECK_INT(list.count, 1);
    key_list_free(&list);
}

TEST(a_word_as_long_as_most_of_a_key_is_not_repeated)
{
    CHECK(key_may_be_in("abcdefghijklmnopqrstuvwxyz0123"));
    CHECK(!key_may_be_in("abcdefghijklmnopqrstuvwxyz012"));
    CHECK(key_may_be_in("some words abcdefghijklmnopqrstuvwxyz0123"));
    CHECK(!key_may_be_in("many short words that are together as long as a key and longer"));
}

TEST(a_list_has_a_limit)
{
    size_t size;
    char *text;
    struct curve_pair pair;
    FILE *out = open_memstream(&text, &size);
    for (int i = 0; i <= KEYS_MAX; i++) {
        CHECK_INT(curve_pair_new(&pair, &why), 0);
        fprintf(out, "%s\n", pair.public);
    }
    fclose(out);
    CHECK_INT(key_list_parse("list", text, size, &list, &why), -EINVAL);
    CHECK_STR(why.text, "list, line 1025: more than 1024 keys");
    CHECK_INT(key_list_parse("list", text, size - KEY_TEXT, &list, &why), 0);
    CHECK_INT(list.count, KEYS_MAX);
    key_list_free(&list);
    free(text);
}

TEST(a_folder_of_pub_files_is_a_list_named_by_file)
{
    CHECK_INT(mkdir("folder", 0700), 0);
    write_file("folder/old.pub", ONE "\n", 0644);
    write_file("folder/new.pub", TWO " noted\n", 0644);
    write_file("folder/new.key", "no key at all\n", 0600);
    write_file("folder/.hidden.pub", "no key at all\n", 0600);
    CHECK_INT(key_list_read("folder", &list, &why), 0);
    CHECK_INT(list.count, 2);
    CHECK_STR(key_list_find(&list, ONE)->note, "old");
    CHECK_STR(key_list_find(&list, TWO)->note, "noted");
    key_list_free(&list);
    write_file("folder/bad.pub", "no key at all\n", 0644);
    CHECK_INT(key_list_read("folder", &list, &why), -EINVAL);
    CHECK_CONTAINS(why.text, "folder/bad.pub, line 1: no key");
    CHECK_INT(key_list_read("nowhere", &list, &why), -ENOENT);
    CHECK_CONTAINS(why.text, "nowhere: ");
}

static void expect_secret(mode_t mode, int r, const char *sentence)
{
    write_file("secret", MANUAL_SECRET " secret key of x\n", mode);
    why.text[0] = '\0';
    CHECK_INT(key_read_secret("secret", key, &why), r);
    CHECK_CONTAINS(why.text, sentence);
    if (r == 0)
        CHECK_STR(key, MANUAL_SECRET);
}

TEST(a_secret_key_that_others_may_read_is_refused)
{
    expect_secret(0600, 0, "");
    expect_secret(0400, 0, "");
    expect_secret(0644, -EPERM, "secret: a secret key, but others than its owner may use it (mode 0644); chmod 600 it");
    expect_secret(0604, -EPERM, "mode 0604");
    expect_secret(0660, -EPERM, "mode 0660");
    expect_secret(0602, -EPERM, "mode 0602");
    write_file("public", ONE " x\n", 0666);
    CHECK_INT(key_read_public("public", key, &why), 0); /* what is public may be read by anybody */
}

/* As root: becomes user 4321 for good. */
static void become_somebody(gid_t group)
{
    if (geteuid())
        test_skip("only root can give files away");
    CHECK_INT(chmod(".", 0777), 0);
    CHECK_INT(setresgid(group, group, group), 0);
    CHECK_INT(setresuid(4321, 4321, 4321), 0);
}

TEST(a_secret_key_of_root_may_be_for_our_group)
{
    write_file("secret", MANUAL_SECRET "\n", 0640);
    if (geteuid() == 0)
        CHECK_INT(chown("secret", 0, 4321), 0);
    become_somebody(4321);
    CHECK_INT(key_read_secret("secret", key, &why), 0);
    CHECK_STR(key, MANUAL_SECRET);
}

TEST(a_secret_key_of_ours_must_not_be_for_our_group)
{
    write_file("secret", MANUAL_SECRET "\n", 0640);
    if (geteuid() == 0)
        CHECK_INT(chown("secret", 4321, 4321), 0);
    become_somebody(4321);
    CHECK_INT(key_read_secret("secret", key, &why), -EPERM);
}

TEST(a_secret_key_of_somebody_else_is_refused)
{
    write_file("secret", MANUAL_SECRET "\n", 0600);
    if (geteuid())
        test_skip("only root can give files away");
    CHECK_INT(chown("secret", 1234, 0), 0);
    CHECK_INT(key_read_secret("secret", key, &why), -EPERM);
    CHECK_CONTAINS(why.text, "secret: a secret key, but it belongs to user 1234 and this is user 0");
}

TEST(a_file_of_one_key_holds_one)
{
    write_file("two", MANUAL_SECRET "\n" OTHER_SECRET "\n", 0600);
    CHECK_INT(key_read_secret("two", key, &why), -EINVAL);
    CHECK_STR(why.text, "two: must hold one key, and holds 2");
    write_file("none", "# nothing\n", 0600);
    CHECK_INT(key_read_public("none", key, &why), -EINVAL);
    CHECK_INT(mkdir("folder", 0700), 0);
    CHECK_INT(key_read_secret("folder", key, &why), -EINVAL);
    CHECK_STR(why.text, "folder: no file of keys");
    CHECK_INT(mkfifo("pipe", 0600), 0);
    CHECK_INT(key_read_secret("pipe", key, &why), -EINVAL); /* and does not hang */
    CHECK_INT(key_list_read("/dev/zero", &list, &why), -EINVAL);
}

TEST(a_key_in_place_of_a_file_is_told_and_not_repeated)
{
    CHECK_INT(key_read_secret(MANUAL_SECRET, key, &why), -EINVAL);
    CHECK_CONTAINS(why.text, "a key was given where a file with one is wanted");
    CHECK(!strstr(why.text, "D:)Q"));
    CHECK_INT(key_read_secret(MANUAL_SECRET " secret key of worker", key, &why), -EINVAL);
    CHECK(!strstr(why.text, "D:)Q"));
    CHECK_INT(key_list_read(MANUAL_SECRET, &list, &why), -EINVAL);
    CHECK_CONTAINS(why.text, "a key was given where a file with one is wanted");
    CHECK(!strstr(why.text, "D:)Q"));
}

/* ---- secret or public ---- */

TEST(a_missing_file_whose_path_has_the_form_of_a_key_is_missing)
{
    const char path[] = "/srv/sleddog/authorized/coordinators.pub";
    struct key_list list;
    struct why why;
    CHECK(key_is_valid(path));
    CHECK_INT(key_list_read(path, &list, &why), -ENOENT);
    CHECK_CONTAINS(why.text, path);
}

TEST(what_cannot_be_a_public_key_is_known_by_its_bits)
{
    struct curve_pair pair;
    int alike = 0;
    CHECK(key_is_public(ONE) && key_is_public(TWO) && key_is_public(MANUAL_PUBLIC) && key_is_public(PUBLIC_LIKE));
    CHECK(!key_is_public(MANUAL_SECRET) && !key_is_public(OTHER_SECRET));
    CHECK(!key_is_public("0000000000000000000000000000000000000000")); /* the point that all numbers leave where it is */
    CHECK(!key_is_public("") && !key_is_public(ONE "x"));
    for (int i = 0; i < 400; i++) {
        CHECK_INT(curve_pair_new(&pair, &why), 0);
        CHECK(key_is_public(pair.public));
        alike += key_is_public(pair.secret);
    }
    CHECK(alike < 60); /* 12.5 are expected, 60 are 13 standard deviations away */
}

/* `text` is refused by both ways to give public keys, as a file and in a list, and not shown. */
static void expect_not_public(const char *path, const char *text, const char *sentence)
{
    write_file(path, text, 0600);
    CHECK_INT(key_read_public(path, key, &why), -EINVAL);
    CHECK_STR(why.text, sentence);
    CHECK_INT(key_list_read(path, &list, &why), -EINVAL);
    CHECK_STR(why.text, sentence);
}

TEST(a_secret_key_where_a_public_one_is_wanted_is_refused_and_not_shown)
{
    expect_not_public("worker.key", MANUAL_SECRET " secret key of worker\n", "worker.key, line 1: a secret key, and a public one is wanted; give worker.pub");
    expect_not_public("worker.key", PUBLIC_LIKE " secret key of worker\n", "worker.key, line 1: a secret key, and a public one is wanted; give worker.pub");
    expect_not_public("bare.key", MANUAL_SECRET "\n", "bare.key, line 1: a secret key, and a public one is wanted; give bare.pub");
    expect_not_public("other", "# mine\n" MANUAL_SECRET " # Secret key of x\n",
                      "other, line 2: a secret key, and a public one is wanted; give the .pub file of its pair");
    expect_not_public("other", MANUAL_SECRET "\n", "other, line 1: no public key: mistyped, or a secret one; give what a .pub file has");
    expect_not_public("list", ONE " one\n" MANUAL_SECRET "\n", "list, line 2: no public key: mistyped, or a secret one; give what a .pub file has");
    CHECK_INT(mkdir("folder", 0700), 0);
    write_file("folder/a.pub", ONE "\n", 0644);
    write_file("folder/b.pub", MANUAL_SECRET " secret key of b\n", 0600);
    CHECK_INT(key_list_read("folder", &list, &why), -EINVAL);
    CHECK_STR(why.text, "folder/b.pub, line 1: a secret key, and a public one is wanted; give the .pub file of its pair");
}

TEST(a_public_key_where_a_secret_one_is_wanted_is_refused_whoever_may_read_it)
{
    static const mode_t modes[] = { 0644, 0600 };
    for (int i = 0; i < 2; i++) {
        write_file("worker.pub", MANUAL_PUBLIC " worker\n", modes[i]);
        CHECK_INT(key_read_secret("worker.pub", key, &why), -EINVAL);
        CHECK_STR(why.text, "worker.pub, line 1: a public key, and a secret one is wanted; give worker.key");
        write_file("worker", MANUAL_PUBLIC "\n", modes[i]);
        CHECK_INT(key_read_secret("worker", key, &why), -EINVAL);
        CHECK_CONTAINS(why.text, "worker, line 1: a public key, and a secret one is wanted; give the .key file of its pair");
    }
    write_file("rare", PUBLIC_LIKE "\n", 0600);
    CHECK_INT(key_read_secret("rare", key, &why), -EINVAL);
    CHECK_CONTAINS(why.text, "should this be a secret key, of which 1 in 32 looks like a public one, write \"secret key\" behind it");
    write_file("rare", PUBLIC_LIKE " secret key\n", 0600);
    CHECK_INT(key_read_secret("rare", key, &why), 0);
    CHECK_STR(key, PUBLIC_LIKE);
}

/* ---- places ---- */

TEST(a_name_without_a_folder_is_looked_for_among_the_credentials_of_systemd)
{
    CHECK_INT(mkdir("credentials", 0700), 0);
    write_file("credentials/worker.key", MANUAL_SECRET "\n", 0400);
    write_file("worker.key", OTHER_SECRET "\n", 0600);
    write_file("here.key", OTHER_SECRET "\n", 0600);
    CHECK_INT(setenv("CREDENTIALS_DIRECTORY", "credentials", 1), 0);
    CHECK_INT(key_read_secret("worker.key", key, &why), 0);
    CHECK_STR(key, MANUAL_SECRET);
    CHECK_INT(key_read_secret("./worker.key", key, &why), 0);
    CHECK_STR(key, OTHER_SECRET);
    CHECK_INT(key_read_secret("here.key", key, &why), 0);
    CHECK_STR(key, OTHER_SECRET);
}

TEST(a_file_of_a_key_is_never_overwritten)
{
    struct stat status;
    CHECK_INT(key_write("new.key", MANUAL_SECRET, "secret key of new", true, &why), 0);
    CHECK_INT(stat("new.key", &status), 0);
    CHECK_INT(status.st_mode & 07777, 0600);
    CHECK_INT(key_write("new.key", OTHER_SECRET, "", true, &why), -EEXIST);
    CHECK_CONTAINS(why.text, "new.key: cannot be written: File exists");
    CHECK_INT(key_read_secret("new.key", key, &why), 0);
    CHECK_STR(key, MANUAL_SECRET);
}

TEST(a_file_of_a_key_that_cannot_be_written_whole_does_not_stay)
{
    struct rlimit limit = { 20, RLIM_INFINITY };
    signal(SIGXFSZ, SIG_IGN);
    CHECK_INT(setrlimit(RLIMIT_FSIZE, &limit), 0);
    CHECK_INT(key_write("new.key", MANUAL_SECRET, "secret key of new", true, &why), -EFBIG);
    CHECK_CONTAINS(why.text, "new.key: cannot be written: File too large");
    CHECK(access("new.key", F_OK) < 0);
    limit.rlim_cur = RLIM_INFINITY;
    CHECK_INT(setrlimit(RLIMIT_FSIZE, &limit), 0);
    CHECK_INT(key_write("new.key", MANUAL_SECRET, "secret key of new", true, &why), 0);
    CHECK_INT(key_read_secret("new.key", key, &why), 0);
}
