#include "coordinator/destination.h"

#include "common/log.h"
#include "common/s3/uri.h"
#include "coordinator/export/export.h"
#include "coordinator/hint.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int destination_locate(const char *given, char **ret, struct why *why)
{
    struct s3_uri uri;
    size_t size = strlen(given);
    bool is_store = s3_uri_is(given, size);
    if (!*given || !strcmp(given, "-"))
        return because(why, -EINVAL, "--output \"%s\": tables are files; name a folder, or s3://BUCKET/PREFIX/", given);
    if (!is_store && strstr(given, "://"))
        return because(why, -EINVAL, "--output %s: neither a folder nor s3://BUCKET/PREFIX/", given);
    int r = is_store ? s3_uri_parse(given, size, &uri, why) : 0;
    if (r < 0)
        return r;
    return asprintf(ret, "%s%s", given, is_store && given[size - 1] != '/' ? "/" : "") < 0 ? because(why, -ENOMEM, "out of memory") : 0;
}

static int is_no_folder(const char *output, const char *path, bool there, struct why *why)
{
    if (there)
        return because(why, -ENOTDIR, "%.600s: is no folder, and the tables need one: give another --output", output);
    return because(why, -ENOTDIR, "%.600s: cannot be made, because %.600s is no folder: give another --output", output, path);
}

static int try_files(const struct spec *spec, const struct labels *labels, bool is_new, struct why *why)
{
    struct export_options options = { .directory = spec->output, .emit = spec->emit, .labels = labels };
    struct exporters *exporters = NULL;
    int r = export_formats(spec->formats, &options.formats, why);
    options.formats |= spec->per_image ? EXPORT_PER_IMAGE : 0;
    if (r == 0)
        r = exporters_open(&options, &exporters, why);
    for (int i = 0; r == 0 && exporters_path(exporters, i); i++) {
        struct stat status;
        const char *path = exporters_path(exporters, i);
        if (lstat(path, &status) == 0 && S_ISDIR(status.st_mode))
            r = because(why, -EISDIR, "%.600s: a folder is in the way of this table: remove it or give another --output", path);
        else if (is_new && access(path, F_OK) == 0)
            log_warning("%.600s: a table is there already; this job's takes its place when it is complete", path);
    }
    exporters_abort(exporters);
    return r;
}

static int try_parent(const char *output, const char *folder, struct why *why)
{
    if (faccessat(AT_FDCWD, folder, W_OK | X_OK, AT_EACCESS) == 0)
        return 0;
    return because(why, -errno, "%.600s: cannot be made in %.600s: %s; allow writing there or give another --output", output, folder, strerror(errno));
}

static void drop_slashes(char *path)
{
    for (size_t size = strlen(path); size > 1 && path[size - 1] == '/'; size--)
        path[size - 1] = '\0';
}

/* "/a/b" becomes "/a". */
static void go_up(char *path)
{
    path[1 + (strrchr(path, '/') - path)] = '\0';
    drop_slashes(path);
}

int destination_check(const struct spec *spec, const struct labels *labels, bool is_new, struct why *why)
{
    struct stat status;
    if (s3_uri_is(spec->output, strlen(spec->output)))
        return 0;
    if (*spec->output != '/') /* else it is absolute */
        return because(why, -EINVAL, "--output \"%.600s\": name a folder, or s3://BUCKET/PREFIX/", spec->output);
    CLEANUP(freep) char *path = strdup(spec->output);
    if (!path)
        return because(why, -ENOMEM, "%.600s: out of memory", spec->output);
    drop_slashes(path);
    bool there = true;
    for (; stat(path, &status) < 0; there = false) {
        bool missing = errno == ENOENT || errno == ENOTDIR; /* below a file: found further up */
        if (!missing || lstat(path, &status) == 0)
            return because(why, -errno, "%.600s: cannot be written: %s; give another --output", path, missing ? "a link that leads nowhere" : strerror(errno));
        go_up(path);
    }
    if (!S_ISDIR(status.st_mode))
        return is_no_folder(spec->output, path, there, why);
    return there ? try_files(spec, labels, is_new, why) : try_parent(spec->output, path, why);
}

void destination_warn(const struct spec *spec, const struct labels *labels, const char *job_dir)
{
    struct why why;
    if (destination_check(spec, labels, false, &why) == 0)
        return;
    CLEANUP(freep) char *command = hint_elsewhere(spec, job_dir);
    log_warning("%s. The job goes on; if that is not mended when it is done, its tables can be written elsewhere: %s", why.text,
                command ? command : "sleddog-coordinator export");
}

int destination_tell(const struct spec *spec, const char *job_dir, const struct run_options *options, const struct why *reason)
{
    CLEANUP(freep) char *elsewhere = hint_elsewhere(spec, job_dir);
    CLEANUP(bytes_done) struct bytes again;
    bytes_init(&again, 65536);
    log_error("%s", reason->text);
    if (elsewhere)
        fprintf(stderr, "every image is done and safe; write its tables elsewhere with: %s\n", elsewhere);
    if (hint_command("resume", options, job_dir, &again) == 0)
        fprintf(stderr, "or, once that is mended, go on with: %s\n", again.data);
    return 1;
}
