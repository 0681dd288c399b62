/* ranges.c: reads activation ranges [jansson.h]. The writer is ranges_write.c. */
#include "worker/weights/ranges.h"

#include "common/json.h"
#include "proto/preset.h"
#include "worker/weights/ranges_json.h"

#include <errno.h>
#include <fcntl.h>
#include <float.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>

/* What every step of reading one file needs. */
struct reading {
    const char *name;
    const struct weights *weights;
    const struct network *network;
    struct why *why;
};

bool ranges_has_pair(const struct network *network, int layer)
{
    return network->layers[layer].kind == LAYER_CONV;
}

int ranges_path(const char *weights, char *path, size_t size, struct why *why)
{
    int length = snprintf(path, size, "%s%s", weights, RANGES_SUFFIX);
    if (length < 0 || (size_t)length >= size)
        return because(why, -ENAMETOOLONG, "%.100s...: the name is too long for its ranges", weights);
    return 0;
}

void ranges_done(struct ranges *ranges)
{
    free(ranges->means);
    *ranges = (struct ranges){ .means = NULL };
}

/* ---- means -------------------------------------------------------------------------------------------------------------- */

const char *ranges_tensor_name(const struct network *network, int activation)
{
    return activation == NETWORK_IMAGE ? RANGES_IMAGE : network->layers[activation - 1].name;
}

static int read_channels(const struct reading *at, const json_t *list, int activation, float *ret)
{
    size_t count = ranges_means_count(at->network, activation);
    bool good = json_array_size(list) == count;
    for (size_t c = 0; c < count && good; c++) {
        const json_t *value = json_array_get(list, c);
        ret[c] = (float)json_number_value(value);
        good = json_is_number(value) && fabsf(ret[c]) <= RANGES_LARGEST;
    }
    return good ? 0 : because(at->why, -EINVAL, "%s: the means of tensor %s are not %zu numbers; " RANGES_AGAIN, at->name,
                              ranges_tensor_name(at->network, activation), count);
}

static int read_means(const struct reading *at, const json_t *means, struct ranges *ranges)
{
    size_t tensors = 0;
    if (!means)
        return 0;
    ranges->means = calloc(ranges_means_offset(at->network, at->network->count + 1), sizeof(*ranges->means));
    if (!ranges->means)
        return because(at->why, -ENOMEM, "%s: no memory for the means", at->name);
    for (int a = 0; a <= at->network->count; a++) {
        if (!ranges_means_count(at->network, a))
            continue;
        int r = read_channels(at, json_object_get(means, ranges_tensor_name(at->network, a)), a, ranges->means + ranges_means_offset(at->network, a));
        if (r < 0)
            return r;
        tensors++;
    }
    if (json_object_size(means) != tensors)
        return because(at->why, -EINVAL, "%s: it has means of %zu tensors, %s has %zu; " RANGES_AGAIN, at->name, json_object_size(means),
                       at->network->name, tensors);
    return 0;
}

/* ---- pairs -------------------------------------------------------------------------------------------------------------- */

bool ranges_has_step(struct range range)
{
    return (range.high - range.low) / RANGES_LEVELS >= FLT_MIN;
}

/* What is wrong with a pair, or NULL. */
static const char *fault(struct range range, bool relu)
{
    if (!isfinite(range.low) || !isfinite(range.high) || range.low < -RANGES_LARGEST || range.high > RANGES_LARGEST)
        return "it is not finite";
    if (range.low > 0 || range.high < 0)
        return "0 is not in it";
    if (!(range.high > range.low))
        return "it is empty";
    if (!ranges_has_step(range))
        return "it is too narrow for its levels";
    if (relu && range.low < 0)
        return "it begins below 0, and the tensor is behind a ReLU";
    return NULL;
}

struct range ranges_of_pixels(const float mean[3], const float std[3])
{
    struct range range = { 0, 0 };
    for (int c = 0; c < 3; c++) {
        range.low = fminf(range.low, (0 - mean[c]) / std[c]);
        range.high = fmaxf(range.high, (1 - mean[c]) / std[c]);
    }
    return range;
}

static int hash(struct ranges *ranges, const struct network *network, struct why *why)
{
    char parts[2][SHA256_HEX] = { "", "" };
    size_t means = ranges->means ? ranges_means_offset(network, network->count + 1) : 0;
    if (sha256_memory(ranges->of, ((size_t)network->count + 1) * sizeof(ranges->of[0]), parts[0]) < 0 ||
        (means && sha256_memory(ranges->means, means * sizeof(*ranges->means), parts[1]) < 0) ||
        sha256_memory(parts, sizeof(parts), ranges->sha256) < 0)
        return because(why, -ENOMEM, "no memory to hash the ranges");
    return 0;
}

int ranges_finish(struct ranges *ranges, const struct network *network, struct why *why)
{
    const char *wrong = fault(ranges->of[NETWORK_IMAGE], false), *name = RANGES_IMAGE;
    for (int i = 0; i < network->count && !wrong; i++) {
        const struct layer *layer = &network->layers[i];
        name = layer->name;
        if (ranges_has_pair(network, i))
            wrong = fault(ranges->of[i + 1], layer->relu);
        else
            ranges->of[i + 1] = layer->kind == LAYER_FC ? (struct range){ 0, 0 } : ranges->of[layer->input];
    }
    if (wrong)
        return because(why, -EINVAL, "the range of tensor %s is impossible: %s", name, wrong);
    return hash(ranges, network, why);
}

static int read_pair(const struct reading *at, const json_t *tensors, const char *name, struct range *ret)
{
    const json_t *pair = json_object_get(tensors, name);
    if (!pair)
        return because(at->why, -EINVAL, "%s: the range of tensor %s is missing; " RANGES_AGAIN, at->name, name);
    const json_t *low = json_array_get(pair, 0), *high = json_array_get(pair, 1);
    if (json_array_size(pair) != 2 || !json_is_number(low) || !json_is_number(high))
        return because(at->why, -EINVAL, "%s: the range of tensor %s is not a pair of numbers; " RANGES_AGAIN, at->name, name);
    *ret = (struct range){ (float)json_number_value(low), (float)json_number_value(high) };
    return 0;
}

static int read_tensors(const struct reading *at, const json_t *tensors, struct ranges *ranges)
{
    size_t pairs = 1;
    int r = read_pair(at, tensors, RANGES_IMAGE, &ranges->of[NETWORK_IMAGE]);
    for (int i = 0; i < at->network->count && r == 0; i++)
        if (ranges_has_pair(at->network, i)) {
            r = read_pair(at, tensors, at->network->layers[i].name, &ranges->of[i + 1]);
            pairs++;
        }
    if (r < 0)
        return r;
    if (json_object_size(tensors) != pairs)
        return because(at->why, -EINVAL, "%s: it has ranges of %zu tensors, %s has %zu; " RANGES_AGAIN, at->name, json_object_size(tensors),
                       at->network->name, pairs);
    r = ranges_finish(ranges, at->network, at->why);
    return r < 0 ? because_in(at->why, r, "%s", at->name) : 0;
}

/* ---- sets --------------------------------------------------------------------------------------------------------------- */

int ranges_json_triple(const json_t *array, float ret[3])
{
    if (json_array_size(array) != 3)
        return -EINVAL;
    for (size_t i = 0; i < 3; i++) {
        const json_t *value = json_array_get(array, i);
        ret[i] = (float)json_number_value(value);
        if (!json_is_number(value) || !isfinite(ret[i]))
            return -EINVAL;
    }
    return 0;
}

bool ranges_same_triple(const float a[3], const float b[3])
{
    return a[0] == b[0] && a[1] == b[1] && a[2] == b[2];
}

static int read_count(const json_t *set, const char *key, int most, int *ret)
{
    const json_t *value = json_object_get(set, key);
    json_int_t number = json_integer_value(value);
    if (!json_is_integer(value) || number < 1 || number > most)
        return -EINVAL;
    *ret = (int)number;
    return 0;
}

static int read_set(const struct reading *at, const json_t *set, struct ranges *ranges)
{
    const char *clipping = json_string_value(json_object_get(set, "clipping"));
    const json_t *agreement = json_object_get(set, "agreement");
    ranges->agreement = json_number_value(agreement);
    if (read_count(set, "resize", RANGES_IMAGES_MAX, &ranges->resize) < 0 || read_count(set, "crop", RANGES_IMAGES_MAX, &ranges->crop) < 0 ||
        read_count(set, "images", RANGES_IMAGES_MAX, &ranges->images) < 0 || !clipping || strlen(clipping) >= sizeof(ranges->clipping) ||
        !json_is_number(agreement) || !(ranges->agreement >= 0 && ranges->agreement <= 1))
        return because(at->why, -EINVAL, "%s: a set needs \"resize\", \"crop\", \"images\", \"clipping\" and \"agreement\", and one is missing or "
                       "impossible; " RANGES_AGAIN, at->name);
    snprintf(ranges->clipping, sizeof(ranges->clipping), "%s", clipping);
    int r = read_means(at, json_object_get(set, "means"), ranges);
    return r < 0 ? r : read_tensors(at, json_object_get(set, "tensors"), ranges);
}

static int check_sets(const struct reading *at, const json_t *sets)
{
    if (!json_is_array(sets) || json_array_size(sets) > RANGES_SETS_MAX)
        return because(at->why, -EINVAL, "%s: \"sets\" is not a list of at most %d; " RANGES_AGAIN, at->name, RANGES_SETS_MAX);
    return 0;
}

static int read_normalisation(const struct reading *at, const json_t *set, size_t i, struct ranges *ranges)
{
    if (ranges_json_triple(json_object_get(set, "mean"), ranges->mean) < 0 || ranges_json_triple(json_object_get(set, "std"), ranges->std) < 0)
        return because(at->why, -EINVAL, "%s: set %zu has no \"mean\" and \"std\" of three numbers; " RANGES_AGAIN, at->name, i);
    return 0;
}

/* How calibrate is told of such pixels. */
static void name_preset(const float mean[3], const float std[3], char text[160])
{
    const struct preset *preset;
    for (int i = 0; (preset = preset_at(i)); i++)
        if (ranges_same_triple(preset->mean, mean) && ranges_same_triple(preset->std, std)) {
            snprintf(text, 160, "--preset %s", preset->name);
            return;
        }
    snprintf(text, 160, "--mean %g,%g,%g --std %g,%g,%g", (double)mean[0], (double)mean[1], (double)mean[2], (double)std[0], (double)std[1], (double)std[2]);
}

static int find_set(const struct reading *at, const json_t *sets, const float mean[3], const float std[3], struct ranges *ranges)
{
    int r = check_sets(at, sets);
    for (size_t i = 0; i < json_array_size(sets) && r == 0; i++) {
        const json_t *set = json_array_get(sets, i);
        r = read_normalisation(at, set, i, ranges);
        if (r < 0)
            break;
        if (ranges_same_triple(ranges->mean, mean) && ranges_same_triple(ranges->std, std))
            return read_set(at, set, ranges);
    }
    if (r < 0)
        return r;
    char options[160];
    name_preset(mean, std, options);
    return because(at->why, -ENOENT, "%s: its ranges are for other preprocessing, not for pixels with mean %g,%g,%g and std %g,%g,%g; calibrate for "
                   "these, too: sleddog-worker calibrate %s", at->name, (double)mean[0], (double)mean[1], (double)mean[2],
                   (double)std[0], (double)std[1], (double)std[2], options);
}

/* ---- files -------------------------------------------------------------------------------------------------------------- */

int ranges_json_parse(const char *name, const char *text, size_t size, json_t **ret, struct why *why)
{
    json_error_t error;
    json_t *file = json_read(text, size, JSON_REJECT_DUPLICATES, &error);
    if (json_refused()) {
        json_decref(file);
        return because(why, -ENOMEM, "%s: no memory for the ranges", name);
    }
    if (!file)
        return because(why, -EINVAL, "%s: damaged: line %d is not valid JSON: %s; " RANGES_AGAIN, name, error.line, error.text);
    const char *format = json_string_value(json_object_get(file, "format"));
    int r = 0;
    if (!format || strncmp(format, RANGES_FORMAT_ANY, strlen(RANGES_FORMAT_ANY)))
        r = because(why, -EINVAL, "%s: not a file of activation ranges; sleddog-worker calibrate makes one", name);
    else if (strcmp(format, RANGES_FORMAT))
        r = because(why, -EINVAL, "%s: is \"%.40s\", and this program reads \"" RANGES_FORMAT "\"; " RANGES_AGAIN, name, format);
    if (r < 0)
        json_decref(file);
    else
        *ret = file;
    return r;
}

int ranges_json_check(const char *name, const json_t *file, const struct weights *weights, const struct network *network, struct why *why)
{
    const char *sha256 = json_string_value(json_object_get(file, "weights")), *of = json_string_value(json_object_get(file, "network"));
    if (!sha256 || !of)
        return because(why, -EINVAL, "%s: damaged: it does not say of which \"weights\" and \"network\" it is; " RANGES_AGAIN, name);
    if (strcmp(sha256, weights->sha256))
        return because(why, -EINVAL, "%s: is of other weights (sha256 %.12s...) than %s (%.12s...); " RANGES_AGAIN, name, sha256, weights->path,
                       weights->sha256);
    if (strcmp(of, network->name))
        return because(why, -EINVAL, "%s: is of network %.40s, and these weights are a %s; " RANGES_AGAIN, name, of, network->name);
    return 0;
}

int ranges_from_memory(const char *name, const char *text, size_t size, const struct weights *weights, const struct network *network,
                       const float mean[3], const float std[3], struct ranges *ret, struct why *why)
{
    const struct reading at = { name, weights, network, why };
    struct ranges ranges = { .images = 0 };
    CLEANUP(json_decrefp) json_t *file = NULL;
    int r = ranges_json_parse(name, text, size, &file, why);
    if (r == 0)
        r = ranges_json_check(name, file, weights, network, why);
    if (r == 0)
        r = find_set(&at, json_object_get(file, "sets"), mean, std, &ranges);
    if (r < 0)
        ranges_done(&ranges);
    else
        *ret = ranges;
    return r;
}

int ranges_json_read(const char *path, char **ret, size_t *ret_size, struct why *why)
{
    CLEANUP(closep) int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) < 0)
        return because(why, -errno, "%s: cannot open the activation ranges: %s", path, strerror(errno));
    if (!S_ISREG(status.st_mode))
        return because(why, -EINVAL, "%s: not a regular file, so no activation ranges", path);
    if (status.st_size > LIMIT_RANGES)
        return because(why, -EFBIG, "%s: %lld bytes, and activation ranges may have %u at most", path, (long long)status.st_size, LIMIT_RANGES);
    size_t size = (size_t)status.st_size, got = 0;
    CLEANUP(freep) char *text = malloc(size + 1);
    if (!text)
        return because(why, -ENOMEM, "%s: no memory for the ranges", path);
    while (got < size) {
        ssize_t n = read(fd, text + got, size - got);
        if (n < 0)
            return because(why, -errno, "%s: cannot read: %s", path, strerror(errno));
        if (n == 0)
            break;
        got += (size_t)n;
    }
    *ret = take(text);
    *ret_size = got;
    return 0;
}

int ranges_open(const char *path, const struct weights *weights, const struct network *network, const float mean[3], const float std[3],
                struct ranges *ret, struct why *why)
{
    CLEANUP(freep) char *text = NULL;
    size_t size;
    int r = ranges_json_read(path, &text, &size, why);
    return r < 0 ? r : ranges_from_memory(path, text, size, weights, network, mean, std, ret, why);
}

static int read_all_sets(const struct reading *at, const json_t *sets, ranges_take *take_set, void *arg)
{
    int r = check_sets(at, sets);
    for (size_t i = 0; i < json_array_size(sets) && r == 0; i++) {
        struct ranges ranges = { .images = 0 };
        r = read_normalisation(at, json_array_get(sets, i), i, &ranges);
        if (r == 0)
            r = read_set(at, json_array_get(sets, i), &ranges);
        if (r == 0)
            take_set(arg, &ranges);
        ranges_done(&ranges);
    }
    return r;
}

int ranges_each(const char *path, const struct weights *weights, const struct network *network, ranges_take *take_set, void *arg, struct why *why)
{
    const struct reading at = { path, weights, network, why };
    CLEANUP(json_decrefp) json_t *file = NULL;
    CLEANUP(freep) char *text = NULL;
    size_t size;
    int r = ranges_json_read(path, &text, &size, why);
    if (r == 0)
        r = ranges_json_parse(path, text, size, &file, why);
    if (r == 0)
        r = ranges_json_check(path, file, weights, network, why);
    return r < 0 ? r : read_all_sets(&at, json_object_get(file, "sets"), take_set, arg);
}
