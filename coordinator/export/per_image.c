/* per_image.c: one small file an image, at the path that image_path.h gives it.
 *
 * Rows come in list order, so the folder of the last one is kept open. Folders are entered one by one from the output folder
 * and links are not followed, so nothing is written outside it whatever lies there already. A file is renamed into place when
 * it is complete; one syncfs() at the end puts all of them on the disk, since a job whose export was cut is exported again. */
#include "coordinator/export/image_path.h"
#include "coordinator/export/kind.h"
#include "coordinator/export/outfile.h"
#include "coordinator/export/row_json.h"

#include "common/cleanup.h"
#include "common/s3/uri.h"
#include "common/write.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define PART     ".sleddog.part"
#define PATH_CAP (64u << 10)
#define TEXT_CAP (64u << 20)

struct per_image {
    char *directory;
    struct row_json *json;
    struct image_paths paths;
    uint64_t row;
    struct bytes path, text;
    struct bytes folder; /* below the directory, what folder_fd is */
    int output_fd, folder_fd;
};

static bool wanted(const struct export_options *options)
{
    return options->formats & EXPORT_PER_IMAGE && !s3_uri_is(options->directory, strlen(options->directory));
}

static void close_per_image(void *state)
{
    struct per_image *images = state;
    closep(&images->folder_fd);
    closep(&images->output_fd);
    row_json_close(images->json);
    image_paths_done(&images->paths);
    bytes_done(&images->path);
    bytes_done(&images->text);
    bytes_done(&images->folder);
    free(images->directory);
    free(images);
}

DEFINE_FREEP(close_per_image, struct per_image)

static int open_per_image(const struct export_options *options, void **ret, struct why *why)
{
    CLEANUP(close_per_imagep) struct per_image *images = calloc(1, sizeof(*images));
    if (!images)
        return -ENOMEM;
    images->folder_fd = -1;
    bytes_init(&images->path, PATH_CAP);
    bytes_init(&images->folder, PATH_CAP);
    bytes_init(&images->text, TEXT_CAP);
    images->output_fd = open(options->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (images->output_fd < 0)
        return outfile_because(why, -errno, options->directory);
    images->directory = strdup(options->directory);
    int r = images->directory ? image_paths_init(&images->paths) : -ENOMEM;
    if (r == 0)
        r = row_json_open(options->labels, &images->json);
    if (r < 0)
        return r;
    *ret = take(images);
    return 0;
}

static int complain(const struct per_image *images, int r, struct why *why)
{
    char path[1024];
    snprintf(path, sizeof(path), "%.300s/%.600s", images->directory, images->path.data ? images->path.data : "");
    return outfile_because(why, r, path);
}

/* Makes the folder `name` in the open one if need be, and opens it instead. */
static int enter(int *fd, const char *name)
{
    if (mkdirat(*fd, name, 0777) < 0 && errno != EEXIST)
        return -errno;
    int inner = openat(*fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (inner < 0)
        return -errno;
    close(*fd);
    *fd = inner;
    return 0;
}

/* Opens the folder path[0..size), "" for the output folder itself. */
static int open_folder(struct per_image *images, const char *path, size_t size)
{
    CLEANUP(freep) char *parts = strndup(path, size);
    CLEANUP(closep) int fd = fcntl(images->output_fd, F_DUPFD_CLOEXEC, 0);
    if (!parts || fd < 0)
        return parts ? -errno : -ENOMEM;
    int r = 0;
    for (char *part, *rest = size ? parts : NULL; r == 0 && (part = strsep(&rest, "/"));)
        r = enter(&fd, part);
    if (r < 0)
        return r;
    closep(&images->folder_fd);
    images->folder_fd = fd;
    fd = -1;
    bytes_clear(&images->folder);
    return bytes_append(&images->folder, path, size);
}

static bool is_open(const struct per_image *images, const char *path, size_t size)
{
    return images->folder_fd >= 0 && images->folder.size == size && !memcmp(images->folder.data, path, size);
}

static int write_file(int folder, const char *name, const char *data, size_t size)
{
    CLEANUP(closep) int fd = openat(folder, PART, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (fd < 0)
        return -errno;
    int r = write_all(fd, data, size);
    if (r == 0 && renameat(folder, PART, folder, name) < 0)
        r = -errno;
    if (r < 0)
        unlinkat(folder, PART, 0);
    return r;
}

static struct span key_of(const struct rec_item *item)
{
    struct span uri = row_without_query(item->uri);
    uint32_t base = item->base < uri.size ? item->base : 0;
    return (struct span){ uri.data + base, uri.size - base };
}

static int put_row(void *state, const struct export_row *row, struct why *why)
{
    struct per_image *images = state;
    int r = image_path(&images->paths, key_of(row->item), ++images->row, &images->path);
    if (r < 0)
        return complain(images, r, why);
    const char *path = images->path.data, *slash = strrchr(path, '/');
    size_t folder = slash ? (size_t)(slash - path) : 0;
    if (!is_open(images, path, folder))
        r = open_folder(images, path, folder);
    bytes_clear(&images->text);
    row_json_append(images->json, row, &images->text);
    bytes_append_char(&images->text, '\n');
    if (r == 0)
        r = bytes_error(&images->text);
    if (r == 0)
        r = write_file(images->folder_fd, slash ? slash + 1 : path, images->text.data, images->text.size);
    return r < 0 ? complain(images, r, why) : 0;
}

static int finish(void *state, struct why *why)
{
    struct per_image *images = state;
    return syncfs(images->output_fd) < 0 ? outfile_because(why, -errno, images->directory) : 0;
}

static int commit(void *state, struct why *why)
{
    (void)state;
    (void)why;
    return 0;
}

static const char *path(const void *state)
{
    (void)state;
    return NULL;
}

const struct export_kind export_per_image = { wanted, open_per_image, put_row, finish, commit, path, close_per_image };
