#include "worker/calibration/gallery.h"

#include "common/cleanup.h"
#include "worker/fetch.h"
#include "worker/image/preprocess.h"

#include <errno.h>
#include <fts.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define JUDGES 4 /* every so manieth image */
#define DECODE_LIMIT_NS (20 * 1000000000ull)
#define KEPT_MAX ((size_t)256 << 20) /* bytes of pixels */

/* ---- the list ----------------------------------------------------------------------------------------------------------- */

DEFINE_FREEP(fts_close, FTS)

static int add(struct gallery *gallery, const char *path)
{
    if ((gallery->count & (gallery->count - 1)) == 0) { /* 0, or a power of two: full */
        size_t room = gallery->count ? 2 * (size_t)gallery->count : 1;
        struct gallery_image *images = realloc(gallery->images, room * sizeof(*images));
        if (!images)
            return -ENOMEM;
        gallery->images = images;
    }
    char *copy = gallery->count < INT_MAX / 2 ? strdup(path) : NULL;
    if (!copy)
        return -ENOMEM;
    gallery->images[gallery->count++] = (struct gallery_image){ .path = copy };
    return 0;
}

static int walk(struct gallery *gallery, const char *folder, struct why *why)
{
    char *roots[] = { (char *)folder, NULL };
    CLEANUP(fts_closep) FTS *fts = fts_open(roots, FTS_LOGICAL | FTS_NOCHDIR, NULL);
    if (!fts)
        return because(why, -errno, "%s: cannot be listed: %s", folder, strerror(errno));
    FTSENT *entry;
    while ((errno = 0, entry = fts_read(fts))) {
        int r = 0;
        if (entry->fts_info == FTS_F)
            r = add(gallery, entry->fts_path);
        else if (entry->fts_info == FTS_ERR || entry->fts_info == FTS_DNR || (entry->fts_info == FTS_NS && entry->fts_level == 0))
            return because(why, -entry->fts_errno, "%s: cannot be listed: %s", entry->fts_path, strerror(entry->fts_errno));
        if (r < 0)
            return because(why, r, "%s: no memory for its list of files", folder);
    }
    return errno ? because(why, -errno, "%s: cannot be listed: %s", folder, strerror(errno)) : 0;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct gallery_image *)a)->path, ((const struct gallery_image *)b)->path);
}

/* Keeps `most`, evenly spread. */
static void thin(struct gallery *gallery, int most)
{
    int kept = 0;
    for (int i = 0; i < gallery->count; i++) {
        bool keep = (int64_t)(i + 1) * most / gallery->count > (int64_t)i * most / gallery->count;
        if (keep)
            gallery->images[kept++] = gallery->images[i];
        else
            free(gallery->images[i].path);
    }
    gallery->count = kept;
}

int gallery_open(struct gallery *gallery, const char *folder, int most, struct why *why)
{
    char absolute[PATH_MAX];
    if (!realpath(folder, absolute))
        return because(why, -errno, "%s: cannot be looked into: %s; give --images a folder of images", folder, strerror(errno));
    int r = walk(gallery, absolute, why);
    if (r < 0)
        return r;
    if (!gallery->count)
        return because(why, -ENOENT, "%s: there are no files in it; give a folder of images like those that will be classified", folder);
    qsort(gallery->images, (size_t)gallery->count, sizeof(gallery->images[0]), by_path);
    if (gallery->count > most)
        thin(gallery, most);
    return 0;
}

void gallery_done(struct gallery *gallery)
{
    for (int i = 0; i < gallery->count; i++) {
        free(gallery->images[i].path);
        free(gallery->images[i].pixels);
    }
    free(gallery->images);
    *gallery = (struct gallery){ .images = NULL };
}

bool gallery_judges(const struct gallery *gallery, int i)
{
    return i % JUDGES == JUDGES - 1 || gallery->count < JUDGES;
}

/* ---- through an engine --------------------------------------------------------------------------------------------------- */

/* One run: images are sent in order, and their rows come back in it. */
struct run {
    struct gallery *gallery;
    bool judges;
    const struct engines_opened *it;
    struct preprocess *preprocess;
    gallery_row *row;
    void *arg;
    int next;   /* image to look at */
    int *sent;  /* (count) images in the order in which they were sent */
    int count, done;
};

static int reserve_any(void *arg, size_t size)
{
    (void)arg;
    (void)size;
    return 0;
}

static int decode(struct run *run, const char *path, struct why *why)
{
    struct rec_item item = { .uri = { path, (uint32_t)strlen(path) } };
    CLEANUP(freep) char *file = NULL;
    size_t size;
    if (fetch(&item, &(struct fetch_reader){ .reserve = reserve_any }, &file, &size, why))
        return -EIO;
    return preprocess_decode(run->preprocess, file, size, why);
}

/* Those that judge are wanted again and again. Without memory for that they are decoded again. */
static void keep(struct gallery *gallery, struct gallery_image *image, const uint8_t *pixels, size_t size)
{
    if (size > KEPT_MAX - gallery->kept || !(image->pixels = malloc(size)))
        return;
    memcpy(image->pixels, pixels, size);
    gallery->kept += size;
}

/* The pixels of an image: 1, or 0 when it is not readable. A refusal of memory is no image's fault. */
static int look_at(struct run *run, struct gallery_image *image, uint8_t *pixels, struct why *why)
{
    struct gallery *gallery = run->gallery;
    size_t size = run->it->ops->info(run->it->engine)->image_bytes;
    if (image->pixels) {
        memcpy(pixels, image->pixels, size);
        return 1;
    }
    int r = decode(run, image->path, why);
    if (r == -ENOMEM)
        return because_in(why, r, "%s", image->path);
    if (r == 0) {
        preprocess_render(run->preprocess, pixels);
        if (run->judges)
            keep(gallery, image, pixels, size);
        return 1;
    }
    image->unreadable = true;
    gallery->unreadable++;
    if (gallery->tell)
        gallery->tell(image->path, why->text);
    return 0;
}

/* The pixels of the next image that takes part: 1; 0 after the last. */
static int next_image(struct run *run, uint8_t *pixels, struct why *why)
{
    struct gallery *gallery = run->gallery;
    int r = 0;
    while (r == 0 && run->next < gallery->count) {
        int i = run->next++;
        bool takes_part = gallery->count < JUDGES || gallery_judges(gallery, i) == run->judges;
        if (gallery->images[i].unreadable || !takes_part)
            continue;
        r = look_at(run, &gallery->images[i], pixels, why);
        if (r == 1)
            run->sent[run->count++] = i;
    }
    return r;
}

/* Fills a slot. Returns how many images are in it. */
static int fill(struct run *run, struct engine_slot *slot, struct why *why)
{
    const struct engine_info *info = run->it->ops->info(run->it->engine);
    int n = 0, r = 1;
    while (n < info->batch && (r = next_image(run, slot->pixels + (size_t)n * info->image_bytes, why)) == 1)
        n++;
    return r < 0 ? r : n;
}

static int collect(struct run *run, struct why *why)
{
    const struct engine_info *info = run->it->ops->info(run->it->engine);
    struct engine_slot *slot;
    int r = run->it->ops->wait(run->it->engine, &slot, why);
    if (r < 0)
        return r;
    for (int i = 0; i < slot->count; i++)
        run->row(run->arg, run->sent[run->done++], slot->values + (size_t)i * info->values);
    run->it->ops->slot_release(run->it->engine, slot);
    return 0;
}

/* Sends one more slot. 1; 0 when there is nothing more to send. */
static int send(struct run *run, struct why *why)
{
    struct engine_slot *slot;
    int r = run->it->ops->slot_acquire(run->it->engine, &slot);
    if (r < 0)
        return because(why, r, "the engine lends no slot");
    int n = fill(run, slot, why);
    if (n > 0)
        r = run->it->ops->submit(run->it->engine, slot, n, why);
    else
        run->it->ops->slot_release(run->it->engine, slot);
    return r < 0 ? r : n < 0 ? n : n > 0;
}

static int run_all(struct run *run, struct why *why)
{
    int slots = run->it->ops->info(run->it->engine)->slots, under_way = 0, r = 1;
    while (r > 0 || under_way > 0) {
        if (r > 0 && under_way < slots) {
            if ((r = send(run, why)) < 0)
                return r;
            under_way += r;
        } else {
            int collected = collect(run, why);
            if (collected < 0)
                return collected;
            under_way--;
        }
    }
    return 0;
}

int gallery_run(struct gallery *gallery, bool judges, const struct preset *preset, const struct engines_opened *it, gallery_row *row, void *arg,
                struct why *why)
{
    struct preprocess_spec spec = { .resize = preset->resize, .crop = preset->crop, .interpolation = preset->interpolation,
                                    .exif_orient = preset->exif_orient, .cpu_limit_ns = DECODE_LIMIT_NS };
    CLEANUP(preprocess_freep) struct preprocess *preprocess = NULL;
    CLEANUP(freep) int *sent = calloc((size_t)gallery->count + 1, sizeof(*sent));
    int r = sent ? preprocess_new(&spec, &preprocess) : -ENOMEM;
    if (r < 0)
        return because(why, r, "no memory to decode images");
    struct run run = { .gallery = gallery, .judges = judges, .it = it, .preprocess = preprocess, .row = row, .arg = arg, .sent = sent };
    return run_all(&run, why);
}
