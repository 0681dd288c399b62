#include "common/cache.h"

#include "common/cache_address.h"
#include "common/cleanup.h"
#include "common/download.h"
#include "common/redact.h"
#include "common/s3/client.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#define FILE_MAX_BYTES (1ull << 30)
#define PART           "part-" /* begins the name of a file that is being fetched; no other name in the cache does */

static void close_folder(DIR *folder)
{
    closedir(folder);
}
DEFINE_FREEP(close_folder, DIR)
DEFINE_FREEP(s3_config_close, struct s3_config)
DEFINE_FREEP(s3_session_close, struct s3_session)
DEFINE_FREEP(s3_client_close, struct s3_client)

struct wanted {
    struct cache_address address;
    const struct s3_options *s3; /* of s3:// addresses; NULL: others */
    char path[PATH_MAX];
    size_t folder;               /* bytes of the path in front of the name */
};

/* ---- the address ------------------------------------------------------------------------------------------------------ */

/* Whether the address names this machine. */
static bool is_here(const char *url)
{
    static const char *const hosts[] = { "http://127.0.0.1", "http://localhost", "http://[::1]" };
    for (size_t i = 0; i < ARRAY_SIZE(hosts); i++) {
        size_t length = strlen(hosts[i]);
        if (!strncmp(url, hosts[i], length) && strchr(":/", url[length]))
            return true;
    }
    return false;
}

/* Over plain http anybody on the way can replace a file: only one whose hash is known is taken. */
static int require_hash(const struct wanted *wanted, struct why *why)
{
    if (strncmp(wanted->address.url, "http://", 7) || *wanted->address.sha256 || sha256_in_name(wanted->path) || is_here(wanted->address.url))
        return 0;
    return because(why, -EINVAL, "%s: over http:// anybody on the way can replace the file; use https://, or say which file is meant: "
                   "%s#sha256=<its 64 hex digits>", wanted->address.shown, wanted->address.shown);
}

/* ---- the folder ------------------------------------------------------------------------------------------------------- */

static int choose_folder(const char *folder, char path[PATH_MAX], struct why *why)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    int length;
    if (folder)
        length = snprintf(path, PATH_MAX, "%s", folder);
    else if (cache && *cache == '/')
        length = snprintf(path, PATH_MAX, "%s/sleddog", cache);
    else if (home && *home == '/')
        length = snprintf(path, PATH_MAX, "%s/.cache/sleddog", home);
    else
        return because(why, -ENOENT, "no place to keep a downloaded file: neither XDG_CACHE_HOME nor HOME is set; give --cache DIR");
    return length > 0 && length < PATH_MAX - 200 ? 0 : because(why, -ENAMETOOLONG, "--cache: the path is too long");
}

static int make_folder(char *path, struct why *why)
{
    for (char *slash = strchr(path + 1, '/');; slash = strchr(slash + 1, '/')) {
        if (slash)
            *slash = '\0';
        int r = mkdir(path, 0777) < 0 && errno != EEXIST ? -errno : 0;
        if (r < 0)
            return because(why, r, "%s: cannot make the cache's folder: %s; give another with --cache DIR", path, strerror(-r));
        if (!slash)
            return 0;
        *slash = '/';
    }
}

int cache_folder(const char *folder, char path[PATH_MAX], struct why *why)
{
    int r = choose_folder(folder, path, why);
    return r < 0 ? r : make_folder(path, why);
}

/* Two stores may have a bucket of the same name. */
static int hash_address(const struct wanted *wanted, char hex[SHA256_HEX], struct why *why)
{
    CLEANUP(s3_config_closep) struct s3_config *config = NULL;
    char text[2 * CACHE_URL_MAX];
    int r = wanted->s3 ? s3_config_open(wanted->s3, &config, why) : 0;
    if (r < 0)
        return r;
    snprintf(text, sizeof(text), "%s%s%s", wanted->address.url, config && config->endpoint ? "\n" : "", config && config->endpoint ? config->endpoint : "");
    r = sha256_memory(text, strlen(text), hex);
    return r < 0 ? because(why, r, "out of memory") : 0;
}

static int name_file(const char *folder, struct wanted *wanted, struct why *why)
{
    char hex[SHA256_HEX], name[101];
    int r = hash_address(wanted, hex, why);
    if (r < 0)
        return r;
    size_t length = wanted->s3 ? strlen(wanted->address.url) : strcspn(wanted->address.url, "?"), from = length;
    while (from && wanted->address.url[from - 1] != '/' && length - from < 100)
        from--;
    snprintf(name, sizeof(name), "%.*s", (int)(length - from), wanted->address.url + from);
    for (char *c = name; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr("-._", *c))
            *c = '_';
    wanted->folder = (size_t)snprintf(wanted->path, sizeof(wanted->path), "%.*s/", PATH_MAX - 200, folder);
    snprintf(wanted->path + wanted->folder, sizeof(wanted->path) - wanted->folder, "%.16s_%s", hex, name);
    return 0;
}

static int understand(const char *folder, const char *uri, const char *sha256, const struct s3_options *s3, struct wanted *wanted, struct why *why)
{
    static const struct s3_options none = { 0 };
    int r = cache_address_parse(uri, &wanted->address, why);
    if (r < 0)
        return r;
    if (*sha256 && *wanted->address.sha256 && strcmp(sha256, wanted->address.sha256))
        return because(why, -EBADMSG, "the weights' address says sha256 %.12s..., and the job wants %.12s...", wanted->address.sha256, sha256);
    if (*sha256)
        snprintf(wanted->address.sha256, sizeof(wanted->address.sha256), "%s", sha256);
    wanted->s3 = s3_uri_is(uri, strlen(uri)) ? s3 ? s3 : &none : NULL;
    r = name_file(folder, wanted, why);
    return r < 0 ? r : require_hash(wanted, why);
}

int cache_check_given(const char *given, struct why *why)
{
    struct wanted wanted = { .s3 = NULL };
    size_t scheme = uri_scheme(given);
    if (scheme && !cache_is_url(given))
        return because(why, -ENOTSUP, "%.*s:// is not read; copy the file and give its path, or an address with https:// or s3://", (int)scheme, given);
    if (!cache_is_url(given))
        return 0;
    int r = cache_address_parse(given, &wanted.address, why);
    if (r == 0)
        r = name_file("", &wanted, why);
    return r < 0 ? r : require_hash(&wanted, why);
}

/* ---- files ------------------------------------------------------------------------------------------------------------ */

static int check_content(const struct wanted *wanted, const char *hex, struct why *why)
{
    const char *digits = sha256_in_name(wanted->path);
    if (*wanted->address.sha256 && strcmp(wanted->address.sha256, hex))
        return because(why, -EBADMSG, "%s: its sha256 is %.12s..., and %.12s... is wanted; the file there is another", wanted->address.shown, hex,
                       wanted->address.sha256);
    if (digits && strncmp(digits, hex, 8))
        return because(why, -EBADMSG, "%s: its name says that its sha256 begins with %.8s, and it begins with %.8s; the file there is damaged or "
                       "another", wanted->address.shown, digits, hex);
    return 0;
}

/* A part belongs to who holds its lock, which goes with the process: what can be locked was left behind by one that died. */
static void clean_part(int folder, const char *name)
{
    CLEANUP(closep) int fd = openat(folder, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
        unlinkat(folder, name, 0);
}

static void clean_parts(const struct wanted *wanted)
{
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%.*s", (int)wanted->folder, wanted->path);
    CLEANUP(close_folderp) DIR *folder = opendir(path);
    for (const struct dirent *entry; folder && (entry = readdir(folder));)
        if (!strncmp(entry->d_name, PART, strlen(PART)))
            clean_part(dirfd(folder), entry->d_name);
}

/* A new file beside the final place, locked; or -errno. Somebody may clean it away before it is locked: then there is another. Where locks are
 * impossible nobody cleans either. */
static int open_part(const struct wanted *wanted, char path[PATH_MAX])
{
    struct stat status;
    for (;;) {
        snprintf(path, PATH_MAX, "%.*s" PART "%.200s.XXXXXX", (int)wanted->folder, wanted->path, wanted->path + wanted->folder);
        int fd = mkostemp(path, O_CLOEXEC);
        if (fd < 0)
            return -errno;
        if (flock(fd, LOCK_EX) < 0 || fstat(fd, &status) < 0 || status.st_nlink)
            return fd;
        close(fd);
    }
}

static bool is_stopped(void *arg)
{
    (void)arg;
    return download_is_stopped();
}

static int download_object(const struct wanted *wanted, int fd, struct why *why)
{
    CLEANUP(s3_session_closep) struct s3_session *session = NULL;
    CLEANUP(s3_client_closep) struct s3_client *client = NULL;
    struct s3_uri object;
    int r = s3_uri_parse(wanted->address.url, strlen(wanted->address.url), &object, why);
    if (r == 0)
        r = s3_session_open(wanted->s3, &session, why);
    if (r == 0)
        r = s3_client_open(session, is_stopped, NULL, &client, why);
    return r < 0 ? r : s3_client_save(client, &object, fd, FILE_MAX_BYTES, why);
}

/* Fetches into a part, and moves it to its place once its content is right and on disk. */
static int fetch(const struct wanted *wanted, char hex[SHA256_HEX], struct why *why)
{
    char path[PATH_MAX];
    clean_parts(wanted);
    CLEANUP(closep) int fd = open_part(wanted, path);
    if (fd < 0)
        return because(why, fd, "%.*s: cannot make a file there: %s; give another folder with --cache DIR", (int)wanted->folder, wanted->path,
                       strerror(-fd));
    int r = wanted->s3 ? download_object(wanted, fd, why) : download(wanted->address.url, fd, FILE_MAX_BYTES, why);
    if (r == 0 && (fchmod(fd, 0644) < 0 || fsync(fd) < 0))
        r = because(why, -errno, "%s: cannot write: %s", path, strerror(errno));
    if (r == 0)
        r = sha256_file(path, hex, why);
    if (r == 0)
        r = check_content(wanted, hex, why);
    if (r == 0 && rename(path, wanted->path) < 0)
        r = because(why, -errno, "%s: cannot put it in place: %s", wanted->path, strerror(errno));
    if (r < 0)
        unlink(path);
    return r;
}

int cache_get(const char *folder, const char *uri, const char *sha256, const struct s3_options *s3, void (*tell)(const char *url), struct cached *ret,
              struct why *why)
{
    char place[PATH_MAX];
    struct wanted wanted = { .path = "" };
    int r = choose_folder(folder, place, why);
    if (r == 0)
        r = understand(place, uri, sha256, s3, &wanted, why);
    if (r < 0)
        return r;
    snprintf(ret->path, sizeof(ret->path), "%s", wanted.path);
    if (sha256_file(wanted.path, ret->sha256, NULL) == 0 && check_content(&wanted, ret->sha256, NULL) == 0)
        return 0;
    if (tell)
        tell(wanted.address.shown);
    r = make_folder(place, why);
    return r < 0 ? r : fetch(&wanted, ret->sha256, why);
}

int cache_find(const char *folder, const char *uri, const char *sha256, const struct s3_options *s3, char path[PATH_MAX])
{
    char place[PATH_MAX], hex[SHA256_HEX];
    struct wanted wanted = { .path = "" };
    int r = choose_folder(folder, place, NULL);
    if (r == 0)
        r = understand(place, uri, sha256, s3, &wanted, NULL);
    if (r < 0)
        return r;
    snprintf(path, PATH_MAX, "%s", wanted.path);
    return sha256_file(path, hex, NULL) == 0 && check_content(&wanted, hex, NULL) == 0 ? 0 : -ENOENT;
}
