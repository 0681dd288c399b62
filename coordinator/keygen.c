/* keygen.c: the command `keygen`: key pairs for a coordinator and its workers. */
#include "coordinator/commands.h"

#include "common/cleanup.h"
#include "common/log.h"
#include "common/options.h"
#include "common/usage.h"
#include "proto/curve.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

struct keygen_options {
    bool help;
};

static const struct option_row rows[] = {
    { 'h', "help", OPTION_FLAG, offsetof(struct keygen_options, help), NULL, "print this help", 0, 0, NULL },
    { 0 },
};

static int open_folder(const char *path, struct why *why)
{
    struct stat status;
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return because(why, -errno, "%s: cannot be made: %s", path, strerror(errno));
    if (stat(path, &status) < 0)
        return because(why, -errno, "%s: %s", path, strerror(errno));
    if (!S_ISDIR(status.st_mode))
        return because(why, -ENOTDIR, "%s: is no folder", path);
    if (status.st_uid != geteuid())
        return because(why, -EPERM, "%s: belongs to user %u; keys go into a folder of your own", path, (unsigned)status.st_uid);
    if (status.st_mode & 077)
        return because(why, -EPERM, "%s: others may look into it (mode %04o); chmod 700 it, or name a folder that is not there yet", path,
                       (unsigned)(status.st_mode & 07777));
    return 0;
}

static int check_name(const char *name, struct why *why)
{
    for (const char *c = name; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr("-._", *c))
            return because(why, -EINVAL, "\"%s\": a name has letters, digits, '-', '.' and '_'", name);
    return *name && *name != '.' && strlen(name) <= KEY_NOTE_MAX ? 0 : because(why, -EINVAL, "\"%s\": no name for a file of keys", name);
}

static void place(char path[PATH_MAX], const char *folder, const char *name, const char *ending)
{
    snprintf(path, PATH_MAX, "%s/%s.%s", folder, name, ending);
}

/* All are looked at before the first is made. */
static int check_free(const char *folder, const char *name, struct why *why)
{
    static const char *const endings[] = { "key", "pub" };
    char path[PATH_MAX];
    int r = check_name(name, why);
    for (int i = 0; i < 2 && r == 0; i++) {
        place(path, folder, name, endings[i]);
        if (access(path, F_OK) == 0)
            r = because(why, -EEXIST, "%s: is there already, and is not overwritten; whoever has its public key would not know the new one", path);
    }
    return r;
}

/* A '#' would be the beginning of a comment where people do not expect it. */
static int make_pair(struct curve_pair *pair, struct why *why)
{
    int r;
    do
        r = curve_pair_new(pair, why);
    while (r == 0 && strchr(pair->public, '#'));
    return r;
}

/* Both or none. */
static int make(const char *folder, const char *name, struct why *why)
{
    struct curve_pair pair = { "", "" };
    char secret[PATH_MAX], public[PATH_MAX], note[128];
    int r = make_pair(&pair, why);
    place(secret, folder, name, "key");
    place(public, folder, name, "pub");
    snprintf(note, sizeof(note), "secret key of %s", name);
    if (r == 0)
        r = key_write(secret, pair.secret, note, true, why);
    if (r == 0) {
        r = key_write(public, pair.public, name, false, why);
        if (r < 0)
            unlink(secret);
    }
    if (r == 0)
        printf("%s  %s\n", pair.public, public);
    curve_pair_wipe(&pair);
    return r;
}

static bool is_among(char *const *names, int count, const char *name)
{
    for (int i = 0; i < count; i++)
        if (!strcmp(names[i], name))
            return true;
    return false;
}

static int keygen(const char *folder, char *const *names, int count, struct why *why)
{
    int r = open_folder(folder, why);
    for (int i = 0; i < count && r == 0; i++)
        r = is_among(names, i, names[i]) ? because(why, -EINVAL, "%s: is named twice", names[i]) : check_free(folder, names[i], why);
    for (int i = 0; i < count && r == 0; i++)
        r = make(folder, names[i], why);
    return r;
}

static void print_advice(const char *folder)
{
    printf("\nto the workers: %s/worker.key, %s/coordinator.pub; start each with --key worker.key --authorized coordinator.pub\n"
           "keep here: %s/coordinator.key, %s/worker.pub; run with --key %s/coordinator.key --node-key %s/worker.pub\n",
           folder, folder, folder, folder, folder, folder);
}

int command_keygen(int argc, char **argv)
{
    static char *const usual[] = { (char *)"coordinator", (char *)"worker" };
    struct keygen_options options = { false };
    struct why why;
    int first;
    int r = options_parse(rows, &options, argc, argv, &first, &why);
    if (r == 0 && options.help) {
        puts("sleddog-coordinator keygen DIR [NAME...]: makes NAME.key, which is secret, and NAME.pub in DIR; coordinator and worker if no NAME is given\n");
        options_print(rows, stdout);
        return 0;
    }
    if (r == 0 && first == argc)
        r = because(&why, -EINVAL, "keygen: needs a DIR for the keys");
    if (r < 0)
        return usage_error("keygen", &why);
    bool named = first + 1 < argc;
    r = named ? keygen(argv[first], argv + first + 1, argc - first - 1, &why) : keygen(argv[first], usual, 2, &why);
    if (r < 0)
        return usage_status(r, "keygen", &why);
    if (!named)
        print_advice(argv[first]);
    return 0;
}
