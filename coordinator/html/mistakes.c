/* mistakes.c: the photos whose wrong answer was surest. */
#include "common/clock.h"
#include "coordinator/html/markup.h"
#include "coordinator/html/parts.h"
#include "coordinator/html/photo.h"
#include "coordinator/export/json_text.h"
#include "coordinator/value.h"

#include <string.h>

#define THUMBNAIL_CAP (1u << 20)
#define PICTURES_NS   (30 * NS_PER_S) /* that the store may take for all of them */

/* `uri` has the bytes as they are. */
static void put_picture(struct bytes *out, const char *uri, struct photos *photos)
{
    struct bytes jpeg;
    bytes_init(&jpeg, THUMBNAIL_CAP);
    if (uri && photos_make_small(photos, uri, &jpeg) == 0) {
        bytes_append_text(out, "<img alt=\"\" src=\"data:image/jpeg;base64,");
        text_base64(out, jpeg.data, jpeg.size);
        bytes_append_text(out, "\">");
    } else
        bytes_append_text(out, "<div class=\"missing\">not shown: out of reach, or no photo of reasonable size</div>");
    bytes_done(&jpeg);
}

static const char *name_in(const char *uri)
{
    const char *slash = strrchr(uri, '/');
    return slash && slash[1] ? slash + 1 : uri;
}

static void put_mistake(struct bytes *out, const json_t *mistake, const char *uri, struct photos *photos)
{
    bytes_append_text(out, "<figure>");
    put_picture(out, uri, photos);
    bytes_append_text(out, "<figcaption><b>");
    markup_pair(out, text_at(mistake, "label"), truth_shown(mistake), 40);
    bytes_printf(out, "</b> <span class=\"probability\">%.1f&nbsp;%%</span><br>is ", 100 * real_at(mistake, "probability"));
    markup_pair(out, truth_shown(mistake), text_at(mistake, "label"), 40);
    bytes_append_text(out, "<br><small><bdi title=\"");
    markup_text(out, text_at(mistake, "uri"));
    bytes_append_text(out, "\">");
    markup_short(out, name_in(text_at(mistake, "uri")), 20);
    bytes_append_text(out, "</bdi></small></figcaption></figure>");
}

void part_mistakes(struct bytes *out, const struct json_t *all, const struct evaluation *evaluation, struct s3_session *s3)
{
    const json_t *mistakes = json_object_get(json_object_get(all, "evaluation"), "mistakes");
    struct photos photos;
    size_t i;
    json_t *mistake;
    bytes_append_text(out, "<section id=\"mistakes\"><h2>Most confident mistakes</h2>");
    if (!json_array_size(mistakes))
        bytes_append_text(out, "<p>None.</p>");
    else
        bytes_append_text(out, "<p>The answer, its probability, and what the file's name says it is. Labels are sometimes wrong, too.</p>");
    bytes_append_text(out, "<div class=\"gallery\">");
    photos_open(&photos, s3, PICTURES_NS);
    json_array_foreach(mistakes, i, mistake)
        put_mistake(out, mistake, i < evaluation->mistake_count ? evaluation->mistakes[i].uri : NULL, &photos);
    photos_close(&photos);
    bytes_append_text(out, "</div></section>");
}
