#include "common/cache.h"

#include "common/cleanup.h"
#include "common/download.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define FILE_MAX_BYTES (1ull << 30)
#define URL_MAX        4096
#define PIN            "#sha256="

/* What is wanted, taken apart. */
struct wanted {
    char url[URL_MAX];          /* without its fragment */
    char sha256[SHA256_HEX];    /* "": any */
    char path[PATH_MAX];
};

bool cache_is_url(const char *uri)
{
    return !strncmp(uri, "http://", 7) || !strncmp(uri, "https://", 8);
}

/* ---- the address ------------------------------------------------------------------------------------------------------ */

static int parse_pin(const char *uri, char sha256[SHA256_HEX], struct why *why)
{
    const char *hash = strchr(uri, '#');
    *sha256 = '\0';
    if (!hash)
        return 0;
    const char *digits = hash + strlen(PIN);
    if (strncmp(hash, PIN, strlen(PIN)) || strlen(digits) != 64 || strspn(digits, "0123456789abcdefABCDEF") != 64)
        return because(why, -EINVAL, "%s: what follows # must be sha256= and 64 hex digits", uri);
    for (int i = 0; i <= 64; i++)
        sha256[i] = (char)tolower((unsigned char)digits[i]);
    return 0;
}

/* Says so without repeating the address, which would end in a log. */
static int refuse_secrets(const char *url, struct why *why)
{
    static const char *const secrets[] = { "signature=", "sig=", "token=", "key=", "password=" };
    const char *scheme = strstr(url, "://"), *host = scheme ? scheme + 3 : url, *query = strchr(url, '?');
    bool found = memchr(host, '@', strcspn(host, "/?#"));
    for (size_t i = 0; i < ARRAY_SIZE(secrets); i++)
        found = found || (query && strcasestr(query, secrets[i]));
    return found ? because(why, -EINVAL, "an address with a password or a signature in it would be kept with the job; download the file "
                           "yourself and give that") : 0;
}

int cache_check_url(const char *uri, struct why *why)
{
    char sha256[SHA256_HEX];
    int r = refuse_secrets(uri, why); /* before any other sentence quotes it */
    if (r < 0)
        return r;
    if (strlen(uri) >= URL_MAX)
        return because(why, -EINVAL, "%.200s...: the address is longer than %d bytes", uri, URL_MAX - 1);
    for (const char *c = uri; *c; c++)
        if ((unsigned char)*c <= ' ' || *c == 0x7f)
            return because(why, -EINVAL, "the address has a blank or a control character in it; write it as %%%02X", (unsigned char)*c);
    return parse_pin(uri, sha256, why);
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

static int name_file(const char *folder, struct wanted *wanted, struct why *why)
{
    char hex[SHA256_HEX], name[101];
    int r = sha256_memory(wanted->url, strlen(wanted->url), hex);
    if (r < 0)
        return because(why, r, "out of memory");
    size_t length = strcspn(wanted->url, "?"), from = length;
    while (from && wanted->url[from - 1] != '/' && length - from < 100)
        from--;
    snprintf(name, sizeof(name), "%.*s", (int)(length - from), wanted->url + from);
    for (char *c = name; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr("-._", *c))
            *c = '_';
    snprintf(wanted->path, sizeof(wanted->path), "%.*s/%.16s_%s", PATH_MAX - 200, folder, hex, name);
    return 0;
}

static int understand(const char *folder, const char *uri, const char *sha256, struct wanted *wanted, struct why *why)
{
    int r = cache_check_url(uri, why);
    if (r == 0)
        r = parse_pin(uri, wanted->sha256, why);
    if (r < 0)
        return r;
    if (*sha256 && *wanted->sha256 && strcmp(sha256, wanted->sha256))
        return because(why, -EBADMSG, "%s: the job wants sha256 %.12s...", uri, sha256);
    if (*sha256)
        snprintf(wanted->sha256, sizeof(wanted->sha256), "%s", sha256);
    snprintf(wanted->url, sizeof(wanted->url), "%.*s", (int)strcspn(uri, "#"), uri);
    return name_file(folder, wanted, why);
}

/* ---- files ------------------------------------------------------------------------------------------------------------ */

static int check_content(const struct wanted *wanted, const char *hex, struct why *why)
{
    if (*wanted->sha256 && strcmp(wanted->sha256, hex))
        return because(why, -EBADMSG, "%s: its sha256 is %.12s..., and %.12s... is wanted; the file there is another", wanted->url, hex,
                       wanted->sha256);
    return sha256_check_name(wanted->path, hex, why) < 0 ? -EBADMSG : 0;
}

/* Fetches into a new file beside the final place, and moves it there once its content is right and on disk. */
static int fetch(const struct wanted *wanted, char hex[SHA256_HEX], struct why *why)
{
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%.*s.XXXXXX", PATH_MAX - 8, wanted->path);
    CLEANUP(closep) int fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0)
        return because(why, -errno, "%s: cannot make a file: %s; give another folder with --cache DIR", path, strerror(errno));
    int r = download(wanted->url, fd, FILE_MAX_BYTES, why);
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

int cache_get(const char *folder, const char *uri, const char *sha256, void (*tell)(const char *url), struct cached *ret,
              struct why *why)
{
    char place[PATH_MAX];
    struct wanted wanted = { .url = "" };
    int r = choose_folder(folder, place, why);
    if (r == 0)
        r = understand(place, uri, sha256, &wanted, why);
    if (r < 0)
        return r;
    snprintf(ret->path, sizeof(ret->path), "%s", wanted.path);
    if (sha256_file(wanted.path, ret->sha256, NULL) == 0 && check_content(&wanted, ret->sha256, NULL) == 0)
        return 0;
    if (tell)
        tell(wanted.url);
    r = make_folder(place, why);
    return r < 0 ? r : fetch(&wanted, ret->sha256, why);
}
