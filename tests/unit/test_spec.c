#include "coordinator/spec.h"

#include "tests/test.h"

static struct spec sample(char **sources)
{
    sources[0] = (char *)"/photos/\xff\xfe caf\xc3\xa9";
    sources[1] = (char *)"sim:5 \"quoted\"\n";
    return (struct spec){
        .job = (char *)"id", .version = (char *)"1", .sources = sources, .source_count = 2, .folder = (char *)"/here\x80",
        .null_separated = true, .weights = (char *)"/w", .weights_sha256 = (char *)"", .labels = (char *)"/l\xff", .truth = (char *)"(n[0-9]+)",
        .preset = (char *)"torchvision", .resize = 256, .crop = 224, .mean = { 0.485f, 0, -1 }, .std = { 0.229f, 1, 2 },
        .interpolation = INTERPOLATION_BOX, .exif_orient = true,
        .emit = ROW_LOGITS, .top = 5, .batch = 60, .precision = (char *)"int8", .recheck = 10, .sample = 7, .limit = 5000000000, .output = (char *)"/o", .formats = (char *)"jsonl,csv", .per_image = true,
        .created = 1766000000.123456,
    };
}

static char *sample_json(void)
{
    char *sources[2], *json;
    struct spec spec = sample(sources);
    struct why why;
    CHECK_INT(spec_to_json(&spec, &json, &why), 0);
    return json;
}

TEST(a_description_survives_json_with_any_bytes_in_its_paths)
{
    char *sources[2], *json = sample_json();
    struct spec sent = sample(sources), *got;
    struct why why;
    CHECK_INT(spec_from_json(json, &got, &why), 0);
#define SAME_TEXT(member) CHECK_STR(got->member, sent.member)
    SAME_TEXT(job);
    SAME_TEXT(version);
    SAME_TEXT(folder);
    SAME_TEXT(weights);
    SAME_TEXT(weights_sha256);
    SAME_TEXT(labels);
    SAME_TEXT(truth);
    SAME_TEXT(preset);
    SAME_TEXT(output);
    SAME_TEXT(formats);
    SAME_TEXT(precision);
    CHECK_INT(got->source_count, 2);
    SAME_TEXT(sources[0]);
    SAME_TEXT(sources[1]);
    CHECK(got->resize == 256 && got->crop == 224 && got->emit == ROW_LOGITS && got->top == 5 && got->batch == 60 && got->recheck == 10 && got->sample == 7 && got->limit == 5000000000);
    CHECK(got->interpolation == INTERPOLATION_BOX && got->exif_orient);
    CHECK(got->null_separated && got->per_image && !got->mixed && got->created == sent.created);
    CHECK(!memcmp(got->mean, sent.mean, sizeof(sent.mean)) && !memcmp(got->std, sent.std, sizeof(sent.std)));
    spec_free(got);
    spec_free(NULL);
    free(json);
}

static void check_damaged(const char *json)
{
    struct spec *spec;
    struct why why;
    int r = spec_from_json(json, &spec, &why);
    if (r != -EBADMSG)
        test_fail(__FILE__, __LINE__, "%d for %s", r, json);
    CHECK_CONTAINS(why.text, "the job's description in job.db is damaged");
}

TEST(json_cut_anywhere_is_refused)
{
    char *json = sample_json();
    for (size_t size = strlen(json); size-- > 0;) {
        json[size] = '\0';
        check_damaged(json);
    }
    free(json);
}

/* Replaces the first `from` by `to`. */
static void check_damaged_by(const char *from, const char *to)
{
    char *json = sample_json(), text[8192], *at = strstr(json, from);
    if (!at)
        test_fail(__FILE__, __LINE__, "no %s in %s", from, json);
    snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - json), json, to, at + strlen(from));
    check_damaged(text);
    free(json);
}

TEST(members_that_are_missing_or_of_another_kind_are_refused)
{
    check_damaged("[]");
    check_damaged("{}");
    check_damaged("null");
    check_damaged_by("\"job\"", "\"jab\"");
    check_damaged_by("\"job\":\"id\"", "\"job\":3");
    check_damaged_by("\"job\":\"id\"", "\"job\":\"i\\u0000d\"");
    check_damaged_by("\"top\":5", "\"top\":\"5\"");
    check_damaged_by("\"mean\":[", "\"mean\":[null,");
    check_damaged_by("\"mean\":[", "\"mean\":[1e300,");
    check_damaged_by("\"sources\"", "\"saucers\"");
    check_damaged_by("\"sources\":[", "\"sources\":[{},");
    check_damaged_by("[47,", "[0,");
    check_damaged_by("[47,", "[256,");
    check_damaged_by("[47,", "[\"x\",");
}

TEST(numbers_that_would_harm_are_refused)
{
    check_damaged_by("\"batch\":60", "\"batch\":0");
    check_damaged_by("\"batch\":60", "\"batch\":-60");
    check_damaged_by("\"batch\":60", "\"batch\":4097");
    check_damaged_by("\"top\":5", "\"top\":0");
    check_damaged_by("\"emit\":1", "\"emit\":3");
    check_damaged_by("\"crop\":224", "\"crop\":0");
    check_damaged_by("\"interpolation\":3", "\"interpolation\":6");
    check_damaged_by("\"interpolation\":3", "\"interpolation\":-1");
    check_damaged_by("\"resize\":256", "\"resize\":100000");
    check_damaged_by("\"precision\":\"int8\"", "\"precision\":\"int7\"");
    check_damaged_by("\"precision\":\"int8\"", "\"precision\":\"\"");
    check_damaged_by("\"precision\":\"int8\"", "\"precision\":8");
    check_damaged_by("\"recheck\":10", "\"recheck\":101");
    check_damaged_by("\"recheck\":10", "\"recheck\":-1");
    check_damaged_by("\"recheck\":10", "\"recheck\":null");
    check_damaged_by("\"sample\":7", "\"sample\":-1");
    check_damaged_by("\"sample\":7", "\"sample\":\"7\""); /* would list everything */
    check_damaged_by("\"limit\":5000000000", "\"limit\":5e9");
    check_damaged_by("\"sample\":7", "\"sample\":4294967296");
    check_damaged_by("\"limit\":5000000000", "\"limit\":-1");
}

TEST(a_job_of_an_earlier_build_asks_for_no_precision)
{
    char *json = sample_json();
    struct spec *spec;
    struct why why;
    *strstr(json, "precision") = 'P';
    *strstr(json, "recheck") = 'R';
    CHECK_INT(spec_from_json(json, &spec, &why), 0);
    CHECK_STR(spec->precision, "auto");
    CHECK_INT(spec->recheck, 0);
    spec_free(spec);
    free(json);
}

static void differ(struct spec *a, const struct spec *b, const char *expected)
{
    char text[600] = "";
    CHECK_INT(spec_differs(a, b, text, sizeof(text)), expected != NULL);
    CHECK_STR(text, expected ? expected : "");
}

/* Two of the same, but that there are no labels; the texts of `sources` are theirs. */
static void make_two(char *sources[2][2], struct spec *a, struct spec *b)
{
    *a = sample(sources[0]);
    *b = sample(sources[1]);
    a->labels_sha256 = b->labels_sha256 = (char *)"";
}

TEST(two_jobs_are_told_apart_by_what_decides_their_rows)
{
    char *sources[2][2];
    struct spec a, same, b;
    make_two(sources, &a, &same);
#define DIFFERS(change, sentence) \
    b = same;                     \
    b.change;                     \
    differ(&a, &b, sentence)
    DIFFERS(job = (char *)"other", NULL);
    DIFFERS(created = 1, NULL);
    DIFFERS(source_count = 1, "of the kind \"source\" there are 2, not 1");
    DIFFERS(preset = (char *)"article", "the preset is torchvision, not article");
    DIFFERS(crop = 250, "the crop is 224, not 250");
    DIFFERS(std[1] = 0.5f, "in the normalisation, mean and std number 2 are 0 and 1, not 0 and 0.5");
    DIFFERS(top = 1, "the number of classes a row is 5, not 1");
    DIFFERS(precision = (char *)"f32", "the precision is int8, not f32");
    DIFFERS(recheck = 0, "the recheck is 10, not 0");
    DIFFERS(sample = 0, "the sample is 7, not 0");
    DIFFERS(limit = 0, "the limit is 5000000000, not 0");
    DIFFERS(truth = (char *)"", "the truth is (n[0-9]+), not the default");
    DIFFERS(null_separated = false, "the null is 1, not 0");
    sources[1][1] = (char *)"sim:6";
    differ(&a, &same, "the source is sim:5 \"quoted\"\n, not sim:6");
}

TEST(files_are_told_apart_by_what_is_in_them_where_that_is_known)
{
    char *sources[2][2];
    struct spec a, b;
    make_two(sources, &a, &b);
    b.weights_sha256 = (char *)"0123456789abcdef";
    differ(&a, &b, "the model is /w (sha256 ...), not /w (sha256 0123456789ab...)");
    a.weights_sha256 = b.weights_sha256;
    b.weights = (char *)"/elsewhere/w";
    differ(&a, &b, NULL);
    a.weights_sha256 = b.weights_sha256 = (char *)"";
    differ(&a, &b, "the model is /w, not /elsewhere/w");
    b.weights = a.weights;
    a.truth = (char *)"@/a.csv";
    b.truth = (char *)"@/b.csv";
    a.truth_sha256 = b.truth_sha256 = (char *)"0123456789abcdef";
    differ(&a, &b, NULL);
    b.truth_sha256 = (char *)"fedcba9876543210";
    differ(&a, &b, "the truth is @/a.csv (sha256 0123456789ab...), not @/b.csv (sha256 fedcba987654...)");
    b.truth_sha256 = (char *)"";
    differ(&a, &b, "the truth is @/a.csv, not @/b.csv");
}
