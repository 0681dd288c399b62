/* pth_zip.c: PyTorch's files since 1.6: a zip archive whose entries are stored, not compressed [zlib.h for CRC-32].
 *
 *     NAME/data.pkl     the pickled state_dict; its storages are named by keys
 *     NAME/data/KEY     the numbers of a storage
 *     NAME/byteorder    "little", in newer files
 *
 * The directory at the end decides; of a local header only the two lengths are read that say where its data begin. Entries may
 * not overlap beyond the file's size, so that checking all of them takes no longer than reading the file.
 * Source: APPNOTE.TXT 6.3.10 (sections 4.3.7, 4.3.12 to 4.3.16), torch/serialization.py, caffe2/serialize/inline_container.cc. */
#include "worker/weights/pth.h"

#include <errno.h>
#include <string.h>
#include <zlib.h>

#define END_SIZE       22u
#define LOCATOR_SIZE   20u
#define END64_SIZE     56u
#define ENTRY_SIZE     46u
#define LOCAL_SIZE     30u
#define COMMENT_MAX    65535u
#define PICKLE_MAX     (16u << 20) /* bytes */
#define ENCRYPTED      1u

/* An entry of the directory. */
struct member {
    char *name;
    uint64_t local; /* offset of its local header */
    uint64_t size;  /* bytes in the file */
    uint64_t plain; /* bytes it says it would have uncompressed */
    int method, flags;
    uint32_t crc;
    bool checked;
};

struct archive {
    const struct weights *weights;
    struct member *members; /* by name */
    size_t count;
    char prefix[256];       /* "NAME/" */
    struct why *why;
};

static uint64_t number_at(const uint8_t *bytes, int size)
{
    uint64_t number = 0;
    for (int i = size - 1; i >= 0; i--)
        number = number << 8 | bytes[i];
    return number;
}

static int damaged(const struct archive *archive, const char *what)
{
    return because(archive->why, -EINVAL, "%s: %s; is the file complete? download it again", archive->weights->path, what);
}

/* ---- the end of the archive: where the directory is ------------------------------------------------------------------ */

struct directory {
    uint64_t offset, size, count;
};

static const uint8_t *find_end(const struct weights *weights)
{
    const uint8_t *bytes = weights->bytes;
    size_t size = weights->size, lowest = size > COMMENT_MAX + END_SIZE ? size - COMMENT_MAX - END_SIZE : 0;
    for (size_t at = size < END_SIZE ? 0 : size - END_SIZE + 1; at-- > lowest;)
        if (!memcmp(bytes + at, "PK\5\6", 4) && number_at(bytes + at + 20, 2) == size - at - END_SIZE)
            return bytes + at;
    return NULL;
}

static int find_directory(const struct archive *archive, struct directory *ret)
{
    const struct weights *weights = archive->weights;
    const uint8_t *bytes = weights->bytes, *end = find_end(weights);
    if (!end)
        return damaged(archive, "the zip archive has no directory at its end");
    *ret = (struct directory){ .offset = number_at(end + 16, 4), .size = number_at(end + 12, 4), .count = number_at(end + 10, 2) };
    size_t at = (size_t)(end - bytes);
    if (at >= LOCATOR_SIZE && !memcmp(end - LOCATOR_SIZE, "PK\6\7", 4)) {
        uint64_t end64 = number_at(end - LOCATOR_SIZE + 8, 8);
        if (weights->size < END64_SIZE || end64 > weights->size - END64_SIZE || memcmp(bytes + end64, "PK\6\6", 4))
            return damaged(archive, "the zip archive's 64-bit directory is not where it says");
        *ret = (struct directory){ .offset = number_at(bytes + end64 + 48, 8), .size = number_at(bytes + end64 + 40, 8),
                                   .count = number_at(bytes + end64 + 32, 8) };
    }
    if (ret->offset > weights->size || ret->size > weights->size - ret->offset || ret->count > ret->size / ENTRY_SIZE)
        return damaged(archive, "the zip archive's directory reaches beyond the file");
    if (ret->count > WEIGHTS_TENSORS_MAX + 16)
        return damaged(archive, "the zip archive has more entries than weights can have");
    return 0;
}

/* ---- the directory ---------------------------------------------------------------------------------------------------- */

static int refuse_member(const struct archive *archive, const struct member *member, const char *what)
{
    return because(archive->why, -EINVAL, "%s: entry %.200s %s; re-save the weights with torch.save(model.state_dict(), ...)",
                   archive->weights->path, member->name, what);
}

/* Reads the entry at `at`, which has `room` bytes at least; returns how many it takes, or negative errno. */
static int64_t read_member(struct archive *archive, const uint8_t *at, size_t room)
{
    if (room < ENTRY_SIZE || memcmp(at, "PK\1\2", 4))
        return damaged(archive, "the zip archive's directory is damaged");
    size_t name = number_at(at + 28, 2), length = ENTRY_SIZE + name + number_at(at + 30, 2) + number_at(at + 32, 2);
    if (length > room || name >= TENSOR_NAME_MAX || memchr(at + ENTRY_SIZE, '\0', name))
        return damaged(archive, "the zip archive's directory is damaged");
    struct member *member = &archive->members[archive->count];
    *member = (struct member){ .name = strndup((const char *)at + ENTRY_SIZE, name), .local = number_at(at + 42, 4),
                               .size = number_at(at + 20, 4), .plain = number_at(at + 24, 4), .method = (int)number_at(at + 10, 2),
                               .flags = (int)number_at(at + 8, 2), .crc = (uint32_t)number_at(at + 16, 4) };
    if (!member->name)
        return because(archive->why, -ENOMEM, "%s: no memory", archive->weights->path);
    archive->count++;
    if (member->size > archive->weights->size || member->local > archive->weights->size)
        return damaged(archive, "an entry of the zip archive reaches beyond the file");
    return (int64_t)length;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct member *)a)->name, ((const struct member *)b)->name);
}

static int check_members(const struct archive *archive)
{
    uint64_t total = 0;
    for (size_t i = 0; i < archive->count; i++) {
        total += archive->members[i].size;
        if (i && !by_name(&archive->members[i - 1], &archive->members[i]))
            return refuse_member(archive, &archive->members[i], "is there twice");
    }
    return total > archive->weights->size ? damaged(archive, "entries of the zip archive overlap") : 0;
}

static int read_directory(struct archive *archive)
{
    struct directory directory = { 0 };
    int r = find_directory(archive, &directory);
    if (r < 0)
        return r;
    archive->members = calloc(directory.count + 1, sizeof(archive->members[0]));
    if (!archive->members)
        return because(archive->why, -ENOMEM, "%s: no memory", archive->weights->path);
    const uint8_t *at = archive->weights->bytes + directory.offset;
    for (size_t room = directory.size; archive->count < directory.count;) {
        int64_t length = read_member(archive, at, room);
        if (length < 0)
            return (int)length;
        at += length;
        room -= (size_t)length;
    }
    const char *first = archive->count ? archive->members[0].name : "", *slash = strchr(first, '/');
    if (!slash || (size_t)(slash - first) + 2 > sizeof(archive->prefix))
        return because(archive->why, -EINVAL, "%s: a zip archive, but not one of PyTorch's; give a .pth or .safetensors file",
                       archive->weights->path);
    snprintf(archive->prefix, sizeof(archive->prefix), "%.*s/", (int)(slash - first), first);
    qsort(archive->members, archive->count, sizeof(archive->members[0]), by_name);
    return check_members(archive);
}

/* ---- entries ---------------------------------------------------------------------------------------------------------- */

static struct member *find_member(const struct archive *archive, const char *folder, const char *name)
{
    char path[2 * TENSOR_NAME_MAX];
    snprintf(path, sizeof(path), "%s%s%s", archive->prefix, folder, name);
    struct member key = { .name = path };
    return bsearch(&key, archive->members, archive->count, sizeof(key), by_name);
}

/* Its bytes, once their checksum was found right. */
static int open_member(const struct archive *archive, struct member *member, const uint8_t **ret)
{
    const struct weights *weights = archive->weights;
    const uint8_t *local = weights->bytes + member->local;
    size_t room = weights->size - member->local;
    if (member->flags & ENCRYPTED)
        return refuse_member(archive, member, "is encrypted");
    if (member->method || member->plain != member->size)
        return refuse_member(archive, member, "is compressed, and PyTorch's never are");
    if (room < LOCAL_SIZE || memcmp(local, "PK\3\4", 4))
        return refuse_member(archive, member, "is not where the archive's directory says");
    size_t skip = LOCAL_SIZE + number_at(local + 26, 2) + number_at(local + 28, 2);
    if (skip > room || member->size > room - skip)
        return damaged(archive, "an entry of the zip archive reaches beyond the file");
    if (!member->checked && crc32_z(0, local + skip, member->size) != member->crc)
        return because(archive->why, -EINVAL, "%s: entry %.200s does not have its checksum; the file is damaged, download it again",
                       weights->path, member->name);
    member->checked = true;
    *ret = local + skip;
    return 0;
}

static int check_byteorder(const struct archive *archive)
{
    struct member *member = find_member(archive, "", "byteorder");
    const uint8_t *bytes;
    int r = member ? open_member(archive, member, &bytes) : 0;
    if (r == 0 && member && (member->size != 6 || memcmp(bytes, "little", 6)))
        return refuse_member(archive, member, "says that the numbers are not little-endian; re-save them on such a machine");
    return r;
}

static int load_pickle(struct archive *archive, struct pickle *pickle, struct pickle_value **ret)
{
    struct member *member = find_member(archive, "", "data.pkl");
    const uint8_t *bytes;
    size_t used;
    if (!member)
        return because(archive->why, -EINVAL, "%s: a zip archive without %.200sdata.pkl, so none of PyTorch's; give a .pth or "
                       ".safetensors file", archive->weights->path, archive->prefix);
    if (member->size > PICKLE_MAX)
        return refuse_member(archive, member, "is larger than 16 MB, so it holds more than weights");
    int r = open_member(archive, member, &bytes);
    return r < 0 ? r : pickle_load(pickle, bytes, member->size, &used, ret, archive->why);
}

static int find_storage(const struct archive *archive, struct pickle_storage *storage)
{
    struct member *member = find_member(archive, "data/", storage->key);
    uint64_t bytes;
    if (!member)
        return because(archive->why, -EINVAL, "%s: entry %.200sdata/%.64s is missing; the file is damaged", archive->weights->path,
                       archive->prefix, storage->key);
    if (__builtin_mul_overflow(storage->count, dtype_size(storage->dtype), &bytes) || bytes != member->size)
        return refuse_member(archive, member, "has another size than its tensors need");
    return open_member(archive, member, &storage->data);
}

static int read_archive(struct archive *archive, struct weights *weights, struct pickle *pickle)
{
    struct pickle_value *root = NULL;
    const struct pickle_value *dict = NULL;
    int r = read_directory(archive);
    if (r == 0)
        r = check_byteorder(archive);
    if (r == 0)
        r = load_pickle(archive, pickle, &root);
    for (struct pickle_storage *storage = pickle->storages; storage && r == 0; storage = storage->next)
        r = find_storage(archive, storage);
    if (r == 0)
        r = pth_state_dict(weights->path, root, &dict, archive->why);
    return r < 0 ? r : pth_tensors(weights, dict, archive->why);
}

static bool recognise(const uint8_t *bytes, size_t size)
{
    return size > 4 && !memcmp(bytes, "PK\3\4", 4);
}

static int pth_zip_read(struct weights *weights, struct why *why)
{
    struct archive archive = { .weights = weights, .why = why };
    struct pickle pickle;
    pickle_init(&pickle, weights->path);
    int r = read_archive(&archive, weights, &pickle);
    for (size_t i = 0; i < archive.count; i++)
        free(archive.members[i].name);
    free(archive.members);
    pickle_done(&pickle);
    return r;
}

const struct weights_reader pth_zip_reader = { "pth (zip)", recognise, pth_zip_read };
