#include "coordinator/truth_file.h"

#include "common/bytes.h"
#include "common/cleanup.h"
#include "common/sha256.h"
#include "coordinator/export/outfile.h"
#include "coordinator/truth_table.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PIECE ((size_t)1 << 20) /* bytes written at once */

const char *truth_file(const char *given)
{
    return *given == '@' ? given + 1 : NULL;
}

int truth_file_check(const char *path, struct why *why)
{
    if (!*path || !strcmp(path, "-") || strstr(path, "://"))
        return because(why, -EINVAL, "--truth @%.500s: it takes a file of this machine; an expression that begins with @ is written [@]...", path);
    int r = truth_table_check_file(path, why);
    return r < 0 ? because_in(why, r, "--truth") : 0;
}

/* ---- describing ---- */

static int describe_table(const char *path, char **ret, char hex[SHA256_HEX], struct why *why)
{
    int r = truth_file_check(path, why);
    if (r < 0)
        return r;
    r = sha256_file(path, hex, why);
    if (r < 0)
        return because_in(why, r, "--truth");
    CLEANUP(freep) char *whole = realpath(path, NULL);
    if (!whole)
        return because(why, -errno, "--truth: %s: %s", path, strerror(errno));
    if (asprintf(ret, "@%s", whole) >= 0)
        return 0;
    *ret = NULL;
    return because(why, -ENOMEM, "out of memory");
}

int truth_describe(const char *given, char **ret, char **ret_sha256, struct why *why)
{
    const char *path = truth_file(given);
    char hex[SHA256_HEX] = "";
    CLEANUP(freep) char *text = path ? NULL : strdup(given);
    int r = path ? describe_table(path, &text, hex, why) : 0;
    if (r < 0)
        return r;
    char *sha256 = strdup(hex);
    if (!text || !sha256) {
        free(sha256);
        return because(why, -ENOMEM, "out of memory");
    }
    *ret = take(text);
    *ret_sha256 = sha256;
    return 0;
}

/* ---- keeping ---- */

static int name_copy(const char *folder, char **ret, struct why *why)
{
    if (asprintf(ret, "%s/" TRUTH_COPY, folder) >= 0)
        return 0;
    *ret = NULL;
    return because(why, -ENOMEM, "out of memory");
}

/* False for one that cannot be read, too. */
static bool has_contents(const char *path, const char *sha256)
{
    char hex[SHA256_HEX];
    return truth_table_check_file(path, NULL) == 0 && sha256_file(path, hex, NULL) == 0 && !strcmp(hex, sha256);
}

static int write_pieces(struct outfile *file, const struct bytes *content, struct why *why)
{
    int r = 0;
    for (size_t at = 0; at < content->size && r == 0; at += PIECE) /* a table may be larger than what an outfile takes at once */
        r = outfile_write(file, content->data + at, content->size - at < PIECE ? content->size - at : PIECE, why);
    return r;
}

static int write_copy(const char *folder, const char *copy, const struct bytes *content, struct why *why)
{
    CLEANUP(outfile_closep) struct outfile *file = NULL;
    int r = outfile_open(NULL, folder, TRUTH_COPY, &file, NULL);
    if (r == 0)
        r = write_pieces(file, content, NULL);
    if (r == 0)
        r = outfile_finish(file, NULL);
    if (r == 0)
        r = outfile_commit(file, NULL);
    return r < 0 ? outfile_because_of(why, r, copy, "--job") : 0;
}

/* There is no job here yet, so what has this name is somebody's own. */
static int refuse_own(const char *copy, const char *sha256, struct why *why)
{
    if (access(copy, F_OK) < 0 || has_contents(copy, sha256))
        return 0;
    return because(why, -EEXIST, "%.600s: is there already, and is not the table of --truth, whose copy takes that place; move it away or choose another --job", copy);
}

int truth_keep(const char *described, const char *sha256, const char *folder, struct why *why)
{
    const char *path = truth_file(described);
    CLEANUP(bytes_done) struct bytes content;
    CLEANUP(freep) char *copy = NULL;
    char hex[SHA256_HEX];
    bytes_init(&content, TRUTH_TABLE_MAX);
    if (!path)
        return 0;
    int r = name_copy(folder, &copy, why);
    if (r == 0)
        r = refuse_own(copy, sha256, why);
    if (r < 0)
        return r;
    r = bytes_append_file(&content, path, why);
    if (r < 0)
        return because_in(why, r, "--truth");
    r = sha256_memory(content.data ? content.data : "", content.size, hex);
    if (r < 0)
        return because(why, r, "--truth: %s: %s", path, strerror(-r));
    if (strcmp(hex, sha256))
        return because(why, -ESTALE, "--truth: %s: has changed while this job was begun; run again when it is written", path);
    return write_copy(folder, copy, &content, why);
}

/* ---- finding ---- */

int truth_find(const char *described, const char *sha256, const char *folder, char **ret, struct why *why)
{
    const char *path = truth_file(described);
    CLEANUP(freep) char *copy = NULL;
    if (path && folder && asprintf(&copy, "@%s/" TRUTH_COPY, folder) < 0) {
        copy = NULL;
        return because(why, -ENOMEM, "out of memory");
    }
    const char *found = !path ? described : copy && has_contents(copy + 1, sha256) ? copy : has_contents(path, sha256) ? described : NULL;
    if (!found)
        return because(why, -EBADMSG, "the table of this job's --truth (sha256 %.12s...) is neither in its folder, as " TRUTH_COPY ", nor at %s any more; put it back, or "
                       "judge by another: export --truth ... -o DIR", sha256, path);
    *ret = strdup(found);
    return *ret ? 0 : because(why, -ENOMEM, "out of memory");
}
